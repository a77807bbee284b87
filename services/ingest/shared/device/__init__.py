"""Access of many callers to one accelerator."""
