"""Commands that set up and check an installation: demo, doctor, config, migrate and selftest."""
