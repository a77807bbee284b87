"""Untrusted work in a child process with limits."""
