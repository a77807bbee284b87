"""Logs, metrics, the health page, and how the time is spent."""
