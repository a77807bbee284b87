"""The state of each site that all downloaders share: its rate limit, and the stages that are held."""
