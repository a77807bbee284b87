"""Sources of recordings: one connector for each type of source, listed in `registry`."""
