"""One accelerator and its many callers."""
