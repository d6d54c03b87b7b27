"""`dispersion` and `zeros`: a statistic of the data beside the same statistic of replicated data.

References
----------
Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-760: a statistic that depends on the parameters is compared draw
by draw.
Fitzmaurice, Laird & Ware (2011), Applied Longitudinal Analysis, section 11.3: Pearson's X² over its degrees of freedom.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.checking.moments import outcome_moments
from bayesglmm.checking.predictive import CheckFrameOption, Predictive
from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError
from bayesglmm.posterior.moments import interval, summarise
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import pair_names

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["Discrepancy", "dispersion", "tail", "zeros"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Discrepancy(Result):
    """A statistic of the observed outcomes beside that of replicated ones; `dispersion` and `zeros` make one.

    Parameters
    ----------
    kind
        `"dispersion"` or `"zeros"`.
    value
        The statistic: of dispersion Pearson's X² over its degrees of freedom at the posterior means, as other software
        reports it at estimates; of zeros their number.
    expected
        What the model expects: of dispersion 1, of zeros the posterior mean of their expected number.
    table
        Index `observed`, `predicted`; columns `mean median sd lower upper` over the draws.
    draws
        The statistic of the observed and of the replicated outcomes in each draw: `observed` and `predicted`, dims
        `chain`, `draw`.
    p_value
        P(predicted ≥ observed) over the draws, ties counted by half.
    reading
        What the comparison says, in a sentence.
    advice
        What can be done, as code; empty where nothing needs doing.
    estimand
        What the statistic is, with what becomes of the random effects.
    """

    kind: str
    value: float
    expected: float
    table: pd.DataFrame
    draws: xr.Dataset
    p_value: float
    reading: str
    advice: tuple[str, ...]
    estimand: str

    def plot(self) -> "Picture":
        """Draw the predicted statistic beside the observed one: see `bayesglmm.plots.discrepancy`."""
        from bayesglmm.plots.discrepancy import draw

        return draw(self)

    def _layout(self) -> Layout:
        below = (self.reading, *self.advice)
        return Layout((self.estimand,), self.table, below, {"float_format": "{:.3f}".format}, 110)


def dispersion(
    fit: Fitted, *, ci_prob: float = 0.95, max_draws: int | None = None, seed: int | None = None
) -> Discrepancy:
    """Compare the variance of rows about their means with the model's: Pearson's X² over its degrees of freedom.

    X² = Σ (y − μ)²/V(μ) at the random effects of each draw, over n − p, p the number of coefficients, standard
    deviations, correlations and family parameters. 1 is expected; above it outcomes vary more than the family allows.

    Parameters
    ----------
    fit
        The fit.
    ci_prob
        The probability of the equal-tailed intervals.
    max_draws
        The largest number of draws, evenly spaced; None for 100 to 1,000, the more the fewer rows there are.
    seed
        The seed of the replicated outcomes.

    Returns
    -------
    Discrepancy
        `value` is at the posterior means, which pull groups less far toward their own outcomes than they lie: it is
        what software for maximum likelihood reports at estimates. `table` compares draw by draw.

    Raises
    ------
    OptionError
        For binary outcomes, whose variance μ(1 − μ) no model exceeds; if there are no degrees of freedom, or the
        variance is infinite.
    """
    interval(ci_prob)
    model = fit.model
    rng = np.random.default_rng(seed)
    predictive = Predictive.of(fit, "group", rng, max_draws)
    _refuse_binary(predictive)
    freedom = predictive.n - _parameters(model)
    if freedom < 1:
        raise OptionError(f"there are {predictive.n} rows and as many parameters: no degrees of freedom are left")
    observed, predicted, at_mean = np.zeros(predictive.size), np.zeros(predictive.size), 0.0
    central = {name: values.mean(axis=0, keepdims=True) for name, values in predictive.parameters.items()}
    for part in predictive.parts():
        mean, variance = outcome_moments(predictive, part)
        trials, y = predictive.trials[part], predictive.y[part]
        replicated = model.family.draw(rng, predictive.mean(part), predictive.parameters, trials)
        observed += ((y - mean) ** 2 / variance).sum(axis=1)
        predicted += ((replicated - mean) ** 2 / variance).sum(axis=1)
        middle = predictive.mean(part).mean(axis=0, keepdims=True)
        of_mean = model.family.variance(middle, central, trials)
        at_mean += float(((y - mean.mean(axis=0)) ** 2 / of_mean).sum())
    observed, predicted, value = observed / freedom, predicted / freedom, at_mean / freedom
    table, p_value = _compared(observed, predicted, ci_prob)
    sentence, advice = _read_dispersion(model, table, value, freedom, p_value, ci_prob)
    text = f"Pearson's X² over its {freedom:,} degrees of freedom, n − p, in each draw; {predictive.held}"
    return _result("dispersion", predictive, value, 1.0, table, (observed, predicted), p_value, sentence, advice, text)


def zeros(
    fit: Fitted,
    *,
    frame: CheckFrameOption = "group",
    ci_prob: float = 0.95,
    max_draws: int | None = None,
    seed: int | None = None,
) -> Discrepancy:
    """Compare the number of zeros among counts with the number that the model predicts.

    Parameters
    ----------
    fit
        The fit of counts, or of successes among trials.
    frame
        `"group"`: random effects held at each draw. `"population"`: redrawn from N(0, G), one a group and a draw, so
        that groups of zeros alone are seen too. Or a mapping by grouping factor.
    ci_prob, max_draws, seed
        As in `dispersion`.

    Returns
    -------
    Discrepancy

    Raises
    ------
    OptionError
        For outcomes that are not counts.
    """
    interval(ci_prob)
    family = fit.model.family
    if family.outcome_type not in ("count", "trials"):
        raise OptionError(
            f"zeros are counted among counts; the {family.name} family has {family.outcome_type} outcomes"
        )
    rng = np.random.default_rng(seed)
    predictive = Predictive.of(fit, frame, rng, max_draws)
    predicted, expected = np.zeros(predictive.size), 0.0
    for part in predictive.parts():
        mean, trials = predictive.mean(part), predictive.trials[part]
        drawn = family.draw(rng, mean, predictive.parameters, trials) == 0
        predicted += drawn.sum(axis=1)
        none = np.zeros_like(trials)
        chance = drawn if family.cdf is None else family.cdf(none, mean, predictive.parameters, trials)
        expected += float(chance.mean(axis=0).sum())
    count = float((predictive.y == 0).sum())
    observed = np.full(predictive.size, count)
    table, p_value = _compared(observed, predicted, ci_prob)
    sentence, advice = _read_zeros(fit.model, table, count, expected, p_value, ci_prob)
    text = f"number of zeros among {predictive.n:,} outcomes; {predictive.held}"
    return _result("zeros", predictive, count, expected, table, (observed, predicted), p_value, sentence, advice, text)


def tail(p_value: float) -> str:
    """Say how often a replicate is as large as what was observed."""
    return "in none of the draws" if p_value == 0 else f"with probability {p_value:.3f}"


def _compared(observed: Array, predicted: Array, ci_prob: float) -> tuple[pd.DataFrame, float]:
    table = summarise(np.column_stack([observed, predicted]), ci_prob)
    table.index = pd.Index(["observed", "predicted"], name="statistic")
    return table, float(np.mean(predicted > observed) + 0.5 * np.mean(predicted == observed))


def _result(
    kind: str,
    predictive: Predictive,
    value: float,
    expected: float,
    table: pd.DataFrame,
    draws: tuple[Array, Array],
    p_value: float,
    reading: str,
    advice: tuple[str, ...],
    estimand: str,
) -> Discrepancy:
    table.attrs |= {"kind": kind, "frame": predictive.frame.name, "estimand": estimand}
    labelled = {
        name: predictive.labelled(values, name, **{"estimand": estimand})
        for name, values in zip(("observed", "predicted"), draws, strict=True)
    }
    return Discrepancy(kind, value, expected, table, xr.Dataset(labelled), p_value, reading, advice, estimand)


def _refuse_binary(predictive: Predictive) -> None:
    kind = predictive.model.family.outcome_type
    if kind == "binary" or (kind == "trials" and (predictive.trials == 1).all()):
        raise OptionError(
            "the variance of a binary outcome is μ(1 − μ) whatever its model, so overdispersion cannot be seen in "
            "single trials; where rows share their predictors and group, count them, p(successes, trials), or look at "
            'posterior_check("binned") and posterior_check("group_statistic")'
        )


def _parameters(model: Model) -> int:
    """Return the number of parameters beside the random effects."""
    blocks = model.design.blocks
    pairs = sum(len(pair_names(block)) for block in blocks if block.correlated)
    return len(model.design.coef) + sum(block.size for block in blocks) + pairs + len(model.family.parameters)


def _read_dispersion(
    model: Model, table: pd.DataFrame, value: float, freedom: int, p_value: float, ci_prob: float
) -> tuple[str, tuple[str, ...]]:
    observed, predicted = table.loc["observed"], table.loc["predicted"]
    numbers = (
        f"X² over its {freedom:,} degrees of freedom is {value:.2f} at the posterior means; over the draws it is "
        f"{observed['mean']:.2f}, and {predicted['mean']:.2f} ({predicted['lower']:.2f} to {predicted['upper']:.2f}) "
        f"in replicated data, as large {tail(p_value)}"
    )
    half = (1 - ci_prob) / 2
    if p_value >= half:
        if p_value <= 1 - half:
            return f"No sign of over- or underdispersion: {numbers}.", ()
        return f"Underdispersion: outcomes vary less about their means than the model says: {numbers}.", ()
    return (
        f"Overdispersion: outcomes vary more about their means than the {model.family.name} family allows, so standard "
        f"deviations of coefficients are too small: {numbers}.",
        _more_variance(model),
    )


def _more_variance(model: Model) -> tuple[str, ...]:
    """Return what to do about overdispersion, as code."""
    by_row = 'an effect of each row: fit.update("~ . + (1 | row)", data=data.assign(row=range(len(data))))'
    if model.family.outcome_type == "count" and not model.family.parameters:
        return (f'Another family: fit.update(family="negative_binomial"); or {by_row}.',)
    if model.family.outcome_type in ("count", "trials"):
        return (f"Predictors or random slopes that are missing, or {by_row}.",)
    return ("Predictors or random slopes that are missing, or a family with heavier tails.",)


def _read_zeros(
    model: Model, table: pd.DataFrame, count: float, expected: float, p_value: float, ci_prob: float
) -> tuple[str, tuple[str, ...]]:
    predicted, half = table.loc["predicted"], (1 - ci_prob) / 2
    numbers = (
        f"{count:,.0f} zeros were observed and {expected:,.1f} are expected ({predicted['lower']:,.0f} to "
        f"{predicted['upper']:,.0f} in replicated data; as many or more {tail(p_value)})"
    )
    if half <= p_value <= 1 - half:
        return f"The number of zeros is as the model predicts: {numbers}.", ()
    if p_value > 0.5:
        return f"Fewer zeros than the model predicts: {numbers}.", ()
    if model.family.outcome_type == "count" and not model.family.parameters:
        return f"More zeros than the model predicts: {numbers}.", (
            'Overdispersion brings zeros too: look at fit.dispersion() and fit.update(family="negative_binomial") '
            "before a zero-inflated family, which this package has not.",
        )
    return f"More zeros than the model predicts: {numbers}.", (
        "Zeros may have a cause of their own: zero-inflated and hurdle families are in other packages (brms, glmmTMB).",
    )
