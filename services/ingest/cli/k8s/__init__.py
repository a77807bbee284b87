"""The command line on a Kubernetes cluster."""
