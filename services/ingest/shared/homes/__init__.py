"""Homes of a volume that are no folder, and which of them the settings name."""
