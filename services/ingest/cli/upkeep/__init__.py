"""Commands for the time after a run: retry, resume, purge, dead letters."""
