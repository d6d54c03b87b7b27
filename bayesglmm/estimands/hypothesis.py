"""`Hypotheses`: hypotheses about the parameters of a model, each with its estimate and what the draws say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import listing
from bayesglmm.estimands.hypothesis_judgement import (
    BOUNDS,
    Judged,
    RopeOption,
    judgements,
    read_ropes,
    shown_judgements,
    transformed,
)
from bayesglmm.estimands.hypothesis_names import Parameter, ParameterNames, parameter_draws, parameters
from bayesglmm.estimands.hypothesis_text import Statement, evaluated, read_statements, uses
from bayesglmm.estimands.transforms import Transform, TransformOption, read_transform
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import render
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["Hypotheses", "estimate_text", "judge", "read"]

type Array = NDArray[np.float64]

_ESTIMATES = ("median", "sd", "lower", "upper")


@dataclass(frozen=True, eq=False, repr=False)
class Hypotheses(Result):
    """Hypotheses about parameters; `Fit.hypothesis` makes one.

    Parameters
    ----------
    table
        Index `hypothesis`. Columns: `estimate`, what is estimated: the left-hand side, minus the right-hand side
        unless that is a number; `mean median sd lower upper` of its draws; `probability_positive`, the posterior
        probability that it is above `null`, which it is compared with by `relation`; `probability`, that the hypothesis
        holds, NaN for an equality; the posterior `odds` of the hypothesis, which are a bound where all draws agree
        (`odds_bound` is "at least" or "at most": 95 %, by the rule of three); `rope_lower rope_upper inside_rope` with
        `rope=`; `bayes_factor` of an equality against its negation with its Monte Carlo standard error
        `bayes_factor_mcse`, and `bayes_factor_source`: how it was computed, or why there is none.
    draws
        Dims `chain`, `draw`, `hypothesis`: what is estimated.
    estimand
        What the parameters are.
    notes
        What else a reader must know.
    ci_prob
        The probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    estimand: str
    notes: tuple[str, ...] = ()
    ci_prob: float = 0.95

    def plot(self) -> "Picture":
        """Draw the density of each estimate with the value it is compared with: see `bayesglmm.plots.hypothesis`."""
        from bayesglmm.plots.hypothesis import draw

        return draw(self)

    def _layout(self) -> Layout:
        table = self.table
        shown = table[list(_ESTIMATES)].map("{:.4g}".format).join(shown_judgements(table))
        if table["bayes_factor"].notna().any():
            shown["bayes_factor"] = ["" if np.isnan(value) else f"{value:.3g}" for value in table["bayes_factor"]]
        above = f"{self.estimand} {100 * self.ci_prob:g} % equal-tailed intervals, whatever the hypothesis."
        return Layout((above,), shown, self.notes, width=110)


def read(
    fit: Fitted, hypotheses: str | Sequence[str] | Mapping[str, str]
) -> tuple[dict[str, Statement], dict[str, Array]]:
    """Read hypotheses about the parameters of a fit, and evaluate what they estimate: draws (s,) of each, by name.

    Raises
    ------
    FormulaError
        For text that cannot be read wholly, or a name that is none of the model's or may be two.
    OptionError
        If there is no hypothesis, or one is not a number in some draw.
    """
    statements = read_statements(hypotheses, ParameterNames(fit.model))
    names = dict.fromkeys(name for each in statements.values() for name in uses(each.quantity))
    draws = parameter_draws(fit.model, fit.posterior, names)
    return statements, {name: evaluated(each.quantity, draws, each.text) for name, each in statements.items()}


def judge(
    fit: Fitted,
    statements: Mapping[str, Statement],
    values: Mapping[str, Array],
    rope: RopeOption,
    transform: TransformOption,
    ci_prob: float,
) -> Hypotheses:
    """Summarise and judge what hypotheses estimate, without Bayes factors.

    Parameters
    ----------
    fit
        The fit.
    statements, values
        As `read` returns them.
    rope, transform, ci_prob
        As in `Fit.hypothesis`.
    """
    interval(ci_prob)
    function, posterior = read_transform(transform), fit.posterior
    sizes = tuple(posterior.sizes[dim] for dim in ("chain", "draw"))
    flat = np.column_stack(list(values.values()))
    judged = [Judged(each.relation, each.null) for each in statements.values()]
    if function is not None:
        before, flat = flat, function(flat)
        judged = [transformed(each, function, before[:, j]) for j, each in enumerate(judged)]
    ropes = read_ropes(rope, list(statements), [each.null for each in judged])
    judged = [replace(each, rope=region) for each, region in zip(judged, ropes, strict=True)]
    shaped = flat.reshape(*sizes, -1)
    table = pd.concat([summarise(flat, ci_prob), judgements(shaped, judged)], axis=1)
    table.index = pd.Index(list(statements), name="hypothesis")
    texts = [estimate_text(each) for each in statements.values()]
    table.insert(0, "estimate", texts if function is None else [f"{function.name} of {text}" for text in texts])
    used = dict.fromkeys(name for each in statements.values() for name in uses(each.quantity))
    sentence = _sentence(fit, [parameters(fit.model)[name] for name in used], function)
    table.attrs = {"estimand": sentence, "ci_prob": ci_prob}
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")} | {"hypothesis": list(statements)}
    draws = xr.DataArray(shaped, coords, ("chain", "draw", "hypothesis"), attrs={"estimand": sentence})
    return Hypotheses(table, draws, sentence, _notes(statements, table, flat.shape[0]), ci_prob)


def estimate_text(statement: Statement) -> str:
    """Write what is estimated, the parameters as tables print them."""
    text = render(statement.quantity)
    for name in uses(statement.quantity):
        text = text.replace(f"`{name}`", name)
    return text


def _sentence(fit: Fitted, used: Sequence[Parameter], function: Transform | None) -> str:
    """Say whose draws these are, and what the parameters in the hypotheses are."""
    model, kinds = fit.model, {each.kind for each in used}
    prior = fit.draws.attrs.get("prior_only")
    source = "draws from the prior alone, so that every probability is a prior one" if prior else "posterior draws"
    parts = [f"Hypotheses about parameters, by {source}."]
    scale = f"on the scale of the {model.family.link.name} link"
    if "coefficient" in kinds:
        frame = "conditional on the random effects (of the typical subject, b = 0)," if model.design.blocks else ""
        parts.append(" ".join(f"Coefficients are {frame} {scale}.".split()))
    where = "on that scale" if "coefficient" in kinds else scale
    effects = [text for kind, text in (("sd", "Standard deviations"), ("correlation", "Correlations")) if kind in kinds]
    if effects:
        parts.append(f"{' and '.join(effects).capitalize()} are those of the random effects {where}.")
    family = [each.name for each in used if each.kind == "family"]
    if family:
        parts.append(f"{_about(model, family)}.")
    if function is not None:
        parts.append(f"Estimates are transformed in each draw: {function.name}.")
    return " ".join(parts)


def _about(model: Model, names: Sequence[str]) -> str:
    about = {each.name: each.about for each in model.family.parameters}
    return listing(f"{name}: {about[name]}" for name in names)


def _notes(statements: Mapping[str, Statement], table: pd.DataFrame, draws: int) -> tuple[str, ...]:
    """Say what the columns are, as far as there is something in them."""
    notes = []
    if any(each.relation and each.null == 0 and "-" in estimate_text(each) for each in statements.values()):
        notes.append("Estimates: the left-hand side, minus the right-hand side unless that is a number.")
    if table["probability"].notna().any():
        prior = "odds: of the hypothesis, probability / (1 − probability)"
        notes.append(f"{prior}; they are a Bayes factor only where the prior odds are even.")
    if (table["odds_bound"] != "").any():
        notes.append(f"{BOUNDS} There are {draws:,} draws.")
    return tuple(notes)
