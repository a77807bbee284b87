"""What people have corrected, applied to what was recognised: pure. The rows are in `tables/` and `rebuild`."""
