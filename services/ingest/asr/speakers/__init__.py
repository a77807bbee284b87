"""From audio to who speaks."""
