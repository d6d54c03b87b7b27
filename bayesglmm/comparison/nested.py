"""`dropped(small, large)`: what a model leaves out of another that it is nested in."""

from dataclasses import dataclass

import numpy as np

from bayesglmm.errors import OptionError
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.model import Model

__all__ = ["Dropped", "dropped"]

_LIMITS = {("poisson", "negative_binomial"), ("poisson", "negative_binomial1")}
"""Families that are others at an end of the range of one parameter: (small, large)."""

_TOLERANCE = 1e-8
"""Of residuals, relative to the column: is it a combination of the other model's columns?"""

type Column = tuple[str, str]
"""A grouping factor and a column of its effects."""


@dataclass(frozen=True)
class Dropped:
    """What a model leaves out of another.

    Parameters
    ----------
    coefficients
        The number of coefficients.
    covariances
        The number of covariances between effects that both models have.
    effects
        Each random effect left out, with the number of covariances that it has in the larger model with effects that
        the smaller one has.
    among
        The number of covariances between effects that are both left out.
    at_limit
        Whether the family is the other's at an end of the range of a parameter.
    """

    coefficients: int
    covariances: int
    effects: dict[Column, int]
    among: int
    at_limit: bool

    @property
    def parameters(self) -> int:
        """The number of parameters left out."""
        covariances = self.covariances + sum(self.effects.values()) + self.among
        return self.coefficients + covariances + len(self.effects) + int(self.at_limit)


def dropped(small: Model, large: Model) -> Dropped:
    """Return what the small model leaves out of the large one.

    Raises
    ------
    OptionError
        If they are not nested.
    """
    at_limit = _families(small, large)
    _offsets(small, large)
    ours, theirs = small.design, large.design
    rank = _rank(ours, theirs)
    columns, pairs = zip(*(_effects(design) for design in (ours, theirs)), strict=True)
    if missing := [f"{name} of {factor}" for factor, name in columns[0] if (factor, name) not in columns[1]]:
        raise _not_nested(f"the random effects {', '.join(missing)} are in it alone")
    if alone := pairs[0] - pairs[1]:
        named = ", ".join(" and ".join(name for _, name in sorted(pair)) for pair in alone)
        raise _not_nested(f"the covariance of {named} is in it alone")
    gone = {column for column in columns[1] if column not in columns[0]}
    among = {pair for pair in pairs[1] if pair <= gone}
    mixed = {pair for pair in pairs[1] - among if pair & gone}
    effects = {column: sum(column in pair for pair in mixed) for column in columns[1] if column in gone}
    return Dropped(rank, len(pairs[1] - pairs[0] - among - mixed), effects, len(among), at_limit)


def _families(small: Model, large: Model) -> bool:
    ours, theirs = small.family, large.family
    if ours.link.name != theirs.link.name:
        raise _not_nested(f"it has the {ours.link.name} link, the other the {theirs.link.name} link")
    if ours.name == theirs.name:
        return False
    if (ours.name, theirs.name) in _LIMITS:
        return True
    raise _not_nested(f"its family is {ours.name}, the other's {theirs.name}; compare them by aic, or by bg.compare")


def _offsets(small: Model, large: Model) -> None:
    if not np.allclose(small.design.offset, large.design.offset):
        raise _not_nested("it has another offset")


def _rank(small: Design, large: Design) -> int:
    """Return how many coefficients are left out, if every column of one is a combination of the other's."""
    rank = [int(np.linalg.matrix_rank(design.x)) if design.x.shape[1] else 0 for design in (small, large)]
    both = np.hstack([large.x, small.x])
    if both.shape[1] and int(np.linalg.matrix_rank(both)) > rank[1]:
        residual = small.x - large.x @ np.linalg.lstsq(large.x, small.x, rcond=None)[0] if rank[1] else small.x
        size = np.linalg.norm(small.x, axis=0)
        alone = [
            name
            for name, r, s in zip(small.coef, np.linalg.norm(residual, axis=0), size, strict=True)
            if r > _TOLERANCE * s
        ]
        raise _not_nested(f"the coefficients {', '.join(alone)} are in it alone")
    return rank[1] - rank[0]


def _effects(design: Design) -> tuple[dict[Column, BlockDesign], set[frozenset[Column]]]:
    """Return the random effects of a design, and the pairs of them that have a covariance."""
    columns: dict[Column, BlockDesign] = {}
    pairs: set[frozenset[Column]] = set()
    for block in design.blocks:
        named = [(block.factor, name) for name in block.columns]
        columns |= dict.fromkeys(named, block)
        if block.correlated:
            pairs |= {frozenset((one, other)) for i, one in enumerate(named) for other in named[:i]}
    return columns, pairs


def _not_nested(reason: str) -> OptionError:
    return OptionError(
        f"the first model is not nested in the second: {reason}. Give the smaller model first, with terms of the "
        "larger one left out; models that are not nested are compared by their aic, or by what they predict, bg.compare"
    )
