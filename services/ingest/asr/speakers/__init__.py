"""Speaker diarization and identification: audio to named turns."""
