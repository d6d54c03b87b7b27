"""`Fit`: a model and the draws of its posterior.

What it shares with other fits stands in `Estimating` and `Checking`; here are, in order: the summary and the checks of
the sampler; comparison; sensitivity to the prior; fitting again; keeping and showing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import xarray as xr

from bayesglmm import old_names
from bayesglmm.common.tables import block, html, plain_table
from bayesglmm.comparison import kfold, loo, marginal_likelihood, r_squared
from bayesglmm.comparison.loo import Elpd
from bayesglmm.comparison.marginal_likelihood import MarginalLikelihood
from bayesglmm.comparison.r_squared import RSquared
from bayesglmm.errors import refuse_unknown
from bayesglmm.estimands import posterior_draws
from bayesglmm.estimands.hypothesis import Hypotheses
from bayesglmm.estimands.hypothesis_judgement import RopeOption
from bayesglmm.estimands.request import FrameOption, Scale
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.fitted.checking import Checking
from bayesglmm.posterior import for_arviz, storage, summaries
from bayesglmm.posterior.heading import heading
from bayesglmm.posterior.protocol import Thinned
from bayesglmm.sample import diagnostics
from bayesglmm.sample.diagnostics import Check
from bayesglmm.sample.settings import Sampler
from bayesglmm.sensitivity import hypothesis, power_scaling, prior_ladder, separation, zero_sd
from bayesglmm.sensitivity.power_scaling import PriorSensitivity
from bayesglmm.sensitivity.prior_ladder import PriorLadder, Widened
from bayesglmm.sensitivity.separation import Separation
from bayesglmm.sensitivity.zero_sd import ZeroSd
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from arviz import SamplingWrapper

__all__ = ["Fit"]


@dataclass(frozen=True, eq=False)
class Fit(Checking):
    """A fitted model: the model and the draws of its posterior. Everything else is a function of the two.

    Parameters
    ----------
    model
        What was fitted.
    draws
        An ArviZ-schema DataTree: `posterior` (`beta`, `b_<g>`, `sd_<g>`, `corr_<g>`, family parameters),
        `sample_stats`, `observed_data`, `constant_data`. The fit adds `log_likelihood` and `posterior_predictive` of
        the rows given their random effects, computed when first read: see `bayesglmm.posterior.for_arviz`.
    """

    model: Model
    draws: xr.DataTree

    def __post_init__(self) -> None:
        """Add the groups that are computed when they are read."""
        frame: Literal["group", "population"] = "group" if self.model.design.blocks else "population"
        before = Thinned(self.model, self.draws, 1)
        replicates = partial(posterior_draws.outcomes, self.model, before.posterior, frame=frame, seed=0)
        object.__setattr__(self, "draws", for_arviz.with_lazy_groups(before, replicates))

    def summary(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Summarise the parameters: see `bayesglmm.posterior.summaries.summary`."""
        return summaries.summary(self.model, self.draws, ci_prob=ci_prob)

    def check(self) -> Check:
        """Return what the sampler's diagnostics say, with advice: see `bayesglmm.sample.diagnostics.check`."""
        return self._check

    @cached_property
    def _check(self) -> Check:
        check, finding = diagnostics.check(self.draws), separation.finding(self)
        findings = check.findings if finding is None else (*check.findings, finding)
        return replace(check, findings=findings, fit=self)

    def separation(self) -> Separation | None:
        """Return whether the likelihood has a maximum: see `bayesglmm.check_separation`; None where it always has."""
        return self._separation

    @cached_property
    def _separation(self) -> Separation | None:
        return separation.of_fit(self)

    # Comparison

    def loo(self, unit: str = "row", *, exact: bool | None = None, max_draws: int | None = None) -> Elpd:
        """Return the expected log predictive density, rows or groups left out: see `bayesglmm.comparison.loo`."""
        return loo.loo(self, self._refit, unit, exact=exact, max_draws=max_draws)

    def kfold(self, k: int = 10, *, by: str | None = None, seed: int = 0) -> Elpd:
        """Fit without each of k parts of the rows or groups: see `bayesglmm.comparison.kfold`."""
        return kfold.kfold(self, self._refit, k, by=by, seed=seed)

    def _refit(self, model: Model) -> "Fit":
        """Sample another model with the settings of this fit."""
        return model.fit(progress=False, **asdict(self._settings({})))

    def arviz_wrapper(self) -> "SamplingWrapper":
        """Return what ArviZ needs to fit again without rows: see `bayesglmm.comparison.arviz_wrapper`."""
        from bayesglmm.comparison.arviz_wrapper import arviz_wrapper  # imports ArviZ

        return arviz_wrapper(self, self._refit)

    def hypothesis(
        self,
        hypotheses: str | Sequence[str] | Mapping[str, str],
        *,
        rope: RopeOption = None,
        transform: TransformOption = None,
        ci_prob: float = 0.95,
    ) -> Hypotheses:
        """Put hypotheses about parameters to the posterior: see `bayesglmm.sensitivity.hypothesis`."""
        return hypothesis.hypothesis(self, hypotheses, rope=rope, transform=transform, ci_prob=ci_prob)

    def marginal_likelihood(self, *, max_draws: int | None = None, seed: int = 0) -> MarginalLikelihood:
        """Return log p(y) with its Monte Carlo error: see `bayesglmm.comparison.marginal_likelihood`."""
        return marginal_likelihood.marginal_likelihood(self, max_draws=max_draws, seed=seed)

    def r_squared(
        self, *, frame: FrameOption | None = None, scale: Scale = "response", ci_prob: float = 0.95
    ) -> RSquared:
        """Return the share of the outcome's variance that is explained: see `bayesglmm.comparison.r_squared`."""
        return r_squared.r_squared(self, frame=frame, scale=scale, ci_prob=ci_prob)

    # Sensitivity to the prior

    def prior_sensitivity(
        self,
        *,
        quantities: Mapping[str, xr.DataArray] | None = None,
        log_likelihood: xr.DataArray | None = None,
        max_draws: int | None = None,
    ) -> PriorSensitivity:
        """Say what rests on the data and what on the prior: see `bayesglmm.sensitivity.power_scaling`."""
        return power_scaling.prior_sensitivity(
            self, quantities=quantities, log_likelihood=log_likelihood, max_draws=max_draws
        )

    def prior_ladder(
        self,
        scales: Sequence[float] = (1, 2.5, 5, 10),
        *,
        parameters: Widened = "slopes",
        ci_prob: float = 0.95,
    ) -> "PriorLadder[Fit]":
        """Fit again under wider and wider priors: see `bayesglmm.sensitivity.prior_ladder`."""
        return prior_ladder.prior_ladder(self, scales, parameters=parameters, ci_prob=ci_prob)

    def zero_sd(self, *, epsilon: float | None = None, max_draws: int | None = None, ci_prob: float = 0.95) -> ZeroSd:
        """Return P(sd < epsilon) and the Bayes factor of sd = 0 for each sd: see `bayesglmm.sensitivity.zero_sd`."""
        return zero_sd.zero_sd(self, epsilon=epsilon, max_draws=max_draws, ci_prob=ci_prob)

    # Fitting again

    def update(
        self,
        formula: str | Formula | None = None,
        data: Any = None,
        family: str | Family | None = None,
        *,
        link: str | Link | None = None,
        priors: Any = None,
        missing: Literal["error", "drop"] | None = None,
        reference: Mapping[str, Any] | None = None,
        progress: bool = True,
        **settings: Any,
    ) -> "Fit":
        """Fit again with something changed; what is left out stays, the seed and the settings included.

        Parameters
        ----------
        formula, data, family, link, priors, missing, reference
            As in `bayesglmm.Model.update`: `"~ . + age"` adds a term to the formula.
        progress
            Whether to show a progress bar.
        settings
            Settings of `bayesglmm.Sampler` to change.

        Raises
        ------
        BayesGLMMError
            As `bayesglmm.Model.update`, and for an unknown setting.
        """
        sampler = self._settings(settings)
        model = self.model.update(
            formula, data=data, family=family, link=link, priors=priors, missing=missing, reference=reference
        )
        return model.fit(progress=progress, **asdict(sampler))

    def _settings(self, changed: Mapping[str, Any]) -> Sampler:
        """Return the settings of this fit with some changed."""
        refuse_unknown("update", [name for name in changed if name not in Sampler.options()], Sampler.options())
        attrs = self.draws.attrs
        before = {name: attrs[name] for name in Sampler.options() if name in attrs}
        before |= {name: attrs[f"asked_{name}"] for name in ("draws", "chains") if f"asked_{name}" in attrs}
        before |= {name: bool(attrs.get(name)) for name in ("prior_only", "partial")}
        before |= {"mend": bool(attrs.get("mend", 1)), "backend": attrs.get("asked_backend", "auto")}
        return Sampler(**{**before, **changed})

    # Keeping and showing

    def save(self, folder: str | Path) -> Path:
        """Write the fit into a folder, which `bayesglmm.load` reads: see `bayesglmm.posterior.storage.write`."""
        return storage.write(self.model, self.draws, folder)

    def __str__(self) -> str:
        """Return the verdict on the sampling, what was fitted, and the table of parameters."""
        table = plain_table(self.summary()).to_string(formatters=_FORMATS)
        return "\n".join([self.check().verdict, *self._heading(), "", table])

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self._heading())
        return block(f"{self.check()._repr_html_()}{lines}{html(self.summary(), formatters=_FORMATS)}")

    def _heading(self) -> list[str]:
        return heading(self.model, self.draws, self.check().findings)

    if not TYPE_CHECKING:  # a type checker shall still refuse names that do not exist

        def __getattr__(self, name: str) -> Any:
            """Forward the method names of before 1.0, with a warning: see `bayesglmm.old_names`."""
            return old_names.forwarded(self, name)


def _significant(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


_FORMATS: Any = {
    **dict.fromkeys(("mean", "median", "sd", "lower", "upper"), _significant),
    "ess_bulk": "{:,.0f}".format,
    "ess_tail": "{:,.0f}".format,
    "r_hat": "{:.3f}".format,
}
