"""When words are said: their times by the alignment, corrected by the speech and the silences of the recording."""
