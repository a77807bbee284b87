"""The read side: a page and an HTTP API that find, show and play what the archive holds. It changes nothing."""
