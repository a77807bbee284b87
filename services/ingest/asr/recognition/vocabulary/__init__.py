"""Words and names that people have given to the recognizer: what sounds like one of them is read again with it."""
