"""Commands that read the archive: search, serve, mcp and status."""
