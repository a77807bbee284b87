"""Runs: request recordings, follow them, show the result."""
