"""Serve the feed of the demonstration on all interfaces: `python -m ingest.demo [PORT]`."""

import sys

from ingest.demo.feed import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
