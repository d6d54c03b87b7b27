"""Estimands: the frames, then one verb a file, each from the draws of a fit to a table or an array of draws."""
