"""`MLFit`: a model whose likelihood was maximised.

What it shares with a `Fit` stands in `Estimating` and `Checking`, computed from draws of the asymptotic normal
distribution of its estimates, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from bayesglmm.checking.likelihoods import deviance
from bayesglmm.checking.predictive import Predictive
from bayesglmm.common.tables import block, html, plain_table
from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError
from bayesglmm.estimands import posterior_draws
from bayesglmm.fitted.checking import Checking
from bayesglmm.fitted.ml_check import ml_check
from bayesglmm.likelihood.methods import Method
from bayesglmm.posterior.inference import INFERENCE
from bayesglmm.posterior.protocol import Thinned
from bayesglmm.sample.diagnostics import Check
from bayesglmm.specify.describe import notes, size
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.comparison.profile import Profile
    from bayesglmm.comparison.wald import WaldTest
    from bayesglmm.likelihood.asymptotic import Asymptotic
    from bayesglmm.likelihood.maximise import Maximum

__all__ = ["MLFit"]


@dataclass(frozen=True, eq=False)
class MLFit(Checking):
    """A model fitted by maximum likelihood: the model, and the numbers at the maximum.

    Parameters
    ----------
    model
        What was fitted; its priors are not read.
    maximum
        The estimates, the Hessian, the log likelihood and the conditional modes.
    size, seed
        How many draws of the asymptotic normal distribution `draws` has, and the seed of their generator.
    """

    model: Model
    maximum: "Maximum"
    size: int = 2000
    seed: int = 0

    # The maximum

    def summary(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Return estimates, standard errors, Wald statistics and intervals, the rows those of `Fit.summary`.

        See `bayesglmm.likelihood.asymptotic.Asymptotic.table`.
        """
        table = self.asymptotic.table(ci_prob)
        frame = "typical: coefficients are conditional on b = 0" if self.model.design.blocks else "no random effects"
        table.attrs = {"ci_prob": ci_prob, "scale": f"linear predictor ({self.model.family.link.name} link)"}
        table.attrs |= {"frame": frame, "method": self.how}
        return table

    def modes(self, factor: str | None = None) -> pd.DataFrame:
        """Return the conditional modes of the random effects at the estimates, with their standard deviations.

        Parameters
        ----------
        factor
            A grouping factor or a block; None for the only one.

        Returns
        -------
        pandas.DataFrame
            Index `level`, `column`; columns `mode sd`, on the scale of the linear predictor. The sd is that of the
            normal approximation about the mode, the estimates taken as known.
        """
        blocks = [each for each in self.model.design.blocks if factor in (None, each.factor, each.name)]
        if not blocks or (factor is None and len({each.factor for each in blocks}) > 1):
            known = ", ".join(dict.fromkeys(each.factor for each in self.model.design.blocks)) or "none"
            raise OptionError(f"factor={factor!r} is not one grouping factor of the model; it has {known}")
        tables = []
        for each in blocks:
            index = pd.MultiIndex.from_product([list(each.levels), list(each.columns)], names=["level", "column"])
            modes, sds = (of[each.name].reshape(-1) for of in (self.maximum.b_modes, self.maximum.b_sds))
            tables.append(pd.DataFrame({"mode": modes, "sd": sds}, index=index))
        return pd.concat(tables)

    @property
    def loglik(self) -> float:
        """The log likelihood at the maximum, with all constants.

        Raises
        ------
        OptionError
            For PQL, which maximises no likelihood of the outcomes.
        """
        if self.method == "pql":
            raise OptionError(
                "PQL maximises no likelihood of the outcomes, so it has no log likelihood, aic or bic; fit by "
                'method="quadrature" or "laplace" for these'
            )
        return self.maximum.loglik

    @property
    def df(self) -> int:
        """The number of parameters estimated."""
        return len(self.asymptotic.theta)

    @property
    def n(self) -> int:
        """The number of rows, each counted by its weight."""
        outcome = self.model.design.outcome
        assert outcome is not None
        return round(float(outcome.weights_or_ones.sum()))

    @property
    def aic(self) -> float:
        """−2 log likelihood + 2 df."""
        return -2 * self.loglik + 2 * self.df

    @property
    def bic(self) -> float:
        """−2 log likelihood + df log n, n the number of rows."""
        return -2 * self.loglik + self.df * float(np.log(self.n))

    @cached_property
    def deviance(self) -> float:
        """Twice what the log likelihood lacks of that of a mean a row; with random effects −2 log likelihood."""
        if self.model.design.blocks:
            return -2 * self.loglik
        estimates = Thinned(self.model, self._at_estimates, 1)
        return float(deviance(Predictive.of(estimates, "population", np.random.default_rng(0))).sum())

    @property
    def method(self) -> str:
        """`"quadrature"`, `"laplace"`, `"pql"`, or `"glm"` without random effects."""
        return self.maximum.method

    @property
    def nodes(self) -> int | None:
        """The points of the quadrature a dimension; None for other methods."""
        return self.maximum.nodes

    @property
    def restricted(self) -> bool:
        """Whether the restricted likelihood was maximised, in which coefficients are integrated out."""
        return self.maximum.restricted

    @property
    def how(self) -> str:
        """How random effects were integrated out, in words."""
        likelihood = "restricted maximum likelihood" if self.restricted else "maximum likelihood"
        match self.method:
            case "quadrature":
                points = "1 point, Laplace's approximation" if self.nodes == 1 else f"{self.nodes} points"
                return f"{likelihood} (adaptive quadrature, {points})"
            case "laplace":
                return f"{likelihood} (Laplace's approximation)"
            case "pql":
                dispersion = self.maximum.parameters["dispersion"]
                return f"penalised quasi-likelihood ({likelihood}, dispersion {dispersion:.3f})"
        return likelihood

    @property
    def doubts(self) -> tuple[str, ...]:
        """The failures and warnings of `check()`, in words."""
        check = self.check()
        return tuple(finding.message for finding in (*check.failures, *check.warnings))

    def check(self) -> Check:
        """Return what makes the numbers doubtful, with advice: see `bayesglmm.fitted.ml_check`."""
        return self._check

    @cached_property
    def _check(self) -> Check:
        return ml_check(self)

    # The asymptotic normal distribution

    @cached_property
    def asymptotic(self) -> "Asymptotic":
        """The normal distribution of the estimates in large samples."""
        from bayesglmm.likelihood.asymptotic import Asymptotic  # numba, which a posterior does not wait for

        return Asymptotic(self.maximum)

    @cached_property
    def draws(self) -> xr.DataTree:  # type: ignore[override]
        """Draws of the asymptotic normal distribution in the groups of ArviZ's schema; no posterior, though named so.

        Every output that is computed from them says where they are from. Random effects are drawn given the
        parameters of each draw and the outcomes, when first read.
        """
        tree = self.asymptotic.draws(self.size, self.seed)
        how = f"{self.how}, intervals from its asymptotic normal"
        tree["posterior"].attrs[INFERENCE] = how
        tree.attrs |= {INFERENCE: how, "draws": self.size, "chains": 1, "seed": self.seed}
        return tree

    @cached_property
    def _at_estimates(self) -> xr.DataTree:
        """The estimates as one draw."""
        return self.asymptotic.at_estimates()

    def profile(self, parameter: str, *, ci_prob: float = 0.95) -> "Profile":
        """Follow the likelihood along a parameter, the others maximised: see `bayesglmm.comparison.profile`."""
        from bayesglmm.comparison.profile import profile

        return profile(self, parameter, ci_prob=ci_prob)

    def hypothesis(self, hypotheses: str | Sequence[str] | Mapping[str, str], *, ci_prob: float = 0.95) -> "WaldTest":
        """Test hypotheses about parameters, one by one and together: see `bayesglmm.comparison.wald`."""
        from bayesglmm.comparison.wald import wald

        return wald(self, hypotheses, ci_prob=ci_prob)

    def simulate(self, n: int = 1, *, seed: int | None = None) -> pd.DataFrame:
        """Simulate outcomes from the model at the estimates, random effects drawn anew from N(0, G).

        Parameters
        ----------
        n
            The number of data sets.
        seed
            Of the generator.

        Returns
        -------
        pandas.DataFrame
            A row a row of the data, a column a data set; of the binomial family numbers of successes.
        """
        estimates = self._at_estimates["posterior"].to_dataset()
        repeated = estimates.isel(draw=np.zeros(n, dtype=int)).assign_coords(draw=np.arange(n))
        grouped = bool(self.model.design.blocks)
        values = posterior_draws.outcomes(
            self.model, repeated, frame="new_group" if grouped else "population", seed=seed
        )
        rows = pd.Index(self.model.design.columns.rows, name="row")
        return pd.DataFrame(values.values.reshape(n, -1).T, index=rows, columns=pd.RangeIndex(n, name="simulation"))

    # Fitting again

    def update(
        self,
        formula: str | Formula | None = None,
        data: Any = None,
        family: str | Family | None = None,
        *,
        link: str | Link | None = None,
        missing: Literal["error", "drop"] | None = None,
        reference: Mapping[str, Any] | None = None,
        method: Method | None = None,
        nodes: int | None = None,
        restricted: bool | None = None,
    ) -> "MLFit":
        """Fit again with something changed; what is left out stays.

        Parameters
        ----------
        formula, data, family, link, missing, reference
            As in `bayesglmm.Model.update`.
        method, nodes, restricted
            As in `bayesglmm.maximum_likelihood`.
        """
        model = self.model.update(formula, data=data, family=family, link=link, missing=missing, reference=reference)
        return self.refit(model, method=method, nodes=nodes, restricted=restricted)

    def refit(
        self, model: Model, *, method: Method | None = None, nodes: int | None = None, restricted: bool | None = None
    ) -> "MLFit":
        """Fit another model in the same way."""
        from bayesglmm.likelihood.maximise import maximise

        before: Any = self.method if self.method != "glm" else "quadrature"
        chosen = before if method is None else method
        kept = self.nodes if method is None and nodes is None else nodes
        maximum = maximise(
            model, method=chosen, nodes=kept, restricted=self.restricted if restricted is None else restricted
        )
        return replace(self, model=model, maximum=maximum)

    # Showing

    def __str__(self) -> str:
        """Return the verdict, what was fitted and how, the table of parameters, and the fit's size."""
        table = plain_table(self.summary()).to_string(formatters=_FORMATS, na_rep="")
        findings = [f"  {finding.advice}" for finding in self.check().findings]
        return "\n".join([self.check().verdict, *findings, *self._heading(), "", table, "", self._foot()])

    def __repr__(self) -> str:
        """Return the same as `str()`."""
        return str(self)

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self._heading())
        table = html(self.summary(), formatters=_FORMATS, na_rep="")
        return block(f"{self.check()._repr_html_()}{lines}{table}<p>{escape(self._foot())}</p>")

    def _heading(self) -> list[str]:
        model, link = self.model, self.model.family.link.name
        conditional = " conditional (typical subject, b = 0)," if model.design.blocks else ""
        return [
            plain(line)
            for line in (
                str(model.formula),
                f"{model.family.name} family, {link} link; {size(model.design)}",
                *notes(model.design),
                self.how,
                f"coefficients are{conditional} on the scale of the {link} link; 95 % Wald intervals, of sds and "
                "family parameters on the log scale",
            )
        ]

    def _foot(self) -> str:
        if self.method == "pql":
            return f"{self.df} parameters, {self.n:,} rows; PQL has no log likelihood"
        criteria = f"log likelihood {self.loglik:.2f}, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        return f"{criteria}; {self.df} parameters, {self.n:,} rows"


def _significant(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"


def _probability(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}" if value >= 1e-4 else "<0.0001"


_FORMATS: Any = {
    **dict.fromkeys(("estimate", "std_error", "lower", "upper"), _significant),
    "statistic": lambda value: "" if np.isnan(value) else f"{value:.3f}",
    "p_value": _probability,
}
