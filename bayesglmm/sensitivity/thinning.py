"""Which draws a long computation uses: all, or evenly spaced ones, within a budget of row evaluations."""

import math
from dataclasses import dataclass

__all__ = ["AVERAGES", "DENSITY_AT_ZERO", "INTEGRALS", "MARGINAL_LIKELIHOOD", "Budget", "step_for_count", "step_within"]


@dataclass(frozen=True)
class Budget:
    """How much a computation takes unless the user gives a number of draws.

    Parameters
    ----------
    evaluations
        Evaluations of a row: draws × rows × points of a quadrature.
    fewest, most
        Numbers of draws that are used at least and at most; `most` is None for all.
    """

    evaluations: float
    fewest: int
    most: int | None = None


INTEGRALS = Budget(2e8, 500)
"""Likelihoods with random effects integrated out: some seconds."""

AVERAGES = Budget(1e7, 500)
"""Means averaged over rows and random effects: a second or two."""

DENSITY_AT_ZERO = Budget(4e5, 200, 2000)
"""Likelihoods along one standard deviation."""

MARGINAL_LIKELIHOOD = Budget(8e8, 200, 500)
"""Likelihoods at the draws of a bridge and at as many points of a proposal: some ten seconds at the fewest draws."""

_BEYOND = 4
"""By what factor the fewest draws may exceed the budget; beyond it the computation is left out."""


def step_within(budget: Budget, total: int, cost: int, draws: int | None = None, multiple: int = 1) -> int | None:
    """Return the step between the draws used; None if even the fewest draws take over four times the budget.

    Parameters
    ----------
    budget
        What the computation may take.
    total
        The number of draws there are.
    cost
        Evaluations of a row in each draw.
    draws
        The largest number of draws to use; None for the budget alone.
    multiple
        What the step is a multiple of.
    """
    work = total * cost / budget.evaluations
    step = max(1, min(math.ceil(work), total // budget.fewest), math.ceil(total / (draws or total)))
    step = multiple * math.ceil(step / multiple)
    return None if work / step > _BEYOND else step


def step_for_count(budget: Budget, total: int, cost: int, draws: int | None = None) -> int:
    """Return the step between the draws used where the count is within the budget's fewest and most draws.

    Parameters are those of `step_within`.
    """
    count = draws or min(max(int(budget.evaluations) // cost, budget.fewest), budget.most or total)
    return max(1, total // count)
