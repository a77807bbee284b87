"""Who may read and who may change something, and how much a client may ask."""
