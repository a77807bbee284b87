"""The command line, and the local mode; the only package that imports all services."""
