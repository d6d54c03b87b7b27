"""Fits: a model, its draws, and a short method for each computation."""

from bayesglmm.fitted.fit import Fit

__all__ = ["Fit"]
