"""`bayes_factors(fits)`: ratios of marginal likelihoods of models, and what they owe to the priors.

References
----------
Kass & Raftery (1995), Journal of the American Statistical Association 90, 773-795.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.marginal_likelihood import MarginalLikelihood, marginal_likelihood
from bayesglmm.comparison.prior_dependence import FACTORS, WithPrior, log_change, with_priors
from bayesglmm.comparison.same_data import refuse_different
from bayesglmm.errors import choose, listing
from bayesglmm.posterior.protocol import Fitted

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["BayesFactors", "bayes_factors"]

_DECISIVE = 3.0
"""The Bayes factor, or its inverse, from which on a reading names a model."""

_MUCH = 1e4
"""The Bayes factor from which on it is written as a power of ten."""


@dataclass(frozen=True, eq=False, repr=False)
class BayesFactors(Result):
    """Bayes factors of models against one of them.

    Parameters
    ----------
    table
        Index `model`. Columns: `log_marginal_likelihood` with its Monte Carlo standard error `error`;
        `log_bayes_factor` against the reference with its error `log_bayes_factor_error`, and `bayes_factor`, how many
        times as probable the data are under the model as under the reference; `half` and `double`, the log Bayes factor
        if the priors of the parameters that differ between the two were half or twice as wide, NaN where the draws
        cannot tell; `probability` of each model if all have the same prior probability.
    reference
        The model that the others are compared with.
    differing
        By model, the parameters that it does not share with the reference, or that have another prior in it.
    marginal_likelihoods
        By model, its marginal likelihood.
    """

    table: pd.DataFrame
    reference: str
    differing: Mapping[str, tuple[str, ...]]
    marginal_likelihoods: Mapping[str, MarginalLikelihood]

    def plot(self) -> "Picture":
        """Draw the log Bayes factors, with half and twice as wide priors: see `bayesglmm.plots.bayes_factors`."""
        from bayesglmm.plots.bayes_factors import draw

        return draw(self)

    def _layout(self) -> Layout:
        above = (
            f"Bayes factors against {self.reference}, by bridge sampling: bayes_factor is how many times as probable "
            "the data are under a model as under that one.",
            *self._readings(),
        )
        below = (
            "A Bayes factor depends on the priors of the parameters that differ, at any amount of data: half and "
            "double are the log Bayes factor with these priors half or twice as wide. probability is for equal prior "
            "probabilities of the models listed, as if one of them were true.",
        )
        errors = {name: self.table[name].map("{:.1g}".format) for name in ("error", "log_bayes_factor_error")}
        shown = self.table.assign(bayes_factor=self.table["log_bayes_factor"].map(_times), **errors)
        return Layout(above, shown, below, {"float_format": "{:.2f}".format, "na_rep": ""}, 110)

    def _readings(self) -> list[str]:
        """Say of each model what the Bayes factor says under all three widths of the priors, and what they are of."""
        readings, rows = [], {name: dict(row) for name, row in self.table.iterrows()}
        for name, names in self.differing.items():
            of = f" (priors of {listing(names, 6)})" if names else ""
            readings.append(f"{name} against {self.reference}: {_reading(rows[name], name, self.reference)}{of}.")
        return readings


def bayes_factors(
    fits: Mapping[str, Fitted], *, reference: str | None = None, max_draws: int | None = None, seed: int = 0
) -> BayesFactors:
    """Compare whole models by their marginal likelihoods.

    Parameters
    ----------
    fits
        Fits of the same outcomes in the same rows, by name.
    reference
        The name of the model that the others are compared with; None for the one of the largest marginal likelihood.
    max_draws, seed
        As in `bayesglmm.Fit.marginal_likelihood`.

    Returns
    -------
    BayesFactors

    Raises
    ------
    OptionError
        For fewer than two fits, an unknown reference, and as `Fit.marginal_likelihood`.
    DataError
        If the fits are of different data.

    References
    ----------
    Kass & Raftery (1995).
    """
    refuse_different(fits)
    found = {name: marginal_likelihood(fit, max_draws=max_draws, seed=seed) for name, fit in fits.items()}
    best = max(found, key=lambda name: found[name].log)
    against = best if reference is None else choose("reference", reference, list(fits))
    parameters = {name: with_priors(fit) for name, fit in fits.items()}
    logs = np.array([one.log for one in found.values()])
    table = pd.DataFrame(
        {"log_marginal_likelihood": logs, "error": [one.error for one in found.values()]},
        index=pd.Index(list(found), name="model"),
    )
    table["log_bayes_factor"] = logs - found[against].log
    table["log_bayes_factor_error"] = [
        0.0 if name == against else float(np.hypot(one.error, found[against].error)) for name, one in found.items()
    ]
    with np.errstate(over="ignore"):
        table["bayes_factor"] = np.exp(table["log_bayes_factor"])
    differing = {name: _differing(fits, parameters, name, against) for name in fits}
    for label, factor in FACTORS.items():
        changes = [_change(parameters, differing[name], name, against, factor) for name in fits]
        table[label] = table["log_bayes_factor"] + changes
    table["probability"] = special.softmax(logs)
    others = {name: differing[name] for name in fits if name != against}
    return BayesFactors(table, against, others, found)


def _differing(
    fits: Mapping[str, Fitted], parameters: Mapping[str, Mapping[str, WithPrior]], name: str, other: str
) -> tuple[str, ...]:
    """Return the parameters that only one of two models has, or that have another prior or meaning in it."""
    first, second = parameters[name], parameters[other]
    families = [fits[one].model.family for one in (name, other)]
    other_link = families[0].link.name != families[1].link.name
    other_family = families[0].name != families[1].name
    of_family = {parameter.name for family in families for parameter in family.parameters}
    return tuple(
        key
        for key in dict.fromkeys((*first, *second))
        if other_link
        or (other_family and key in of_family)
        or key not in first
        or key not in second
        or first[key].prior != second[key].prior
    )


def _change(
    parameters: Mapping[str, Mapping[str, WithPrior]], names: tuple[str, ...], name: str, other: str, factor: float
) -> float:
    """Return the change of the log Bayes factor with the priors of some parameters wider by a factor in both models."""
    in_model, in_other = (
        log_change(parameters[one], [key for key in names if key in parameters[one]], factor) for one in (name, other)
    )
    return in_model - in_other


def _reading(row: Mapping[str, float], name: str, reference: str) -> str:
    """Say which model the data favour under three widths of the priors."""
    logs = np.array([row[column] for column in ("log_bayes_factor", *FACTORS) if np.isfinite(row[column])])
    if (logs > np.log(_DECISIVE)).all():
        return f"the data favour {name}"
    if (logs < -np.log(_DECISIVE)).all():
        return f"the data favour {reference}"
    if abs(row["log_bayes_factor"]) > np.log(_DECISIVE):
        favoured = name if row["log_bayes_factor"] > 0 else reference
        return f"the data favour {favoured} under these priors, not under all three widths"
    return "the data do not decide"


def _times(log: float) -> str:
    """Return a Bayes factor as text, as a power of ten where it is very large or small."""
    if abs(log) > np.log(_MUCH):
        return f"10^{log / np.log(10):.1f}"
    return f"{np.exp(log):.3g}"
