"""Run the asr service: `python -m services.asr`."""

if __name__ == "__main__":
    from services.asr.service import build
    from services.asr.settings import AsrSettings
    from services.shared.service import main

    main("asr", AsrSettings, build)
