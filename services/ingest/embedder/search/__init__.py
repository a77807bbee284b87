"""Hybrid search: from the text of a question to passages."""
