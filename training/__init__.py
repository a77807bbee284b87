"""How the miniature models and the samples of the demonstration are made; see README.md here."""
