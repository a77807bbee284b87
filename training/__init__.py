"""Makes the miniature models and the samples of the demonstration; see README.md here."""
