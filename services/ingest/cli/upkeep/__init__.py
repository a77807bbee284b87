"""What is done after a run: dead letters, resume, purge."""
