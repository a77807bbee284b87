"""The engine of every service: fetches messages, runs the handler, publishes, acknowledges."""
