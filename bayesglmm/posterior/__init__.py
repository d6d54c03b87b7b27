"""Draws: as arrays (`draws`), as a fit (`protocol`), in tables (`summaries`), in files (`storage`)."""
