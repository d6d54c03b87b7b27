"""`likelihood_ratio(small, large)`: twice the difference of log likelihoods, and the mixture of χ² that belongs to it.

A variance lies at the end of its range where it is 0, so half of the time its estimate is 0 and adds nothing: the
distribution is a mixture of χ² of different degrees of freedom, and the usual χ² gives p-values that are too large.

References
----------
Self & Liang (1987), Journal of the American Statistical Association 82, 605-610.
Stram & Lee (1994), Biometrics 50, 1171-1177: q random effects against q + 1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.maximised import Maximised, refuse_unlike
from bayesglmm.comparison.nested import Dropped, dropped

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["LikelihoodRatio", "likelihood_ratio", "mixture_of", "mixture_text", "tail"]

type Mixture = tuple[tuple[float, int], ...]
"""Weights and degrees of freedom."""

_BOOTSTRAP = "bg.bootstrap_likelihood_ratio(small, large) simulates its distribution"


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodRatio(Result):
    """A likelihood-ratio test.

    Parameters
    ----------
    statistic
        2 (log likelihood of the large model − that of the small one), at least 0.
    df
        The number of parameters left out.
    mixture
        Weights and degrees of freedom of the χ² distributions that the statistic is compared to; None where no
        mixture is known.
    dropped
        What was left out.
    formulas
        Of the small and of the large model.
    how
        How the likelihoods were maximised.
    notes
        What makes the p-values doubtful.
    """

    statistic: float
    df: int
    mixture: Mixture | None
    dropped: Dropped
    formulas: tuple[str, str]
    how: str
    notes: tuple[str, ...]

    @property
    def p_naive(self) -> float:
        """P(χ² > statistic) with a degree of freedom a parameter: too large where a variance is tested."""
        return float(stats.chi2.sf(self.statistic, self.df))

    @property
    def p_value(self) -> float:
        """The p-value under the mixture; NaN where none is known."""
        return np.nan if self.mixture is None else tail(self.mixture, self.statistic)

    @property
    def table(self) -> pd.DataFrame:
        """Index `reference`: `naive` and `mixture`; columns `statistic df p_value`, the df of a mixture in words."""
        rows = [("naive", f"χ²({self.df})", self.p_naive)]
        if self.mixture is not None and self.mixture != ((1.0, self.df),):
            rows.append(("mixture", mixture_text(self.mixture), self.p_value))
        table = pd.DataFrame(rows, columns=["reference", "distribution", "p_value"]).set_index("reference")
        table.insert(0, "statistic", self.statistic)
        return table

    @property
    def reading(self) -> str:
        """The test in a sentence."""
        if self.mixture is None:
            return (
                f"{len(self.dropped.effects)} variances are tested at once, for which no mixture of χ² is known in "
                f"general; the naive p-value is too large: {_BOOTSTRAP}"
            )
        if len(self.mixture) == 1:
            return f"no variance is tested at 0: the statistic is compared to χ²({self.df})"
        what = "a family parameter" if self.dropped.at_limit else "a variance"
        return (
            f"{what} is tested at the end of its range, so the statistic is compared to the mixture "
            f"{mixture_text(self.mixture)}; the naive p-value is too large"
        )

    def plot(self) -> "Picture":
        """Draw the statistic against its distribution: see `bayesglmm.plots.likelihood_ratio`."""
        from bayesglmm.plots.likelihood_ratio import draw

        return draw(self)

    def _layout(self) -> Layout:
        small, large = self.formulas
        above = (f"Likelihood-ratio test: {small} against {large}", self.how, f"{self.reading}.")
        return Layout(above, self.table, self.notes, {"float_format": "{:.4g}".format}, 110)


def likelihood_ratio(small: Maximised, large: Maximised) -> LikelihoodRatio:
    """Test a model against a larger one that it is nested in.

    Parameters
    ----------
    small, large
        Maximum-likelihood fits of the same data by the same method.

    Returns
    -------
    LikelihoodRatio
        The statistic, the naive χ², and the mixture that belongs to what was left out: ½χ²(q) + ½χ²(q + 1) for one
        random effect with q covariances.

    Raises
    ------
    OptionError
        For models that are not nested, restricted likelihoods of other coefficients, other methods or numbers of
        nodes, quasi-likelihood.
    DataError
        If the fits are of different data.
    """
    refuse_unlike(small, large)
    gone = dropped(small.model, large.model)
    difference = 2 * (large.loglik - small.loglik)
    notes = []
    if difference < -1e-4:
        notes.append(
            f"The larger model has the smaller likelihood (2 × the difference is {difference:.3g}): its maximum was "
            "not found; see its check()."
        )
    for name, fit in (("small", small), ("large", large)):
        notes += [f"The {name} model: {text}." for text in fit.doubts]
    formulas = (str(small.model.formula), str(large.model.formula))
    return LikelihoodRatio(
        max(difference, 0.0), gone.parameters, mixture_of(gone), gone, formulas, large.how, tuple(notes)
    )


def mixture_of(gone: Dropped) -> Mixture | None:
    """Return the mixture that belongs to what was left out, None where none is known."""
    interior = gone.coefficients + gone.covariances
    ends = len(gone.effects) + int(gone.at_limit)
    if ends == 0:
        return ((1.0, interior),)
    if ends > 1:
        return None
    q = interior + sum(gone.effects.values())
    return ((0.5, q), (0.5, q + 1))


def tail(mixture: Mixture, statistic: float) -> float:
    """Return P(χ̄² ≥ statistic); χ²(0) is 0 with certainty."""
    parts = [weight * (stats.chi2.sf(statistic, df) if df else float(statistic <= 0)) for weight, df in mixture]
    return float(sum(parts))


def mixture_text(mixture: Mixture) -> str:
    """Return a mixture as it is written: ½χ²(1) + ½χ²(2)."""
    return " + ".join(f"{'½' if weight == 0.5 else ''}χ²({df})" for weight, df in mixture)
