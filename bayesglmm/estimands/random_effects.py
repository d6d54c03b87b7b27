"""`random_effects`: the effects or coefficients of every level of a factor: draws, table, ranks, a new group."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from bayesglmm.common.names import find
from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError, choose, listing, suggest
from bayesglmm.estimands.group_coefficients import (
    QUANTITIES,
    SCALES,
    Transform,
    attributes,
    fixed_part,
    meanings,
    transform,
)
from bayesglmm.estimands.ranks import BEST, rank_probabilities, rank_table
from bayesglmm.posterior.draws import Draws, block_diagonal
from bayesglmm.posterior.inference import INFERENCE, is_posterior, said
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import BlockDesign, factor_named

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["RandomEffects", "blocks_of", "random_effects"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RandomEffects(Result):
    """The effects or coefficients of every level of a grouping factor; `random_effects` makes one.

    Parameters
    ----------
    factor
        The grouping factor.
    draws
        Draws with dims `chain`, `draw`, `level`, `column`, on the scale asked for; the attributes `quantity`,
        `scale`, `frame` and `estimand` say whose number each is.
    centre
        What b = 0 is on the link scale, shape (s, k): 0 for effects, β for coefficients.
    covariance
        Draws of G, shape (s, k, k); link scale.
    transforms
        Per column, the increasing function from the link scale to the scale asked for.
    meaning
        What each column is, by column.
    link_scale
        What the scale of the linear predictor is called.
    ci_prob
        The probability of the equal-tailed intervals of the tables.
    """

    factor: str
    draws: xr.DataArray
    centre: Array
    covariance: Array
    transforms: tuple[Transform, ...]
    meaning: Mapping[str, str]
    link_scale: str
    ci_prob: float = 0.95

    @property
    def sd(self) -> Array:
        """The standard deviations between groups, shape (s, k); link scale."""
        return np.asarray(np.sqrt(np.einsum("skk->sk", self.covariance)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(str(name) for name in self.draws["column"].values)

    def column(self, name: str, option: str = "column") -> str:
        """Return the column that a name stands for, its factors in any order.

        Raises
        ------
        OptionError
            If there is none.
        """
        column = find(str(name), self.columns)
        if column is None:
            raise OptionError(
                f"{option}={name!r} is not a column of '{self.factor}'; {suggest(str(name), self.columns)}"
            )
        return column

    @property
    def table(self) -> pd.DataFrame:
        """Summarise the draws.

        Returns
        -------
        pandas.DataFrame
            Index `level`, `column`; columns `mean median sd lower upper` of the posterior, with equal-tailed
            intervals, and `probability_positive`, the probability that it is above 0 on the link scale.
        """
        flat = self.flat
        zero = np.array([float(transform(np.zeros(()))) for transform in self.transforms])
        table = summarise(flat.reshape(len(flat), -1), self.ci_prob)
        if is_posterior(self.draws):
            table["probability_positive"] = (flat > zero).mean(axis=0).reshape(-1)
        levels = self.draws["level"].values.tolist()
        table.index = pd.MultiIndex.from_product([levels, self.columns], names=["level", "column"])
        table.attrs = self._attrs()
        return table

    def ranks(self, column: str | None = None, *, best: str = "largest") -> pd.DataFrame:
        """Summarise the rank of each level among all, 1 the best.

        Parameters
        ----------
        column
            Which column; it may be left out where there is one.
        best
            Whether the `"largest"` or the `"smallest"` value has rank 1.

        Returns
        -------
        pandas.DataFrame
            Index `level`, best mean rank first; columns `mean median sd lower upper` of the rank and
            `probability_best`, that of rank 1. Levels with equal values in a draw share their ranks.
        """
        name = self._column(column)
        table = rank_table(self._values(name), choose("best", best, BEST), self.ci_prob)
        table = table.set_axis(pd.Index(self.draws["level"].values.tolist(), name="level"), axis=0)
        table = table.sort_values("mean", kind="stable")
        table.attrs = self._attrs() | {"column": name, "best": best}
        return table

    def rank_probabilities(self, column: str | None = None, *, best: str = "largest") -> xr.DataArray:
        """Return the posterior probability of each rank for each level, dims `level`, `rank`.

        It sums to 1 over the ranks and over the levels. Levels with equal values in a draw share their ranks.
        """
        name = self._column(column)
        probabilities = rank_probabilities(self._values(name), choose("best", best, BEST))
        coords = {"level": self.draws["level"].values, "rank": np.arange(1, len(probabilities) + 1)}
        attrs = {"column": name, "best": best, "factor": self.factor}
        return xr.DataArray(probabilities, coords, ("level", "rank"), "probability", attrs)

    @property
    def new_group(self) -> pd.DataFrame:
        """Summarise the value of one group not yet seen, b ~ N(0, G) in each draw, without simulation.

        Returns
        -------
        pandas.DataFrame
            Index `column`; columns `median lower upper` of its predictive distribution, on the scale asked
            for; `probability_positive`, that it is above 0 on the link scale; `share_lower share_upper`,
            the interval of the share of all groups that are, Φ(centre/σ), whose mean `probability_positive` is.
        """
        probabilities = (0.5, *interval(self.ci_prob))
        sd = self.sd
        rows: dict[str, tuple[float, ...]] = {}
        for j, name in enumerate(self.columns):
            values = [float(self.transforms[j](np.array(q))) for q in self._mixture(j, probabilities)]
            with np.errstate(divide="ignore", invalid="ignore"):
                share = special.ndtr(self.centre[:, j] / sd[:, j])
            share = np.where(np.isnan(share), 0.0, share)  # 0/0: every group is at 0, none above
            rows[name] = (*values, float(share.mean()), *np.quantile(share, interval(self.ci_prob)).tolist())
        names = ["median", "lower", "upper", "probability_positive", "share_lower", "share_upper"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("column")
        table.attrs = self._attrs() | {"frame": "new_group"}
        return table

    def plot(
        self,
        style: Literal["forest", "pairs", "quantiles"] = "forest",
        *,
        columns: str | Sequence[str] | None = None,
    ) -> "Picture":
        """Draw the levels sorted, two columns against each other, or against normal quantiles.

        Parameters
        ----------
        style
            - `"forest"`: the levels sorted, a panel a column: see `bayesglmm.plots.forest`.
            - `"pairs"`: effects of two columns against each other, with ellipses of N(0, G): see
              `bayesglmm.plots.effect_pairs`.
            - `"quantiles"`: effects divided by their sd against the quantiles of N(0, 1), a panel a column: see
              `bayesglmm.plots.effect_quantiles`.
        columns
            One column or several; None for all, of pairs for the first two. With one column a pair has the first
            other column as its second.

        Raises
        ------
        OptionError
            For an unknown style or column; for pairs or quantiles of coefficients or on the response scale; for a
            pair that is not of two columns.
        """
        from bayesglmm.plots.random_effects import draw

        return draw(self, style, columns)

    @property
    def flat(self) -> Array:
        """The draws of all chains in a row, (s, m, k)."""
        values = self.draws.transpose("chain", "draw", "level", "column").values
        return np.asarray(values.reshape(-1, *values.shape[2:]))

    def _layout(self) -> Layout:
        options = {"max_rows": 40, "float_format": "{:.3f}".format}
        return Layout((str(self.draws.attrs["estimand"]),), self.table, options=options)

    def _attrs(self) -> dict[Hashable | None, Any]:
        return {**self.draws.attrs, "ci_prob": self.ci_prob}

    def _column(self, column: str | None) -> str:
        if column is None and len(self.columns) > 1:
            raise OptionError(
                f"'{self.factor}' has {len(self.columns)} columns ({listing(self.columns)}): say which, "
                f"column={self.columns[0]!r}"
            )
        return self.columns[0] if column is None else self.column(column)

    def _values(self, column: str) -> Array:
        """Return the draws of a column, shape (s, m)."""
        return self.flat[..., self.columns.index(column)]

    def _mixture(self, column: int, probabilities: tuple[float, ...]) -> list[float]:
        """Return quantiles of the mixture of N(centre, sd²) over the draws, by bisection; link scale."""
        centre, sd = self.centre[:, column], np.maximum(self.sd[:, column], 1e-300)
        low, high = float((centre - 10 * sd).min()), float((centre + 10 * sd).max())
        quantiles = []
        for probability in probabilities:
            below, above = low, high
            for _ in range(60):
                middle = (below + above) / 2
                under = special.ndtr(np.clip((middle - centre) / sd, -40, 40)).mean() < probability
                below, above = (middle, above) if under else (below, middle)
            quantiles.append((below + above) / 2)
        return quantiles


def random_effects(
    fit: Fitted, factor: str | None = None, *, quantity: str = "effects", scale: str = "link", ci_prob: float = 0.95
) -> RandomEffects:
    """Return the random effects of a grouping factor, or the coefficients of its groups.

    Parameters
    ----------
    fit
        The fit.
    factor
        The grouping factor as written; it may be left out where the model has one. Several blocks on it
        are taken together.
    quantity
        `"effects"`: b, a group's deviation from the typical group. `"coefficients"`: β + b, the group's own;
        a column without a population-level coefficient has β = 0. Where a column interacts with another
        predictor, β is its coefficient where that predictor is 0, for every group.
    scale
        `"link"`, or `"response"`: exp(b) and exp(β + b) where that is a ratio with a name; of the intercept
        in β + b, g⁻¹, the group's mean where all predictors and offsets are 0.
    ci_prob
        The probability of the equal-tailed intervals of the tables.

    Returns
    -------
    RandomEffects
        With `table`, `new_group`, `ranks()`, `rank_probabilities()` and `plot()`.

    Raises
    ------
    OptionError
        If the model has no random effects or not that factor, a scale has no meaning under the link, `ci_prob` is no
        probability, or a column is another combination of the population-level columns.
    """
    interval(ci_prob)
    blocks = blocks_of(fit, factor)
    quantity = choose("quantity", quantity, QUANTITIES)
    scale = choose("scale", scale, SCALES)
    posterior, family, draws = fit.posterior, fit.model.family, Draws(fit.posterior, fit.model.design)
    columns = [column for block in blocks for column in block.columns]
    b = np.concatenate([draws.b(block) for block in blocks], axis=2)
    covariance = block_diagonal([draws.covariance(block) for block in blocks])
    centre = np.zeros(covariance.shape[:2]) if quantity == "effects" else fixed_part(draws, blocks)
    meaning = dict(zip(columns, meanings(family, columns, quantity, scale), strict=True))
    transforms = tuple(transform(family.link, name, quantity, scale) for name in columns)
    values = b + centre[:, None, :]
    for j, to_scale in enumerate(transforms):
        values[..., j] = to_scale(values[..., j])
    sizes = {dim: posterior.sizes[dim] for dim in ("chain", "draw")}
    coords: dict[str, Any] = {dim: posterior[dim].values for dim in sizes}
    coords |= {"level": np.asarray(blocks[0].levels), "column": columns}
    shaped = values.reshape(*sizes.values(), *values.shape[1:])
    attrs = attributes(blocks[0].factor, quantity, scale, family.link, meaning)
    attrs["estimand"] = said(str(attrs["estimand"]), posterior)
    attrs |= {name: value for name, value in posterior.attrs.items() if name == INFERENCE}
    array = xr.DataArray(shaped, coords, ("chain", "draw", "level", "column"), quantity, attrs)
    return RandomEffects(blocks[0].factor, array, centre, covariance, transforms, meaning, family.link.scale, ci_prob)


def blocks_of(fit: Fitted, factor: str | None) -> tuple[BlockDesign, ...]:
    """Return the blocks on a grouping factor, the only one for None.

    Raises
    ------
    OptionError
        If there are none, it is none of them, or it is left out where there are several.
    """
    blocks = fit.model.design.blocks
    chosen = factor_named(blocks, factor)
    return tuple(block for block in blocks if block.factor == chosen)
