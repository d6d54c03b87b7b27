"""Shared helpers: visible text, names, tables as text, files written atomically, Newton's method."""
