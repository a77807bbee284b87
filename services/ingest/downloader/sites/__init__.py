"""What all downloaders share about each site: its rate limit, and whether a stage is held."""
