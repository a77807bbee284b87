"""The command line, and the local mode; the only package that sees every room."""
