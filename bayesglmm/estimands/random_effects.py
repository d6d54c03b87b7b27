"""`random_effects`: the effects or coefficients of every level of a factor: draws, table, ranks, a new group."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from bayesglmm.common.names import find
from bayesglmm.common.tables import plain_table
from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError, choose, listing, suggest
from bayesglmm.estimands.ranks import BEST, rank_probabilities, rank_table
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.posterior.summaries import interval
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.families.links import Link

__all__ = ["EFFECTS", "RandomEffects", "blocks_of", "random_effects"]

type Array = NDArray[np.float64]
type EffectKind = Literal["effects", "coefficients"]
type EffectScale = Literal["link", "response"]

EFFECTS: tuple[EffectKind, ...] = ("effects", "coefficients")
"""b, deviations from the typical group; β + b, the group's own coefficients."""

_AT_ZERO = ", where the predictors that interact with it are 0"

_SCALES: tuple[EffectScale, ...] = ("link", "response")


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """The effects or coefficients of every level of a grouping factor; `random_effects` makes one.

    Parameters
    ----------
    factor
        The grouping factor.
    draws
        Draws with dims `chain`, `draw`, `level`, `column`, on the scale asked for; the attributes `kind`,
        `scale`, `frame` and `estimand` say whose number each is, and `meaning` what each column is.
    centre
        What b = 0 is on the link scale, shape (s, k): 0 for effects, β for coefficients.
    sd
        The standard deviations between groups, shape (s, k); link scale.
    transforms
        Per column, from the link scale to the scale asked for; none turns the order around.
    ci_prob
        The probability of the equal-tailed intervals of the tables.
    """

    factor: str
    draws: xr.DataArray
    centre: Array
    sd: Array
    transforms: tuple[Any, ...]
    ci_prob: float = 0.95

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
        found = find(str(name), self.columns)
        if found is None:
            raise OptionError(
                f"{option}={name!r} is not a column of '{self.factor}'; {suggest(str(name), self.columns)}"
            )
        return found

    @property
    def table(self) -> pd.DataFrame:
        """Summarise the draws.

        Returns
        -------
        pandas.DataFrame
            Index `level`, `column`; columns `median sd lower upper` of the posterior, with equal-tailed
            intervals, and `p_positive`, the probability that it is above 0 on the link scale.
        """
        flat = self._flat()
        middle, lower, upper = np.quantile(flat, (0.5, *interval(self.ci_prob)), axis=0)
        zero = np.array([float(transform(np.zeros(()))) for transform in self.transforms])
        columns = {
            "median": middle,
            "sd": flat.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
            "p_positive": (flat > zero).mean(axis=0),
        }
        index = pd.MultiIndex.from_product(
            [self.draws["level"].values.tolist(), self.columns], names=["level", "column"]
        )
        table = pd.DataFrame({name: values.reshape(-1) for name, values in columns.items()}, index=index)
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
            Index `level`, best expected rank first; columns `expected_rank lower upper` and `p_best`, the
            probability of rank 1. Levels with equal values in a draw share their ranks.
        """
        name = self._column(column)
        table = rank_table(self._values(name), BEST[BEST.index(choose("best", best, BEST))], interval(self.ci_prob))
        table = table.set_axis(pd.Index(self.draws["level"].values.tolist(), name="level"), axis=0)
        table = table.sort_values("expected_rank", kind="stable")
        table.attrs = self._attrs() | {"column": name, "best": best}
        return table

    def rank_probabilities(self, column: str | None = None, *, best: str = "largest") -> xr.DataArray:
        """Return the posterior probability of each rank for each level, dims `level`, `rank`.

        It sums to 1 over the ranks and over the levels. Levels with equal values in a draw share their ranks.
        """
        name = self._column(column)
        probabilities = rank_probabilities(self._values(name), BEST[BEST.index(choose("best", best, BEST))])
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
            for; `p_positive`, the probability that it is above 0 on the link scale; `share_lower share_upper`,
            the interval of the share of all groups that are, Φ(centre/σ), whose mean `p_positive` is.
        """
        quantiles = (0.5, *interval(self.ci_prob))
        rows: dict[str, tuple[float, ...]] = {}
        for j, name in enumerate(self.columns):
            values = [float(self.transforms[j](np.array(q))) for q in self._mixture(j, quantiles)]
            with np.errstate(divide="ignore", invalid="ignore"):
                share = special.ndtr(self.centre[:, j] / self.sd[:, j])
            share = np.where(np.isnan(share), 0.0, share)  # 0/0: every group is at 0, none above
            rows[name] = (*values, float(share.mean()), *np.quantile(share, interval(self.ci_prob)).tolist())
        names = ["median", "lower", "upper", "p_positive", "share_lower", "share_upper"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("column")
        table.attrs = self._attrs() | {"frame": "new_group"}
        return table

    def __repr__(self) -> str:
        """Return what it is, and the table."""
        table = plain_table(self.table).to_string(max_rows=40, float_format="{:.3f}".format)
        return f"{plain(self.draws.attrs['estimand'])}\n\n{table}"

    def _attrs(self) -> dict[Hashable | None, Any]:
        return {**self.draws.attrs, "point": "posterior median", "ci_prob": self.ci_prob}

    def _flat(self) -> Array:
        """Return the draws as (s, m, k)."""
        values = self.draws.transpose("chain", "draw", "level", "column").values
        return np.asarray(values.reshape(-1, *values.shape[2:]))

    def _column(self, column: str | None) -> str:
        if column is None and len(self.columns) > 1:
            raise OptionError(
                f"'{self.factor}' has {len(self.columns)} columns ({listing(self.columns)}): say which, "
                f"column={self.columns[0]!r}"
            )
        return self.columns[0] if column is None else self.column(column)

    def _values(self, column: str) -> Array:
        """Return the draws of a column, shape (s, m)."""
        return self._flat()[..., self.columns.index(column)]

    def _mixture(self, column: int, probabilities: tuple[float, ...]) -> list[float]:
        """Return quantiles of the mixture of N(centre, sd²) over the draws, by bisection; link scale."""
        centre, sd = self.centre[:, column], np.maximum(self.sd[:, column], 1e-300)
        low, high = float((centre - 10 * sd).min()), float((centre + 10 * sd).max())
        found = []
        for probability in probabilities:
            below, above = low, high
            for _ in range(60):
                middle = (below + above) / 2
                under = special.ndtr(np.clip((middle - centre) / sd, -40, 40)).mean() < probability
                below, above = (middle, above) if under else (below, middle)
            found.append((below + above) / 2)
        return found


def random_effects(
    fit: Fitted, factor: str | None = None, *, kind: str = "effects", scale: str = "link", ci_prob: float = 0.95
) -> RandomEffects:
    """Return the random effects of a grouping factor, or the coefficients of its groups.

    Parameters
    ----------
    fit
        The fit.
    factor
        The grouping factor as written; it may be left out where the model has one. Several blocks on it
        are taken together.
    kind
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
        With `table`, `new_group`, `ranks()` and `rank_probabilities()`.

    Raises
    ------
    OptionError
        If the model has no random effects or not that factor, a scale has no meaning under the link, `ci_prob` is no
        probability, or a column is another combination of the population-level columns.
    """
    interval(ci_prob)
    blocks = blocks_of(fit, factor)
    of = EFFECTS[EFFECTS.index(choose("kind", kind, EFFECTS))]
    on = _SCALES[_SCALES.index(choose("scale", scale, _SCALES))]
    model, draws = fit.model, Draws(fit.posterior, fit.model.design)
    columns = [column for block in blocks for column in block.columns]
    b = np.concatenate([draws.b(block) for block in blocks], axis=2)
    sd = np.concatenate([np.sqrt(np.einsum("skk->sk", draws.covariance(block))) for block in blocks], axis=1)
    centre = np.zeros_like(sd) if of == "effects" else _fixed(draws, blocks)
    labels = _meanings(fit, columns, of, on)
    transforms = tuple(_transform(model.family.link, name, of, on) for name in columns)
    values = b + centre[:, None, :]
    for j, transform in enumerate(transforms):
        values[..., j] = transform(values[..., j])
    posterior = fit.posterior
    sizes = {dim: posterior.sizes[dim] for dim in ("chain", "draw")}
    coords: dict[str, Any] = {dim: posterior[dim].values for dim in sizes}
    coords |= {"level": np.asarray(blocks[0].levels), "column": columns}
    shaped = values.reshape(*sizes.values(), *values.shape[1:])
    attrs = _attrs(blocks[0].factor, of, on, model.family.link, dict(zip(columns, labels, strict=True)))
    array = xr.DataArray(shaped, coords, ("chain", "draw", "level", "column"), of, attrs)
    return RandomEffects(blocks[0].factor, array, centre, sd, transforms, ci_prob)


def blocks_of(fit: Fitted, factor: str | None) -> tuple[BlockDesign, ...]:
    """Return the blocks on a grouping factor, the only one for None.

    Raises
    ------
    OptionError
        If there are none, or the factor is left out where there are several.
    """
    known = dict.fromkeys(block.factor for block in fit.model.design.blocks)
    if not known:
        raise OptionError("the model has no random effects: its formula has no block (… | group)")
    if factor is None and len(known) > 1:
        raise OptionError(
            f"the model has {len(known)} grouping factors ({listing(known)}): say which, {next(iter(known))!r}"
        )
    chosen = next(iter(known)) if factor is None else find(str(factor), known)
    if chosen is None:
        raise OptionError(f"{factor!r} is not a grouping factor of the model; {suggest(str(factor), known)}")
    return tuple(block for block in fit.model.design.blocks if block.factor == chosen)


def _fixed(draws: Draws, blocks: tuple[BlockDesign, ...]) -> Array:
    """Return β of the blocks' columns, (s, k); 0 where there is none.

    Raises
    ------
    OptionError
        For a column that is not itself a population-level one but lies in their span: its β is not one number of
        the model.
    """
    design, beta = draws.design, draws.beta
    parts = []
    for block in blocks:
        for j, name in enumerate(block.columns):
            same = find(name, design.coef)
            if same is not None and np.allclose(
                design.x[:, design.coef.index(same)], block.z[:, j], rtol=1e-12, atol=0
            ):
                parts.append(beta[:, design.coef.index(same)])
                continue
            if _spanned(design, block.z[:, j]):
                raise OptionError(
                    f"the column '{name}' of '{block.factor}' is a combination of population-level columns "
                    f"({listing(design.coef)}), coded otherwise: use kind='effects', or epred(frame='group')"
                )
            parts.append(np.zeros(len(beta)))
    return np.column_stack(parts)


def _spanned(design: Design, column: Array) -> bool:
    """Return whether a column (n,) is a linear combination of the population-level ones."""
    if not design.coef:
        return False
    fitted = design.x @ np.linalg.lstsq(design.x, column)[0]
    return bool(np.linalg.norm(column - fitted) <= 1e-8 * np.linalg.norm(column))


def _transform(link: Link, column: str, kind: EffectKind, scale: EffectScale) -> Any:
    if scale == "link" or link.additive:
        return lambda values: values
    return link.inverse if kind == "coefficients" and column == "Intercept" else np.exp


def _meanings(fit: Fitted, columns: list[str], kind: EffectKind, scale: EffectScale) -> list[str]:
    """Say what each column is; refuse what has no meaning on the response scale."""
    family = fit.model.family
    link, ratio = family.link, family.ratio
    found = []
    for column in columns:
        level = kind == "coefficients" and column == "Intercept"
        if scale == "link" or link.additive:
            found.append(f"group's own coefficient{_AT_ZERO}" if kind == "coefficients" else "deviation from b = 0")
        elif level and link.increasing:
            found.append("group's mean where all predictors and offsets are 0")
        elif level or ratio is None:
            raise OptionError(
                f"'{column}' has no meaning of its own on the response scale under the {link.name} link; use "
                "scale='link', or epred(frame='group')"
            )
        elif kind == "coefficients":
            found.append(f"group's own {ratio}{_AT_ZERO}")
        elif column == "Intercept":
            found.append(f"{ratio} of the group to the typical one (b = 0), where the other effects' columns are 0")
        else:
            found.append(f"the group's {ratio}, divided by the typical one's (b = 0)")
    return found


def _attrs(factor: str, kind: EffectKind, scale: EffectScale, link: Link, meaning: dict[str, str]) -> dict[str, Any]:
    what = "random effects b" if kind == "effects" else "coefficients β + b"
    where = f"{link.name} scale" if scale == "link" else "response scale"
    return {
        "frame": "group",
        "kind": kind,
        "scale": scale,
        "link": link.name,
        "factor": factor,
        "estimand": f"{what} of the observed levels of {factor}, {where}",
        "meaning": "; ".join(f"{name}: {text}" for name, text in meaning.items()),
    }
