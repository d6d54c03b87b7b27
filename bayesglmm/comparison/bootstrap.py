"""`bootstrap_likelihood_ratio(small, large)`: the distribution of the statistic under the small model, by simulation.

References
----------
Davison & Hinkley (1997), Bootstrap Methods and Their Application, section 4.2: the p-value (1 + #{t* ≥ t}) / (1 + n).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.processes import in_processes
from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.likelihood_ratio import LikelihoodRatio, likelihood_ratio
from bayesglmm.comparison.maximised import Maximised
from bayesglmm.errors import BayesGLMMError, OptionError
from bayesglmm.likelihood.maximise import maximise
from bayesglmm.sample.progress import status
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["BootstrapLikelihoodRatio", "bootstrap_likelihood_ratio"]

type Array = NDArray[np.float64]

_FEW = 20
"""Simulated data sets up to which no other process is started."""


class _Simulating(Maximised, Protocol):
    def simulate(self, n: int = 1, *, seed: int | None = None) -> pd.DataFrame: ...


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapLikelihoodRatio(Result):
    """A likelihood-ratio test whose reference distribution is simulated.

    Parameters
    ----------
    test
        The test of the data, with its χ² and mixture.
    statistics
        (n,) the statistics of data simulated from the small model; those of failed fits are left out.
    failed
        How many data sets had a fit that failed.
    """

    test: LikelihoodRatio
    statistics: Array
    failed: int

    @property
    def statistic(self) -> float:
        """The statistic of the data."""
        return self.test.statistic

    @property
    def p_value(self) -> float:
        """(1 + the number of simulated statistics as large) / (1 + their number)."""
        return (1 + int((self.statistics >= self.statistic).sum())) / (1 + len(self.statistics))

    @property
    def std_error(self) -> float:
        """The Monte Carlo standard error of the p-value."""
        p = self.p_value
        return float(np.sqrt(p * (1 - p) / (1 + len(self.statistics))))

    @property
    def table(self) -> pd.DataFrame:
        """The table of the test with the row `bootstrap`, and the Monte Carlo error of its p-value."""
        simulated = pd.DataFrame(
            {
                "statistic": self.statistic,
                "distribution": f"simulated, n = {len(self.statistics)}",
                "p_value": self.p_value,
                "mc_error": self.std_error,
            },
            index=pd.Index(["bootstrap"], name="reference"),
        )
        return pd.concat([self.test.table.assign(mc_error=np.nan), simulated])

    def plot(self) -> "Picture":
        """Draw the simulated statistics: see `bayesglmm.plots.bootstrap`."""
        from bayesglmm.plots.bootstrap import draw

        return draw(self)

    def _layout(self) -> Layout:
        small, large = self.test.formulas
        zero = float((self.statistics < 1e-4).mean())
        above = (
            f"Parametric bootstrap of the likelihood-ratio test: {small} against {large}; {self.test.how}.",
            f"{len(self.statistics)} data sets simulated from the smaller model, {zero:.0%} with a statistic of 0.",
        )
        failed = (f"{self.failed} data sets were left out, as one of their fits failed.",) if self.failed else ()
        options = {"float_format": "{:.4g}".format, "na_rep": ""}
        return Layout(above, self.table, (*self.test.notes, *failed), options, 110)


def bootstrap_likelihood_ratio(
    small: _Simulating,
    large: _Simulating,
    n: int = 999,
    *,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = True,
) -> BootstrapLikelihoodRatio:
    """Test a model against a larger one by data simulated from the smaller one.

    Parameters
    ----------
    small, large
        As in `likelihood_ratio`; here too they are nested.
    n
        The number of data sets simulated.
    seed
        Of the generator. The result does not depend on the number of cores.
    cores
        How many processes fit; None for all.
    progress
        Whether to show how far it is.

    Returns
    -------
    BootstrapLikelihoodRatio

    Raises
    ------
    OptionError
        As `likelihood_ratio`; also if n is not positive, or every fit failed.
    """
    test = likelihood_ratio(small, large)
    if n < 1:
        raise OptionError(f"n={n!r} data sets cannot be simulated; give 99 or more")
    outcomes = [column.to_numpy(np.float64) for _, column in small.simulate(n, seed=seed).items()]
    shared = [(fit.model, _settings(fit)) for fit in (small, large)]
    found: list[float] = []
    with status(f"fitting 2 × {n} models to simulated data", shown=progress) as show:
        for value in in_processes(_statistic, shared, outcomes, 1 if n <= _FEW else cores):
            found.append(value)
            if len(found) % 10 == 0:
                show(f"fitting to simulated data: {len(found)} of {n}")
    statistics = np.array(found)
    finite = np.isfinite(statistics)
    if not finite.any():
        raise OptionError("no fit to simulated data succeeded; look at the check() of both fits")
    return BootstrapLikelihoodRatio(test, statistics[finite], int((~finite).sum()))


def _settings(fit: Maximised) -> dict[str, Any]:
    method = "quadrature" if fit.method == "glm" else fit.method
    return {"method": method, "nodes": fit.nodes, "restricted": fit.restricted}


def _statistic(fits: Sequence[tuple[Model, dict[str, Any]]], y: Array) -> float:
    """Return the statistic of simulated outcomes, NaN where a fit failed."""
    values = []
    for model, settings in fits:
        outcome = model.design.outcome
        assert outcome is not None
        changed = replace(model, design=replace(model.design, outcome=replace(outcome, y=y)))
        try:
            maximum = maximise(changed, **settings)
        except (BayesGLMMError, np.linalg.LinAlgError):
            return np.nan
        values.append(maximum.loglik if maximum.converged else np.nan)
    return max(2 * (values[1] - values[0]), 0.0)
