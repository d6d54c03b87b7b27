"""Fits: a model, its draws, and a short method for each computation."""

from bayesglmm.fitted.fit import Fit
from bayesglmm.fitted.ml_fit import MLFit

__all__ = ["Fit", "MLFit"]
