"""The asr stage: audio files to transcripts with speakers."""
