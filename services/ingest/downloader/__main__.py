"""Run the downloader service: `python -m ingest.downloader`."""

if __name__ == "__main__":
    import sys

    from ingest.downloader.service import build
    from ingest.downloader.settings import DownloaderSettings
    from ingest.shared.worker.service import main

    main("downloader", DownloaderSettings, build, sys.argv[1:])
