"""`Fit`: a model and its draws; thin methods, each one line into the module that does the work. `fit` makes one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import xarray as xr

from bayesglmm.common.tables import block, html, plain_table
from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError, refuse_unknown
from bayesglmm.estimands import (
    coefficients,
    comparisons,
    conditional_effects,
    icc,
    predict,
    predictions,
    random_effects,
    slopes,
)
from bayesglmm.estimands.comparisons import Comparison
from bayesglmm.estimands.contrasts import ContrastOption
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.frames import Frame
from bayesglmm.estimands.request import FrameOption, Scale
from bayesglmm.marginalize import group_likelihood as likelihood
from bayesglmm.posterior import storage, summaries
from bayesglmm.sample import diagnostics as checks
from bayesglmm.sample import mending
from bayesglmm.sample.diagnostics import Check
from bayesglmm.sample.sampling import sample
from bayesglmm.sample.settings import Backend, Sampler
from bayesglmm.sensitivity import power_scaling as sensitivity
from bayesglmm.sensitivity import prior_ladder as ladder
from bayesglmm.sensitivity import separation
from bayesglmm.sensitivity import zero_sd as heterogeneity
from bayesglmm.sensitivity.separation import Separation
from bayesglmm.specify.bambi_model import from_bambi, is_bambi
from bayesglmm.specify.describe import notes, size
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula
from bayesglmm.specify.model import LEFT_OUT, Model, glmm

if TYPE_CHECKING:
    from bayesglmm.plots import Picture
    from bayesglmm.plots.forest import ForestKind

__all__ = ["Fit", "fit", "load", "sampled"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model: the model and the draws of its posterior. Everything else is a function of the two.

    Parameters
    ----------
    model
        What was fitted.
    draws
        An ArviZ-schema DataTree: `posterior` (`beta`, `b_<g>`, `sd_<g>`, `corr_<g>`, family parameters),
        `sample_stats`, `observed_data`, `constant_data`.
    """

    model: Model
    draws: xr.DataTree

    @property
    def posterior(self) -> xr.Dataset:
        """The draws of the parameters, dims `chain`, `draw` and those of each parameter."""
        return self.draws["posterior"].to_dataset()

    def summary(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Summarise the parameters: see `bayesglmm.posterior.summaries.summary`."""
        return summaries.summary(self.model, self.draws, ci_prob=ci_prob)

    def varcorr(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Summarise the random-effects covariance: see `bayesglmm.posterior.summaries.varcorr`."""
        return summaries.varcorr(self.model, self.draws, ci_prob=ci_prob)

    def coefficients(
        self, *, exponentiate: bool = False, ci_prob: float = 0.95, method: coefficients.Method = "exact"
    ) -> pd.DataFrame:
        """Tabulate conditional and marginal coefficients: see `bayesglmm.estimands.coefficients`."""
        return coefficients.coefficients(self, exponentiate=exponentiate, ci_prob=ci_prob, method=method)

    def icc(self, new_data: Any = None, *, scale: icc.IccScale = "latent", ci_prob: float = 0.95) -> pd.DataFrame:
        """Tabulate the share of the variance that lies between groups: see `bayesglmm.estimands.icc`."""
        return icc.icc(self, new_data, scale=scale, ci_prob=ci_prob)

    def random_effects(
        self,
        factor: str | None = None,
        *,
        kind: random_effects.EffectKind = "effects",
        scale: random_effects.EffectScale = "link",
        ci_prob: float = 0.95,
    ) -> random_effects.RandomEffects:
        """Return the effects or coefficients of groups: see `bayesglmm.estimands.random_effects`."""
        return random_effects.random_effects(self, factor, kind=kind, scale=scale, ci_prob=ci_prob)

    def forest(
        self, factor: str | None = None, *, kind: "ForestKind" = "effects", column: str | None = None
    ) -> "Picture":
        """Draw the groups of a factor, sorted: see `bayesglmm.plots.forest`."""
        from bayesglmm import plots

        return plots.forest(self, factor, kind=kind, column=column)

    def check(self) -> Check:
        """Return what the sampler's diagnostics say, with advice: see `bayesglmm.sample.diagnostics.check`."""
        return self._check

    @cached_property
    def _check(self) -> Check:
        found, said = checks.check(self.draws), separation.finding(self)
        return found if said is None else replace(found, findings=(*found.findings, said))

    @cached_property
    def separation(self) -> Separation | None:
        """Whether the likelihood has a maximum: see `bayesglmm.check_separation`; None for a family where it must."""
        return separation.of_fit(self)

    def predict(
        self,
        new_data: Any = None,
        *,
        frame: Frame | Mapping[str, Frame] = "population",
        kind: predict.Kind = "mean",
        given: Any = None,
        seed: int | None = None,
    ) -> xr.DataArray:
        """Predict for the rows fitted or new ones, in a frame: see `bayesglmm.estimands.predict`."""
        return predict.predict(self.model, self.posterior, new_data, frame=frame, kind=kind, given=given, seed=seed)

    def predictions(
        self,
        new_data: Any = None,
        *,
        by: str | Sequence[str] | None = None,
        frame: FrameOption = "population",
        at: Mapping[str, Any] | None = None,
        scale: Scale = "response",
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Predict means of rows, or averages over rows by group: see `bayesglmm.estimands.predictions`."""
        return predictions.predictions(
            self, new_data, by=by, frame=frame, at=at, scale=scale, ci_prob=ci_prob, seed=seed
        )

    def comparisons(
        self,
        variables: str | Sequence[str] | Mapping[str, Any],
        *,
        comparison: Comparison = "difference",
        contrasts: ContrastOption = "reference",
        by: str | Sequence[str] | None = None,
        frame: FrameOption = "population",
        new_data: Any = None,
        at: Mapping[str, Any] | None = None,
        scale: Scale = "response",
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Compare averages between values of a predictor: see `bayesglmm.estimands.comparisons`."""
        return comparisons.comparisons(
            self,
            variables,
            comparison=comparison,
            contrasts=contrasts,
            by=by,
            frame=frame,
            new_data=new_data,
            at=at,
            scale=scale,
            ci_prob=ci_prob,
            seed=seed,
        )

    def slopes(
        self,
        variables: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        frame: FrameOption = "population",
        new_data: Any = None,
        at: Mapping[str, Any] | None = None,
        scale: Scale = "response",
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Average derivatives with respect to a numeric predictor: see `bayesglmm.estimands.slopes`."""
        return slopes.slopes(
            self, variables, by=by, frame=frame, new_data=new_data, at=at, scale=scale, ci_prob=ci_prob, seed=seed
        )

    def conditional_effects(
        self,
        focal: str,
        *,
        by: str | None = None,
        frame: FrameOption = "population",
        at: Mapping[str, Any] | None = None,
        scale: Scale = "response",
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Follow the mean over a predictor, the others held: see `bayesglmm.estimands.conditional_effects`."""
        return conditional_effects.conditional_effects(
            self, focal, by=by, frame=frame, at=at, scale=scale, ci_prob=ci_prob, seed=seed
        )

    def group_log_likelihood(self, factor: str | None = None, *, thin: int = 1) -> xr.DataArray:
        """Integrate random effects out of groups' likelihoods: see `bayesglmm.marginalize.group_likelihood`."""
        return likelihood.group_log_likelihood(self, factor, thin=thin)

    def prior_sensitivity(
        self,
        *,
        quantities: Mapping[str, xr.DataArray] | None = None,
        log_likelihood: xr.DataArray | None = None,
        draws: int | None = None,
    ) -> sensitivity.PriorSensitivity:
        """Say what rests on the data and what on the prior: see `bayesglmm.sensitivity.power_scaling`."""
        return sensitivity.prior_sensitivity(self, quantities=quantities, log_likelihood=log_likelihood, draws=draws)

    def prior_ladder(
        self, scales: Sequence[float] = (1, 2.5, 5, 10), *, of: ladder.Ladder = "slopes"
    ) -> "ladder.PriorLadder[Fit]":
        """Fit again under ever wider priors: see `bayesglmm.sensitivity.prior_ladder`."""
        return ladder.prior_ladder(self, scales, of=of)

    def heterogeneity(self, *, epsilon: float | None = None, draws: int | None = None) -> heterogeneity.Heterogeneity:
        """Say of each sd how near zero it may be: see `bayesglmm.sensitivity.zero_sd.heterogeneity`."""
        return heterogeneity.heterogeneity(self, epsilon=epsilon, draws=draws)

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
        """Fit again with something changed; what is not given stays, the seed and the settings included.

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
            As `bayesglmm.fit`; a prior given before for what is no longer there is one of the reasons.
        """
        sampler = self._sampler(settings)
        model = self.model.update(
            formula, data=data, family=family, link=link, priors=priors, missing=missing, reference=reference
        )
        return model.fit(progress=progress, **asdict(sampler))

    def _sampler(self, changed: Mapping[str, Any]) -> Sampler:
        """Return the settings of this fit with some changed."""
        refuse_unknown("update", [name for name in changed if name not in Sampler.options()], Sampler.options())
        attrs = self.draws.attrs
        before = {name: attrs[name] for name in Sampler.options() if name in attrs}
        before |= {name: attrs[f"asked_{name}"] for name in ("draws", "chains") if f"asked_{name}" in attrs}
        before |= {name: bool(attrs.get(name)) for name in ("prior_only", "partial")}
        before |= {"mend": bool(attrs.get("mend", 1)), "backend": attrs.get("asked_backend", "auto")}
        return Sampler(**{**before, **changed})

    def save(self, folder: str | Path) -> Path:
        """Write the fit into a folder, which `bayesglmm.load` reads: see `bayesglmm.posterior.storage.write`."""
        return storage.write(self.model, self.draws, folder)

    def __str__(self) -> str:
        """Return the verdict on the sampling, what was fitted, and the table of parameters."""
        table = plain_table(self.summary()).to_string(formatters=_FORMATS)
        return "\n".join([self.check().verdict, *self._headings(), "", table])

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        headings = "".join(f"<p>{escape(line)}</p>" for line in self._headings())
        return block(f"{self.check()._repr_html_()}{headings}{html(self.summary(), formatters=_FORMATS)}")

    def _headings(self) -> list[str]:
        family, attrs, posterior = self.model.family, self.draws.attrs, self.draws["posterior"]
        source = "the prior alone, without the data" if attrs.get("prior_only") else "the posterior"
        chains, kept = posterior.sizes["chain"], posterior.sizes["draw"]
        how = f"seed {attrs.get('seed')}, {attrs.get('backend')} backend, {attrs.get('parameterization')} coordinates"
        if attrs.get("why_plain"):
            how += f" ({attrs['why_plain']})"
        merged = attrs.get("merged_rows", self.model.design.n)
        if merged < self.model.design.n:
            how += f"; identical rows merged exactly, {self.model.design.n:,} rows → {merged:,}"
        whose = " conditional (typical subject, b = 0)," if self.model.design.blocks else ""
        what = f"coefficients are{whose}" if self.model.design.coef else "standard deviations are"
        lines = [
            f"{self.model.formula}",
            f"{family.name} family, {family.link.name} link; {size(self.model.design)}",
            *notes(self.model.design),
            f"{chains} chains of {kept:,} draws from {source} ({how})",
            f"{what} on the scale of the {family.link.name} link; 95 % equal-tailed intervals",
            *[
                _SAID[finding.kind].format(finding.message)
                for finding in self.check().findings
                if finding.kind in _SAID
            ],
        ]
        return [plain(line) for line in lines]


def fit(
    formula: Any,
    data: Any = None,
    family: str | Family = LEFT_OUT,
    *,
    link: str | Link | None = None,
    priors: Any = None,
    missing: Literal["error", "drop"] = "error",
    reference: Mapping[str, Any] | None = None,
    progress: bool = True,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    target_accept: float = 0.85,
    max_treedepth: int = 10,
    prior_only: bool = False,
    backend: Backend = "auto",
    partial: bool = False,
    mend: bool = True,
    **unknown: Any,
) -> Fit:
    """Fit a generalized linear mixed model: `glmm(…).fit(…)` in one step.

    Parameters
    ----------
    formula, data, family, link, priors, missing, reference
        As in `bayesglmm.glmm`. In the place of a formula may stand a Bambi model, which brings its family, link and
        priors along, and its data unless they are given: see `bayesglmm.from_bambi`.
    progress
        Whether to show a progress bar.
    draws, tune, chains, cores, seed, target_accept, max_treedepth, prior_only, backend, partial, mend
        As in `bayesglmm.Sampler`.
    unknown
        Taken only to be refused with a word.

    Returns
    -------
    Fit
        Look at `fit.check()` before reporting anything.

    Raises
    ------
    BayesGLMMError
        If the formula, the data, the family, a prior or a setting cannot be what it says; nothing is
        sampled then.
    KeyboardInterrupt
        If interrupted, unless draws so far are asked for (`partial`) and there are some.

    Warns
    -----
    BayesGLMMWarning
        If the data are separated given X and a coefficient whose estimate is infinite has a flat prior.

    Examples
    --------
    >>> import bayesglmm as bg
    >>> seizure = bg.datasets.load("seizure")
    >>> f = bg.fit("count ~ trt*time + offset(log(weeks)) + (1 + time | id)", seizure,
    ...            family="poisson", seed=1, progress=False)  # doctest: +SKIP
    """
    known = ("formula", "data", "family", "link", "priors", "missing", "reference", "progress", *Sampler.options())
    refuse_unknown("fit", unknown, known)
    if is_bambi(formula):
        if (
            family is not LEFT_OUT
            or reference is not None
            or link is not None
            or priors is not None
            or missing != "error"
        ):
            raise OptionError(
                "a Bambi model brings its own family, link, priors, reference levels and rule for missing values; "
                "leave these out, or change them afterwards: from_bambi(model).update(…).fit()"
            )
        model = from_bambi(formula, data)
    else:
        model = glmm(formula, data, family, link=link, priors=priors, missing=missing, reference=reference)
    return model.fit(
        progress=progress,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=seed,
        target_accept=target_accept,
        max_treedepth=max_treedepth,
        prior_only=prior_only,
        backend=backend,
        partial=partial,
        mend=mend,
    )


def sampled(model: Model, sampler: Sampler, *, progress: bool = True) -> Fit:
    """Fit a model: the one place where a model becomes a fit.

    Parameters
    ----------
    model
        The model.
    sampler
        The settings.
    progress
        Whether to show a progress bar.
    """
    found = None if sampler.prior_only else separation.look(model)
    draws = mending.mend(model, sampler, sample(model, sampler, progress=progress), progress=progress)
    return Fit(model, separation.attach(draws, found))


def load(folder: str | Path) -> Fit:
    """Read a fit that `Fit.save` wrote.

    Raises
    ------
    StorageError
        If there is none, it is damaged or was changed since, or of a format that is not known.
    """
    return Fit(*storage.read(folder))


def _significant(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


_SAID = {"separation": "{} (see .separation)", "mended": "{}"}
"""How findings that are neither failures nor warnings stand in the heading."""

_FORMATS: Any = {
    **dict.fromkeys(("mean", "median", "sd", "lower", "upper"), _significant),
    "ess_bulk": "{:,.0f}".format,
    "ess_tail": "{:,.0f}".format,
    "r_hat": "{:.3f}".format,
}
