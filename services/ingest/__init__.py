"""From channels, feeds and files to a searchable archive; start reading in `services/ingest/shared/messages.py`."""
