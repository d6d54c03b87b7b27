"""Draws as labelled arrays: what others need of a fit (`protocol`), tables (`summaries`), files (`storage`)."""
