"""Run the embedder service: `python -m services.embedder`."""

if __name__ == "__main__":
    from services.embedder.service import build
    from services.embedder.settings import EmbedderSettings
    from services.shared.service import main

    main("embedder", EmbedderSettings, build)
