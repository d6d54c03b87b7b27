"""The package outside of Python: specs in TOML, the command line, the report."""
