"""Structures of random effects by numpy: the right-hand side of a formula, and the part of η that its blocks make."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from by_hand import Array


def nested(d: pd.DataFrame) -> Array:
    """Return the index of the combination of g and h observed in each row, in the order of g, then h."""
    return np.unique(np.column_stack([d.g, d.h]), axis=0, return_inverse=True)[1].reshape(-1)


def mixed(d: pd.DataFrame, b: Array, *columns: str) -> Array:
    """Return Σ_k z_k b_k over an intercept and columns for b of the row's group, shape (n, k)."""
    return b[:, 0] + sum(d[name].to_numpy() * b[:, k] for k, name in enumerate(columns, 1))


@dataclass(frozen=True)
class Structure:
    """The right-hand side of a formula, and the part of η that its blocks make."""

    rhs: str
    blocks: Callable[[pd.DataFrame, Mapping[str, Array]], Array | float] = lambda d, b: 0.0


STRUCTURES = {
    "no block": Structure("x + w"),
    "intercept alone": Structure("1"),
    "no intercept": Structure("0 + x + w + (1 | g)", lambda d, b: b["g"][d.g, 0]),
    "nothing but a block": Structure("0 + (1 | g)", lambda d, b: b["g"][d.g, 0]),
    "offset": Structure("x + offset(o) + (1 | g)", lambda d, b: d.o + b["g"][d.g, 0]),
    "intercept block": Structure("x + (1 | g)", lambda d, b: b["g"][d.g, 0]),
    "slope block": Structure("x + (0 + x | g)", lambda d, b: d.x * b["g"][d.g, 0]),
    "correlated 2": Structure("x + (1 + x | g)", lambda d, b: mixed(d, b["g"][d.g], "x")),
    "correlated 3": Structure("x + (1 + x + w | g)", lambda d, b: mixed(d, b["g"][d.g], "x", "w")),
    "correlated 4": Structure("x + (1 + x + w + v | g)", lambda d, b: mixed(d, b["g"][d.g], "x", "w", "v")),
    "diagonal": Structure("x + (1 + x + w || g)", lambda d, b: mixed(d, b["g"][d.g], "x", "w")),
    "two bars": Structure("x + (1 | g) + (0 + x | g)", lambda d, b: b["g"][d.g, 0] + d.x * b["g_2"][d.g, 0]),
    "crossed": Structure(
        "x + (1 + x | g) + (1 + w | h)", lambda d, b: mixed(d, b["g"][d.g], "x") + mixed(d, b["h"][d.h], "w")
    ),
    "nested": Structure("x + (1 | g/h)", lambda d, b: b["g"][d.g, 0] + b["g:h"][nested(d), 0]),
}
