"""`settled(objective)`: as many points of the quadrature as the log likelihood needs."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesglmm.likelihood.findings import SETTLED
from bayesglmm.likelihood.objective import Objective
from bayesglmm.likelihood.search import Ascent, ascend
from bayesglmm.likelihood.start import start

__all__ = ["LADDER", "MOST_NODES", "Settled", "change_with_more", "settled"]

type Array = NDArray[np.float64]

LADDER = {1: (11, 17, 25, 37, 55, 81, 121, 181), 2: (9, 13, 19, 27, 39, 55), 3: (7, 11, 15, 21, 29)}
"""The numbers of points a dimension that are tried, by the number of effects of a group."""

MOST_NODES = 221
"""The most points a dimension: the weights of the outer ones are then near the least double."""


@dataclass(frozen=True, eq=False)
class Settled:
    """The maximum with enough points.

    Parameters
    ----------
    objective
        The log likelihood by these.
    ascent
        Its maximum.
    change
        By how much the log likelihood changes there with the next number of points; where there is none, by how much
        it changed with the last.
    """

    objective: Objective
    ascent: Ascent
    change: float


def settled(objective: Objective) -> Settled:
    """Maximise with the fewest points of `LADDER` at which the log likelihood changes by less than 1e-6 with more."""
    ladder = LADDER[sum(objective.coordinates.sizes)]
    place, (x, scale), evaluations = 0, start(objective), 0
    while True:
        objective = objective.with_nodes(ladder[place])
        ascent = ascend(objective.value_and_gradient, x, scale)
        evaluations += ascent.evaluations
        further, change = _further(objective, ladder, place, ascent)
        if further == place:
            return Settled(objective, replace(ascent, evaluations=evaluations), change)
        place, x, scale = further, ascent.x, ascent.units


def change_with_more(objective: Objective, x: Array) -> float:
    """Return by how much the log likelihood at θ (d,) changes with half as many points again."""
    more = min(objective.nodes + max(objective.nodes // 2, 1), MOST_NODES)
    return objective.with_nodes(more).value(x) - objective.value(x)


def _further(objective: Objective, ladder: tuple[int, ...], place: int, ascent: Ascent) -> tuple[int, float]:
    """Return the place in the ladder from which the log likelihood at a maximum is settled, and its change there.

    At the last place, the change is that from the place before.
    """
    value, change = ascent.value, np.nan
    for further in range(place, len(ladder) - 1):
        more = objective.with_nodes(ladder[further + 1]).value(ascent.x)
        value, change = more, more - value
        if abs(change) < SETTLED:
            return further, float(change)
    if place == len(ladder) - 1:
        change = ascent.value - objective.with_nodes(ladder[-2]).value(ascent.x)
    return len(ladder) - 1, float(change)
