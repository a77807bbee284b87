"""Run the asr service: `python -m ingest.asr`."""

if __name__ == "__main__":
    import sys

    from ingest.asr.service import build
    from ingest.asr.settings import AsrSettings
    from ingest.shared.worker.service import main

    main("asr", AsrSettings, build, sys.argv[1:])
