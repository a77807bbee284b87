"""Files on the shared volume."""
