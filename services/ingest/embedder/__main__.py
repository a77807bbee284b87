"""Run the embedder service: `python -m ingest.embedder`."""

if __name__ == "__main__":
    import sys

    from ingest.embedder.service import build
    from ingest.embedder.settings import EmbedderSettings
    from ingest.shared.worker.service import main

    main("embedder", EmbedderSettings, build, sys.argv[1:], reports_failures=True)
