"""The tables of the archive: one module for each part that is written or read."""
