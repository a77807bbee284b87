"""The web server of the archive: its API, its pages, and the checks around them."""
