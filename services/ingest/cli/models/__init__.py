"""The models that the settings name: list, fetch, verify."""
