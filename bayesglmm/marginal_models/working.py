"""Working correlations: how the outcomes of a group are assumed to go together, and the moment estimates of it.

With Pearson residuals e (n,), each times the root of its weight, their dispersion φ = Σ e²/(Σw − p) and their mean
square φ' = Σ e²/Σw, these are the estimates of the gee package of R:

    exchangeable     α    = Σ_i Σ_{j<k} e_ij e_ik / ((N − p) φ),   N the number of pairs
    autoregressive   α    = Σ_i Σ_j e_ij e_i,j+1 / (N φ'),         N the number of neighbours in time
    unstructured     α_jk = Σ_i e_ij e_ik / (N_jk φ'),             N_jk the number of groups with both visits

A pair counts by the geometric mean of its two weights.

References
----------
Liang & Zeger (1986), Biometrika 73, 13-22.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, override

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq

from bayesglmm.errors import DataError, OptionError

__all__ = [
    "WORKING",
    "Autoregressive",
    "Correlation",
    "Exchangeable",
    "Groups",
    "Independence",
    "Unstructured",
    "Working",
    "working_correlation",
]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]
type Working = Literal["exchangeable", "independence", "autoregressive", "unstructured"]

WORKING: tuple[Working, ...] = ("exchangeable", "independence", "autoregressive", "unstructured")
"""The working correlations."""

_REMEDY = 'use working="independence", whose robust standard errors are right under any correlation'


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of the rows.

    Parameters
    ----------
    index
        (n,) the group of each row, 0 to m − 1, every group having rows.
    weight
        (n,) how often a row counts.
    time
        (n,) the time of each row, which no other row of its group has; any type that can be sorted.
    time_name
        What the time is, in words.
    coefficients
        The number p of coefficients.
    """

    index: Index
    weight: Array
    time: NDArray[Any]
    time_name: str
    coefficients: int

    @cached_property
    def rows(self) -> tuple[Index, ...]:
        """The rows of each group, in the order of the data."""
        order = np.argsort(self.index, kind="stable")
        return tuple(np.split(order, np.cumsum(np.bincount(self.index))[:-1]))

    @property
    def largest(self) -> int:
        """The number of rows of the largest group."""
        return int(np.bincount(self.index).max())

    def mean_square(self, e: Array) -> float:
        """Return Σ e²/Σw of weighted residuals (n,)."""
        return float(e @ e / self.weight.sum())

    def sums(self, values: Array) -> Array:
        """Return the sums of values (n,) by group, (m,)."""
        return np.bincount(self.index, values)


class Correlation(ABC):
    """A working correlation of groups; its parameter is a value that its methods take, None for no correlation yet."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups

    @abstractmethod
    def estimate(self, e: Array, phi: float) -> Any:
        """Return the parameter from weighted Pearson residuals (n,) and the dispersion φ.

        Raises
        ------
        OptionError
            If the estimate is no correlation.
        """

    @abstractmethod
    def solve(self, value: Any, group: int, right: Array) -> Array:
        """Return R⁻¹ times the columns `right` (r, k), R being the correlation (r, r) of a group."""

    @abstractmethod
    def text(self, value: Any) -> str:
        """Return the structure and its parameter in words."""

    def shown(self, value: Any) -> Any:
        """Return the parameter as a user sees it: None, a number, or a table."""
        return value


class Independence(Correlation):
    """No correlation within groups."""

    @override
    def estimate(self, e: Array, phi: float) -> None:
        return None

    @override
    def solve(self, value: None, group: int, right: Array) -> Array:
        return right

    @override
    def text(self, value: None) -> str:
        return "independence"


class Exchangeable(Correlation):
    """The same correlation α between any two rows of a group."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups)
        self._pairs = float(_products(groups, np.sqrt(groups.weight)).sum())
        _require_pairs(self._pairs, groups, "pairs of rows within groups", "exchangeable")

    @override
    def estimate(self, e: Array, phi: float) -> float:
        alpha = float(_products(self.groups, e).sum()) / ((self._pairs - self.groups.coefficients) * phi)
        least = -1 / (self.groups.largest - 1)
        if not least < alpha < 1:
            raise OptionError(
                f"the estimated exchangeable correlation is {alpha:.4g}, and in groups of up to {self.groups.largest} "
                f"rows a correlation lies between {least:.4g} and 1; {_REMEDY}"
            )
        return alpha

    @override
    def solve(self, value: Any, group: int, right: Array) -> Array:
        if value is None:
            return right
        alpha, size = value, len(right)
        shared: Array = right.sum(axis=0) * alpha / (1 + (size - 1) * alpha)
        return np.asarray((right - shared) / (1 - alpha))

    @override
    def text(self, value: Any) -> str:
        return f"exchangeable, α = {value:.4f} between any two rows of a group"


class Autoregressive(Correlation):
    """The correlation α^d of two rows d steps apart in time, a step being the shortest distance between neighbours."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups)
        time = _numeric(groups)
        order = np.lexsort((time, groups.index))
        same = groups.index[order][1:] == groups.index[order][:-1]
        self._order = tuple(rows[np.argsort(time[rows], kind="stable")] for rows in groups.rows)
        self._earlier, self._later = order[:-1][same], order[1:][same]
        gaps = time[self._later] - time[self._earlier]
        self.step = float(gaps.min()) if len(gaps) else 1.0
        steps = gaps / self.step
        self._whole = bool(np.allclose(steps, np.rint(steps), rtol=1e-9, atol=0))
        self._steps = np.rint(steps) if self._whole else steps
        self._distance = np.zeros(len(time))  # of each row from the one before it in its group
        self._distance[self._later] = self._steps
        self._pair_weight = np.sqrt(groups.weight[self._earlier] * groups.weight[self._later])
        _require_pairs(float(self._pair_weight.sum()), groups, "neighbours in time within groups", "autoregressive")

    @override
    def estimate(self, e: Array, phi: float) -> float:
        products = e[self._earlier] * e[self._later] / self.groups.mean_square(e)
        if (self._steps == 1).all():
            alpha = float(products.sum() / self._pair_weight.sum())
        else:
            alpha = _power(products, self._pair_weight, self._steps, whole=self._whole)
        if not -1 < alpha < 1:
            raise OptionError(f"the estimated autoregressive correlation is {alpha:.4g}, which is none; {_REMEDY}")
        return alpha

    @override
    def solve(self, value: Any, group: int, right: Array) -> Array:
        if value is None or len(right) == 1:
            return right
        rows, order = self.groups.rows[group], self._order[group]
        place = np.searchsorted(rows, order)
        between = (value ** self._distance[order[1:]])[:, None]
        left = np.sqrt(1 - between**2)  # standard deviation of a row given the one before
        sorted_right = right[place]
        fresh = (sorted_right[1:] - between * sorted_right[:-1]) / left
        result = np.empty_like(sorted_right)
        result[0] = sorted_right[0]
        result[1:] = fresh / left
        result[:-1] -= between * fresh / left
        out = np.empty_like(result)
        out[place] = result
        return out

    @override
    def text(self, value: Any) -> str:
        if self.groups.time_name.startswith("the "):
            return f"autoregressive, α = {value:.4f} between neighbours in {self.groups.time_name}"
        return f"autoregressive, α = {value:.4f} at a distance of {self.step:g} in {self.groups.time_name}"


class Unstructured(Correlation):
    """A correlation of its own for each pair of visits."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups)
        sizes = np.bincount(groups.index)
        if groups.time_name.startswith("the ") and (sizes != sizes[0]).any():
            raise OptionError(
                f"the groups have {sizes.min()} to {sizes.max()} rows, so the order of the rows does not say which "
                'visit each is; pass time= with the column of visits, or use working="exchangeable"'
            )
        visit, labels = pd.factorize(groups.time, sort=True)
        self._visit, self.visits = visit.astype(np.int64), labels
        present = self._by_visit(np.sqrt(groups.weight))
        self._pairs: Array = present.T @ present
        if (self._pairs <= groups.coefficients).any():
            first, second = np.argwhere(self._pairs <= groups.coefficients)[0]
            raise OptionError(
                f"an unstructured correlation of {len(labels)} visits has {len(labels) * (len(labels) - 1) // 2} "
                f"parameters, and visits {labels[first]} and {labels[second]} are together in groups of weight "
                f"{self._pairs[first, second]:g}, not more than the {groups.coefficients} coefficients; use "
                'working="exchangeable" or "autoregressive"'
            )

    @override
    def estimate(self, e: Array, phi: float) -> Array:
        values = self._by_visit(e)
        alpha: Array = values.T @ values / (self._pairs * self.groups.mean_square(e))
        np.fill_diagonal(alpha, 1.0)
        least = float(np.linalg.eigvalsh(alpha)[0])
        if least <= 0:
            raise OptionError(
                f"the estimated unstructured correlations of {len(alpha)} visits are no correlation matrix (least "
                f'eigenvalue {least:.3g}): there are too many for the data; use working="exchangeable" or '
                '"autoregressive"'
            )
        return alpha

    @override
    def solve(self, value: Any, group: int, right: Array) -> Array:
        if value is None:
            return right
        visits = self._visit[self.groups.rows[group]]
        return np.asarray(cho_solve(cho_factor(value[np.ix_(visits, visits)]), right))

    @override
    def text(self, value: Any) -> str:
        low, high = (pick(value[np.triu_indices(len(value), 1)]) for pick in (np.min, np.max))
        return (
            f"unstructured over {len(self.visits)} visits by {self.groups.time_name}, {low:.4f} to {high:.4f} "
            "(.correlation)"
        )

    @override
    def shown(self, value: Any) -> pd.DataFrame:
        labels = pd.Index(self.visits, name=None if self.groups.time_name.startswith("the ") else self.groups.time_name)
        return pd.DataFrame(value, labels, labels)

    def _by_visit(self, values: Array) -> Array:
        """Return values (n,) as a matrix of groups by visits, 0 where a visit is missing."""
        matrix = np.zeros((len(self.groups.rows), len(self.visits)))
        matrix[self.groups.index, self._visit] = values
        return matrix


def working_correlation(name: Working, groups: Groups) -> Correlation:
    """Return the working correlation of a name.

    Raises
    ------
    OptionError, DataError
        If it cannot be estimated from these groups.
    """
    kinds: dict[Working, Callable[[Groups], Correlation]] = {
        "exchangeable": Exchangeable,
        "independence": Independence,
        "autoregressive": Autoregressive,
        "unstructured": Unstructured,
    }
    return kinds[name](groups)


def _products(groups: Groups, values: Array) -> Array:
    """Return the sum over pairs of rows of the products of values (n,), by group, (m,)."""
    return np.asarray((np.square(groups.sums(values)) - groups.sums(np.square(values))) / 2)


def _require_pairs(pairs: float, groups: Groups, what: str, name: str) -> None:
    if pairs <= groups.coefficients:
        raise OptionError(
            f"an {name} correlation is estimated from {what}; their weight is {pairs:g}, not more than the "
            f"{groups.coefficients} coefficients; {_REMEDY}"
        )


def _numeric(groups: Groups) -> Array:
    if groups.time.dtype.kind not in "iufb":
        raise DataError(
            f"'{groups.time_name}' holds labels or dates; an autoregressive correlation needs distances in time: make "
            "a number of it, such as days since a start"
        )
    return groups.time.astype(np.float64)


def _power(products: Array, weight: Array, steps: Array, *, whole: bool) -> float:
    """Return the α that minimises Σ w (products/w − α^steps)²; without whole steps α is not negative."""
    least, most = (-1 + 1e-9 if whole else 0.0), 1 - 1e-9

    def slope(alpha: float) -> float:
        return float((steps * alpha ** (steps - 1) * (weight * alpha**steps - products)).sum())

    grid = np.linspace(least, most, 401)
    loss = [float((weight * alpha ** (2 * steps) - 2 * products * alpha**steps).sum()) for alpha in grid]
    best = int(np.argmin(loss))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, 400)]
    if slope(low) < 0 < slope(high):
        return float(brentq(slope, low, high, xtol=1e-14))
    return float(np.rint(grid[best]))  # an end of the range
