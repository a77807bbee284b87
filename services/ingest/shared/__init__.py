"""The modules that all services share; none imports a service."""
