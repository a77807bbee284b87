"""Run the downloader service: `python -m services.downloader`."""

if __name__ == "__main__":
    from services.downloader.service import build
    from services.downloader.settings import DownloaderSettings
    from services.shared.service import main

    main("downloader", DownloaderSettings, build)
