"""`Fit`: a model and its draws; thin methods, each one line into the module that does the work. `fit` makes one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import xarray as xr

from bayesglmm import (
    checks,
    coefficients,
    effects,
    heterogeneity,
    icc,
    ladder,
    likelihood,
    mending,
    predictions,
    random_effects,
    sensitivity,
    separation,
    storage,
    summaries,
)
from bayesglmm.checks import Check
from bayesglmm.effects import Comparison, ContrastOption, Estimates, FrameOption, Scale
from bayesglmm.errors import OptionError, PriorError, suggest
from bayesglmm.families import Family
from bayesglmm.formula import Formula
from bayesglmm.frames import Frame
from bayesglmm.mathematics import size
from bayesglmm.model import Model, glmm
from bayesglmm.sampling import Backend, Sampler, sample
from bayesglmm.separation import Separation

if TYPE_CHECKING:
    from bayesglmm.plots import Picture
    from bayesglmm.plots.forest import ForestKind

__all__ = ["Fit", "fit", "load"]


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

    def summary(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Summarise the parameters: see `bayesglmm.summaries.summary`."""
        return summaries.summary(self.model, self.draws, ci_prob)

    def covariance(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Summarise the random-effects covariance: see `bayesglmm.summaries.covariance`."""
        return summaries.covariance(self.model, self.draws, ci_prob)

    def coefficients(
        self, *, exponentiate: bool = False, ci_prob: float = 0.95, method: coefficients.Method = "exact"
    ) -> pd.DataFrame:
        """Tabulate conditional and marginal coefficients: see `bayesglmm.coefficients.coefficients`."""
        return coefficients.coefficients(self, exponentiate=exponentiate, ci_prob=ci_prob, method=method)

    def icc(self, new_data: Any = None, *, scale: icc.IccScale = "latent", ci_prob: float = 0.95) -> pd.DataFrame:
        """Tabulate the share of the variance that lies between groups: see `bayesglmm.icc.icc`."""
        return icc.icc(self, new_data, scale=scale, ci_prob=ci_prob)

    def random_effects(
        self,
        factor: str | None = None,
        *,
        kind: random_effects.EffectKind = "effects",
        scale: random_effects.EffectScale = "link",
        ci_prob: float = 0.95,
    ) -> random_effects.RandomEffects:
        """Return the effects or coefficients of groups: see `bayesglmm.random_effects.random_effects`."""
        return random_effects.random_effects(self, factor, kind=kind, scale=scale, ci_prob=ci_prob)

    def forest(
        self, factor: str | None = None, *, kind: "ForestKind" = "effects", column: str | None = None
    ) -> "Picture":
        """Draw the groups of a factor, sorted: see `bayesglmm.plots.forest`."""
        from bayesglmm import plots

        return plots.forest(self, factor, kind=kind, column=column)

    def check(self) -> Check:
        """Return what the sampler's diagnostics say, with advice: see `bayesglmm.checks.check`."""
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
        kind: predictions.Kind = "mean",
        given: Any = None,
        seed: int | None = None,
    ) -> xr.DataArray:
        """Predict for the rows fitted or new ones, in a frame: see `bayesglmm.predictions.predict`."""
        return predictions.predict(self.model, self.posterior, new_data, frame=frame, kind=kind, given=given, seed=seed)

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
        """Predict means of rows, or averages over rows by group: see `bayesglmm.effects.predictions`."""
        return effects.predictions(self, new_data, by=by, frame=frame, at=at, scale=scale, ci_prob=ci_prob, seed=seed)

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
        """Compare averages between values of a predictor: see `bayesglmm.effects.comparisons`."""
        return effects.comparisons(
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
        """Average derivatives with respect to a numeric predictor: see `bayesglmm.effects.slopes`."""
        return effects.slopes(
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
        """Follow the mean over a predictor, the others held: see `bayesglmm.effects.conditional_effects`."""
        return effects.conditional_effects(
            self, focal, by=by, frame=frame, at=at, scale=scale, ci_prob=ci_prob, seed=seed
        )

    def group_log_likelihood(self, factor: str | None = None, *, every: int = 1) -> xr.DataArray:
        """Integrate random effects out of groups' likelihoods: see `bayesglmm.likelihood.group_log_likelihood`."""
        return likelihood.group_log_likelihood(self, factor, every=every)

    def prior_sensitivity(
        self,
        *,
        quantities: Mapping[str, xr.DataArray] | None = None,
        log_likelihood: xr.DataArray | None = None,
        draws: int | None = None,
    ) -> sensitivity.PriorSensitivity:
        """Say what rests on the data and what on the prior: see `bayesglmm.sensitivity.prior_sensitivity`."""
        return sensitivity.prior_sensitivity(self, quantities=quantities, log_likelihood=log_likelihood, draws=draws)

    def prior_ladder(
        self, scales: Sequence[float] = (1, 2.5, 5, 10), *, of: ladder.Ladder = "slopes"
    ) -> "ladder.PriorLadder[Fit]":
        """Fit again under ever wider priors: see `bayesglmm.ladder.prior_ladder`."""
        return ladder.prior_ladder(self, scales, of=of)

    def heterogeneity(self, *, epsilon: float | None = None, draws: int | None = None) -> heterogeneity.Heterogeneity:
        """Say of each sd how near zero it may be: see `bayesglmm.heterogeneity.heterogeneity`."""
        return heterogeneity.heterogeneity(self, epsilon=epsilon, draws=draws)

    def update(
        self,
        formula: str | Formula | None = None,
        data: Any = None,
        family: str | Family | None = None,
        *,
        link: str | None = None,
        priors: Any = None,
        missing: Literal["error", "drop"] = "error",
        progress: bool = True,
        **settings: Any,
    ) -> "Fit":
        """Fit again with something changed; what is not given stays, the seed and the settings included.

        Parameters
        ----------
        formula, data, family, link, priors, missing, progress
            As in `bayesglmm.fit`. Data not given are the columns used before. Priors not given are those
            that were: defaults are computed anew for what has changed. A family given without a link
            has its first.
        settings
            Settings of `bayesglmm.Sampler` to change.

        Raises
        ------
        BayesGLMMError
            As `bayesglmm.fit`; a prior given before for what is no longer there is one of the reasons.
        """
        unknown = [name for name in settings if name not in Sampler.options()]
        if unknown:
            raise OptionError(f"'{unknown[0]}' is no setting of the sampler; {suggest(unknown[0], Sampler.options())}")
        old, given = self.model, self.model.priors.given
        try:
            model = glmm(
                old.formula if formula is None else formula,
                old.design.columns if data is None else data,
                old.family if family is None else family,
                link=link,
                priors={"preset": old.priors.preset, **given} if priors is None else priors,
                missing=missing,
            )
        except PriorError as error:
            if priors is not None or not given:
                raise
            raise PriorError(
                f"a prior carried over from the earlier fit does not go with the new model: {error}. To drop it, pass "
                "priors= with those to keep, or priors={} for the defaults"
            ) from error
        attrs = self.draws.attrs
        before = {name: attrs[name] for name in Sampler.options() if name in attrs}
        before |= {"prior_only": bool(attrs.get("prior_only")), "backend": attrs.get("asked_backend", "auto")}
        before |= {"mend": bool(attrs.get("mend", 1))}
        sampler = Sampler(**{**before, **settings})
        return _sampled(model, sampler, progress)

    def save(self, folder: str | Path) -> Path:
        """Write the fit into a folder, which `bayesglmm.load` reads: see `bayesglmm.storage.write`."""
        return storage.write(self.model, self.draws, folder)

    def __str__(self) -> str:
        """Return the verdict on the sampling, what was fitted, and the table of parameters."""
        table = self.summary().to_string(formatters=_FORMATS)
        return "\n".join([self.check().verdict, *self._headings(), "", table])

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        headings = "".join(f"<p>{escape(line)}</p>" for line in self._headings())
        table = self.summary().to_html(formatters=_FORMATS, border=0)
        return f"<div>{self.check()._repr_html_()}{headings}{table}</div>"

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
        return [
            f"{self.model.formula}",
            f"{family.name} family, {family.link.name} link; {size(self.model.design)}",
            f"{chains} chains of {kept:,} draws from {source} ({how})",
            f"coefficients are conditional (typical subject, b = 0), on the scale of the {family.link.name} link; "
            "95 % equal-tailed intervals",
            *[
                _SAID[finding.kind].format(finding.message)
                for finding in self.check().findings
                if finding.kind in _SAID
            ],
        ]


def fit(
    formula: str | Formula,
    data: Any,
    family: str | Family = "gaussian",
    *,
    link: str | None = None,
    priors: Any = None,
    missing: Literal["error", "drop"] = "error",
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
    mend: bool = True,
) -> Fit:
    """Fit a generalized linear mixed model.

    Parameters
    ----------
    formula, data, family, link, priors, missing
        As in `bayesglmm.glmm`.
    progress
        Whether to show a progress bar.
    draws, tune, chains, cores, seed, target_accept, max_treedepth, prior_only, backend, mend
        As in `bayesglmm.Sampler`.

    Returns
    -------
    Fit
        Look at `fit.check()` before reporting anything.

    Raises
    ------
    BayesGLMMError
        If the formula, the data, the family, a prior or a setting cannot be what it says; nothing is
        sampled then.

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
    sampler = Sampler(draws, tune, chains, cores, seed, target_accept, max_treedepth, prior_only, backend, mend)
    model = glmm(formula, data, family, link=link, priors=priors, missing=missing)
    return _sampled(model, sampler, progress)


def _sampled(model: Model, sampler: Sampler, progress: bool) -> Fit:
    found = None if sampler.prior_only else separation.look(model)
    draws = mending.mend(model, sampler, sample(model, sampler, progress=progress), progress=progress)
    return Fit(model, separation.attach(draws, found))


def load(folder: str | Path) -> Fit:
    """Read a fit that `Fit.save` wrote.

    Raises
    ------
    StorageError
        If there is none, it is damaged, or of another format.
    """
    return Fit(*storage.read(folder))


def _significant(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


_SAID = {"separation": "{} (see .separation)", "mended": "{}"}
"""How findings that are neither failures nor warnings stand in the heading."""

_FORMATS: Any = {
    **dict.fromkeys(("mean", "sd", "lower", "upper"), _significant),
    "ess_bulk": "{:,.0f}".format,
    "ess_tail": "{:,.0f}".format,
    "r_hat": "{:.3f}".format,
}
