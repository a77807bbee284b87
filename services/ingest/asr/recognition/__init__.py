"""Speech recognition: audio to words."""
