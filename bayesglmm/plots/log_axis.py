"""Logarithmic axes labelled with plain numbers: figures write text as it is, without mathematical notation."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

__all__ = ["log_axis"]

_MULTIPLES = ((1.0, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (2.5, (1.0, 2.0, 5.0)), (np.inf, (1.0,)))
"""Labelled multiples in each decade, by the largest number of decades of the axis."""


def log_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with as many labels as its decades leave room for."""
    if which == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    axis, limits = (axes.xaxis, axes.get_xlim()) if which == "x" else (axes.yaxis, axes.get_ylim())
    low, high = np.log10(limits)
    axis.set_major_locator(LogLocator(base=10, subs=next(subs for most, subs in _MULTIPLES if high - low <= most)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
