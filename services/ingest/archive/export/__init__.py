"""Recordings as files: one module for each format, and one table of them in `registry`."""
