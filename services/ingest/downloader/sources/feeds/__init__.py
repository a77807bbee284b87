"""Feeds, and lists of feeds: their transfer, their forms, and what is taken of them; runs in a child process."""
