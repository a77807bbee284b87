"""Runs: asks for recordings, follows them, shows the result."""
