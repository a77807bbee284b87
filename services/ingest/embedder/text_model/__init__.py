"""The text model: its files, its key in the archive, and the vectors that it computes."""
