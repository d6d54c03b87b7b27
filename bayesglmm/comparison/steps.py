"""`model_steps(fits)`: a model built up step by step, the models side by side, and what each step changed.

References
----------
Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., ch. 4: proportional reduction of variance.
Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., 7.1: why it may be negative.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.r_squared import r_squared
from bayesglmm.comparison.same_data import refuse_different
from bayesglmm.errors import OptionError, suggest
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import Block
from bayesglmm.specify.formula.nodes import render
from bayesglmm.specify.model import Model

__all__ = ["ModelSteps", "change", "model_steps"]

type Array = NDArray[np.float64]

_EXPLAINED = "explained"
"""The name of a proportional reduction of variance, before the level in brackets."""


@dataclass(frozen=True, eq=False, repr=False)
class ModelSteps(Result):
    """Models side by side, in the order in which they were built.

    Parameters
    ----------
    table
        Index `model`. Columns: `change`, what is new against the model before; then posterior means, NaN where the
        model does not have the quantity: coefficients `beta[…]` (conditional, b = 0, link scale), sds
        `sd_<block>[…]`, the family's parameters, `r_squared[…]` by frame, `explained[…]`, the share by which a variance
        is smaller than in the first model; and `elpd` where it was given.
    estimates
        Index `model`, `quantity`; columns `mean median sd lower upper` of the posterior. A reduction of variance is
        one number, as `mean`; `elpd` is in `mean`, its standard error in `sd`.
    first
        The model that variances are compared with.
    scale
        The scale of coefficients and sds.
    notes
        What else a reader must know.
    """

    table: pd.DataFrame
    estimates: pd.DataFrame
    first: str
    scale: str
    notes: tuple[str, ...] = ()

    def _layout(self) -> Layout:
        """Show a column a model: its change, then mean (sd) of each quantity."""
        models = list(self.table.index)
        cells = pd.DataFrame(
            {
                model: {
                    name: _cell(self.estimates.loc[(model, name)]) if (model, name) in self.estimates.index else ""
                    for name in self.table.columns[1:]
                }
                for model in models
            }
        )
        cells.columns.name = "posterior mean (sd)"
        changes = tuple(f"{model}: {change}" for model, change in self.table["change"].items())
        below = [f"Coefficients (conditional, b = 0) and sds of random effects on the {self.scale}."]
        if any(name.startswith(_EXPLAINED) for name in self.table.columns):
            below.append(
                f"{_EXPLAINED}[…]: by what share a variance is smaller than in {self.first}, of posterior medians; it "
                "may be negative."
            )
        if "elpd" in self.table.columns:
            below.append("elpd: expected log predictive density, with its standard error.")
        return Layout(changes, cells, (" ".join([*below, *self.notes]),), width=110)


def model_steps(
    fits: Mapping[str, Fitted], *, elpd: Mapping[str, Any] | None = None, ci_prob: float = 0.95
) -> ModelSteps:
    """Put models side by side, in the order in which they were built up.

    Parameters
    ----------
    fits
        Fits of the same outcomes in the same rows, by name, the simplest first.
    elpd
        By name of a fit, its expected log predictive density: a number, or a result with `elpd` and `se`, as
        leave-one-out cross-validation returns.
    ci_prob
        The probability of the equal-tailed intervals in `estimates`.

    Returns
    -------
    ModelSteps

    Raises
    ------
    OptionError
        For fewer than two fits, a name in `elpd` that is none of theirs, or a `ci_prob` that is no probability.
    DataError
        If the fits are of different data.

    References
    ----------
    Raudenbush & Bryk (2002); Snijders & Bosker (2012).
    """
    interval(ci_prob)
    refuse_different(fits)
    for name in elpd or {}:
        if name not in fits:
            raise OptionError(f"elpd has '{name}', which is none of the fits; {suggest(str(name), fits)}")
    names = list(fits)
    variances = {name: _variances(fit) for name, fit in fits.items()}
    tables = [
        pd.concat(
            [
                _parameters(fit, ci_prob),
                _r_squared(fit, ci_prob),
                _means(_reductions(variances[names[0]], variances[name]) if name != names[0] else {}),
                _elpd(elpd[name]) if elpd is not None and name in elpd else _means({}),
            ]
        )
        for name, fit in fits.items()
    ]
    estimates = pd.concat(tables, keys=names, names=["model", "quantity"])
    estimates.attrs["ci_prob"] = ci_prob
    ordered = _ordered(estimates.index.get_level_values("quantity"))
    table = estimates["mean"].unstack("quantity").reindex(index=names, columns=ordered)
    models = [fit.model for fit in fits.values()]
    changes = [str(models[0].formula), *(change(*pair) for pair in pairwise(models))]
    table.insert(0, "change", changes)
    table.columns.name = None
    scale = f"scale of the linear predictor ({models[0].family.link.name} link)"
    return ModelSteps(table, estimates, names[0], scale, _notes(models))


def _parameters(fit: Fitted, ci_prob: float) -> pd.DataFrame:
    """Summarise coefficients, sds and family parameters."""
    draws, design = Draws(fit.posterior, fit.model.design), fit.model.design
    columns = {f"beta[{name}]": column for name, column in zip(design.coef, draws.beta.T, strict=True)}
    for block in design.blocks:
        names = [f"sd_{block.name}[{column}]" for column in block.columns]
        columns |= dict(zip(names, draws.sd(block).T, strict=True))
    columns |= {name: values[:, 0] for name, values in draws.parameters(fit.model.family).items()}
    table = summarise(np.column_stack(list(columns.values())), ci_prob)
    return table.set_axis(list(columns), axis=0)


def _r_squared(fit: Fitted, ci_prob: float) -> pd.DataFrame:
    """Summarise R² in both frames; nothing where it is not defined under the family and link."""
    try:
        table = r_squared(fit, ci_prob=ci_prob).table
    except OptionError:
        return _means({})
    frames = table.index if fit.model.design.blocks else ["population"]
    return table.set_axis([f"r_squared[{frame}]" for frame in frames], axis=0)


def _variances(fit: Fitted) -> dict[str, float]:
    """Return the posterior median of each variance by its level: of random effects, and of the residual."""
    draws, model = Draws(fit.posterior, fit.model.design), fit.model
    found = {}
    for block in model.design.blocks:
        for column, sd in zip(block.columns, draws.sd(block).T, strict=True):
            level = block.factor if column == "Intercept" else f"{block.factor}: {column}"
            found[level] = float(np.median(np.square(sd)))
    residual = model.family.residual
    if residual is not None and residual.under(model.family.link):
        found["residual"] = float(np.median(residual.variance(draws.parameters(model.family))))
    return found


def _reductions(first: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Return by what share each variance that both models have is smaller now."""
    return {f"{_EXPLAINED}[{level}]": 1 - now[level] / first[level] for level in first if level in now}


def _means(values: Mapping[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"mean": values}, dtype=float)


def _elpd(value: Any) -> pd.DataFrame:
    """Return elpd and its standard error, of a number or of a result that has them."""
    mean, error = (value.elpd, value.se) if hasattr(value, "elpd") else (value, np.nan)
    return pd.DataFrame({"mean": {"elpd": float(mean)}, "sd": {"elpd": float(error)}})


def _ordered(names: Iterable[str]) -> list[str]:
    """Return each quantity once: coefficients, sds, family parameters, R², reductions of variance, elpd."""
    groups = ("beta[", "sd_", "", "r_squared[", f"{_EXPLAINED}[", "elpd")

    def group(name: str) -> int:
        return next((i for i, start in enumerate(groups) if start and name.startswith(start)), 2)

    return sorted(dict.fromkeys(names), key=group)


def change(before: Model, after: Model) -> str:
    """Say what a model has that the one before has not, and what went."""
    old, new = _parts(before), _parts(after)
    parts = [f"+ {text}" for part, text in new.items() if part not in old]
    parts += [f"\N{MINUS SIGN} {text}" for part, text in old.items() if part not in new]
    families = [f"{model.family.name} ({model.family.link.name} link)" for model in (before, after)]
    if families[0] != families[1]:
        parts.append(f"{families[1]} instead of {families[0]}")
    if not parts and before.priors != after.priors:
        parts.append("other priors")
    return ", ".join(parts) if parts else "the same model"


def _parts(model: Model) -> dict[object, str]:
    """Return the terms, offsets and blocks of a formula, equal where they mean the same, with their text."""
    formula = model.formula
    parts: dict[object, str] = {"1": "1"} if formula.terms.intercept else {}
    parts |= {term: str(term) for term in formula.terms.terms}
    parts |= {offset: f"offset({render(offset)})" for offset in formula.offsets}
    if (rate := formula.response.rate) is not None:
        parts["rate", rate] = f"rate({render(rate)})"
    return parts | {
        (block.terms.intercept, frozenset(block.terms.terms), block.group, block.correlated): _block_text(block)
        for block in formula.blocks
    }


def _block_text(block: Block) -> str:
    """Return a block as it is written in a formula."""
    columns = [*(["1"] if block.terms.intercept else ["0"]), *map(str, block.terms.terms)]
    return f"({' + '.join(columns)} {'|' if block.correlated else '||'} {block.group})"


def _notes(models: Sequence[Model]) -> tuple[str, ...]:
    notes = []
    if len({(model.family.name, model.family.link.name) for model in models}) > 1:
        notes.append("The models have different families or links: numbers on the scales of two links do not compare.")
    if any(model.family.outcome_type in ("binary", "trials") for model in models):
        notes.append(
            "The residual of a latent variable has the same variance in every model, so coefficients and sds grow as "
            "predictors within groups are added."
        )
    if any(block.size > 1 for model in models for block in model.design.blocks):
        notes.append("With random slopes the variance of intercepts is that where the predictors are 0.")
    return tuple(notes)


def _cell(row: "pd.Series[float]") -> str:
    """Return mean (sd) as text."""
    mean, sd = float(row["mean"]), float(row["sd"])
    decimals = 1 if abs(mean) >= 100 else 3
    return f"{mean:.{decimals}f}" if np.isnan(sd) else f"{mean:.{decimals}f} ({sd:.{decimals}f})"
