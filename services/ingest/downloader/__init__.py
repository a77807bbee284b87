"""From a request to an audio file on the volume."""
