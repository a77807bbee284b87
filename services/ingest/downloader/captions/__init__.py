"""Captions and published transcripts that a source has already: found, read in a limited child process, kept."""
