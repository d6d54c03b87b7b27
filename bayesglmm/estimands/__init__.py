"""Numbers that say whose they are: `frames`, then one verb a file, each from draws to a table."""
