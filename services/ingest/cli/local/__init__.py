"""The local mode: servers and services as child processes, everything in one state folder."""
