"""`side_by_side(fits)`: one row a parameter, one pair of columns a fit, and what each column is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import BayesGLMMError, OptionError

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["SideBySide", "side_by_side"]

_POSTERIOR = {"mean": "estimate", "sd": "std_error", "lower": "lower", "upper": "upper"}
"""The columns of a posterior's summary that stand beside those of others."""

_FOOT = ("loglik", "aic", "n", "groups")


@dataclass(frozen=True, eq=False, repr=False)
class SideBySide(Result):
    """Several fits in one table.

    Parameters
    ----------
    table
        Index `parameter`: coefficients, then sds and correlations of random effects, then family parameters; columns
        (fit, `estimate std_error lower upper`): of a posterior its mean, sd and interval. Missing where a fit has no
        such parameter.
    foot
        Index `loglik aic n groups`; a column a fit, missing where it has none: a posterior has no likelihood to
        maximise, quasi-likelihood and GEE have none at all.
    about
        By fit, what its coefficients are and how it was fitted.
    exponentiated
        Whether coefficients are exponentiated, with their intervals; standard errors are then those of exp(estimate).
    """

    table: pd.DataFrame
    foot: pd.DataFrame
    about: Mapping[str, str]
    exponentiated: bool

    def plot(self) -> "Picture":
        """Draw the coefficients of all fits as a forest: see `bayesglmm.plots.side_by_side`."""
        from bayesglmm.plots.side_by_side import draw

        return draw(self)

    def _layout(self) -> Layout:
        shown = ("estimate", "lower", "upper") if self.exponentiated else ("estimate", "std_error")
        columns = [(name, column) for name in self.about for column in shown]
        foot = pd.DataFrame(index=self.foot.index, columns=pd.MultiIndex.from_tuples(columns), dtype=object)
        for name in self.about:
            foot[name, "estimate"] = [_foot_text(row, value) for row, value in self.foot[name].items()]
        body = self.table[columns].map(_number)
        table = pd.concat([body, foot.fillna("")])
        table.index.name = "parameter"
        scale = "coefficients exponentiated" if self.exponentiated else "coefficients on the scale of the link"
        above = (f"Fits side by side: {scale}; standard errors of posteriors are their sds.",)
        below = tuple(f"{name}: {text}." for name, text in self.about.items())
        return Layout(above, table, below, {}, 110)


def side_by_side(fits: Mapping[str, Any], *, exponentiate: bool = False, ci_prob: float = 0.95) -> SideBySide:
    """Put fits beside each other.

    Parameters
    ----------
    fits
        By name: results of `bg.fit`, `bg.maximum_likelihood` and `bg.gee`, in any mixture.
    exponentiate
        Whether to exponentiate coefficients.
    ci_prob
        The probability, or the coverage, of the intervals.

    Returns
    -------
    SideBySide
        It says of each column whether its coefficients are conditional on random effects or marginal: they are
        different numbers, and are not to agree.

    Raises
    ------
    OptionError
        For fewer than two fits, or something that has no `summary()`.
    """
    if not isinstance(fits, Mapping) or len(fits) < 2:
        raise OptionError('give two fits or more by name: {"GLM": first, "quadrature": second}')
    summaries = {str(name): _summary(str(name), fit, ci_prob) for name, fit in fits.items()}
    kinds = {str(name): fit for name, fit in fits.items()}
    if exponentiate:
        summaries = {name: _exponentiated(table) for name, table in summaries.items()}
    rows = _ordered(summaries)
    table = pd.concat({name: each.reindex(rows) for name, each in summaries.items()}, axis=1)
    table.index.name = "parameter"
    foot = pd.DataFrame({name: _foot(fit) for name, fit in kinds.items()}, index=list(_FOOT))
    about = {name: _about(fit, ci_prob) for name, fit in kinds.items()}
    return SideBySide(table, foot, about, exponentiate)


def _summary(name: str, fit: Any, ci_prob: float) -> pd.DataFrame:
    if not callable(getattr(fit, "summary", None)):
        raise OptionError(f"'{name}' is no fit but {type(fit).__name__}: it has no summary()")
    table: pd.DataFrame = fit.summary(ci_prob=ci_prob)
    return table.rename(columns=_POSTERIOR)[list(_POSTERIOR.values())]


def _exponentiated(table: pd.DataFrame) -> pd.DataFrame:
    changed, rows = table.copy(), table.index.str.startswith("beta[")
    columns = ["estimate", "lower", "upper"]
    changed.loc[rows, columns] = np.exp(table.loc[rows, columns])
    changed.loc[rows, "std_error"] = changed.loc[rows, "estimate"] * table.loc[rows, "std_error"]
    return changed


def _ordered(summaries: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the parameters of all fits: coefficients, sds, correlations, then the others, each as first met."""
    names = dict.fromkeys(str(name) for table in summaries.values() for name in table.index)
    heads = ("beta[", "sd_", "corr_")

    def kind(name: str) -> int:
        return next((place for place, head in enumerate(heads) if name.startswith(head)), len(heads))

    return sorted(names, key=kind)


def _foot(fit: Any) -> dict[str, float]:
    values: dict[str, float] = {}
    for name in ("loglik", "aic", "n"):
        try:
            values[name] = float(getattr(fit, name))
        except (AttributeError, BayesGLMMError):
            values[name] = np.nan
    design = fit.model.design if hasattr(fit, "model") else fit.design
    values["n"] = values["n"] if np.isfinite(values["n"]) else float(design.n)
    blocks = design.blocks
    values["groups"] = float(len(blocks[0].levels)) if blocks else float(getattr(fit, "groups", np.nan))
    return values


def _about(fit: Any, ci_prob: float) -> str:
    attrs = fit.summary(ci_prob=ci_prob).attrs
    how = attrs.get("method", "posterior, means and standard deviations")
    return f"{attrs.get('frame', '')}; {how}"


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def _foot_text(name: object, value: float) -> str:
    return "" if pd.isna(value) else f"{value:,.0f}" if name in ("n", "groups") else f"{value:.2f}"
