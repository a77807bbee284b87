"""From an audio file to a transcript file."""
