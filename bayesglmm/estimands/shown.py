"""`Shown`: how estimates are drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bayesglmm.estimands.raw_means import Raw

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """How estimates are drawn.

    Parameters
    ----------
    shape
        `"curve"` over a numeric column, `"points"` over few values of one, `"labels"` over a factor, `"forest"`
        for rows that stand below each other.
    value
        What the estimates are, for their axis.
    focal
        The column on the horizontal axis, except in a forest.
    null
        The value of no effect: 0 or 1; None for means.
    ratio
        Whether the axis is logarithmic.
    bounds
        The range of the mean.
    frames
        What each frame is called, by its name.
    note
        What else a reader must know, below the picture.
    raw
        Computes the raw means of the outcome that can stand behind the estimates; None where there are none.
    contrasts
        What each contrast is called in a picture, by its name.
    grouped
        Whether the model has random effects, so that the frame matters.
    described
        The labels that say more of a row of the data than its number; a forest leaves them out.
    """

    shape: Literal["curve", "points", "labels", "forest"]
    value: str
    focal: str = ""
    null: float | None = None
    ratio: bool = False
    bounds: tuple[float, float] = (-np.inf, np.inf)
    frames: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    raw: Callable[[], Raw] | None = None
    contrasts: Mapping[str, str] = field(default_factory=dict)
    grouped: bool = True
    described: tuple[str, ...] = ()
