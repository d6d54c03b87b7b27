"""How draws came about, where they are no posterior's: every sentence above a number ends with it."""

from typing import Any

import xarray as xr

__all__ = ["INFERENCE", "is_posterior", "said"]

INFERENCE = "inference"
"""The attribute of a posterior that says so; a posterior's own draws have none."""


def said(sentence: str, posterior: xr.Dataset | xr.DataArray) -> str:
    """Return what is estimated, and how the draws came about where they are not of a posterior."""
    how: Any = posterior.attrs.get(INFERENCE)
    if not how:
        return sentence
    end = "." if sentence.endswith(".") else ""
    return f"{sentence.removesuffix('.')}; {how}{end}"


def is_posterior(draws: xr.Dataset | xr.DataArray) -> bool:
    """Return whether draws are of a posterior, so that shares of them are probabilities of what they are draws of."""
    return not draws.attrs.get(INFERENCE)
