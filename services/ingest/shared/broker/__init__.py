"""NATS JetStream behind a small interface."""
