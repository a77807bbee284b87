"""From audio to words."""
