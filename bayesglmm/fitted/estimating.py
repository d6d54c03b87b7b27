"""`Estimating`: the estimands of a model and draws of its parameters, a short method for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from bayesglmm.estimands import (
    coefficients,
    comparisons,
    conditional_effects,
    group_means,
    icc,
    posterior_draws,
    predictions,
    random_effects,
    slopes,
    subject_curves,
)
from bayesglmm.estimands.coefficients import Coefficients, Method
from bayesglmm.estimands.contrasts import ContrastOption
from bayesglmm.estimands.estimates import Estimates
from bayesglmm.estimands.frames import Frame
from bayesglmm.estimands.group_coefficients import EffectScale, Quantity
from bayesglmm.estimands.group_means import GroupMeans
from bayesglmm.estimands.icc import IccScale
from bayesglmm.estimands.measures import Comparison
from bayesglmm.estimands.random_effects import RandomEffects
from bayesglmm.estimands.request import FrameOption, Scale
from bayesglmm.estimands.subject_curves import SubjectCurves
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.posterior import summaries
from bayesglmm.specify.model import Model

__all__ = ["Estimating"]


class Estimating:
    """What is computed from a model and draws of its parameters, however these were made."""

    model: Model
    draws: xr.DataTree

    @property
    def posterior(self) -> xr.Dataset:
        """The draws of the parameters, dims `chain`, `draw` and those of each parameter."""
        return self.draws["posterior"].to_dataset()

    # Tables of parameters

    def varcorr(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Summarise the random-effects covariance: see `bayesglmm.posterior.summaries.varcorr`."""
        return summaries.varcorr(self.model, self.draws, ci_prob=ci_prob)

    def coefficients(
        self, *, exponentiate: bool = False, ci_prob: float = 0.95, method: Method = "exact"
    ) -> Coefficients:
        """Return conditional and marginal coefficients: see `bayesglmm.estimands.coefficients`."""
        return coefficients.coefficients(self, exponentiate=exponentiate, ci_prob=ci_prob, method=method)

    def icc(self, new_data: Any = None, *, scale: IccScale = "latent", ci_prob: float = 0.95) -> pd.DataFrame:
        """Tabulate the share of the variance that lies between groups: see `bayesglmm.estimands.icc`."""
        return icc.icc(self, new_data, scale=scale, ci_prob=ci_prob)

    def random_effects(
        self,
        factor: str | None = None,
        *,
        quantity: Quantity = "effects",
        scale: EffectScale = "link",
        ci_prob: float = 0.95,
    ) -> RandomEffects:
        """Return the effects or coefficients of groups: see `bayesglmm.estimands.random_effects`."""
        return random_effects.random_effects(self, factor, quantity=quantity, scale=scale, ci_prob=ci_prob)

    def group_means(
        self, factor: str | None = None, *, weights: str | None = None, ci_prob: float = 0.95
    ) -> GroupMeans:
        """Return the mean response of each group over its own rows: see `bayesglmm.estimands.group_means`."""
        return group_means.group_means(self, factor, weights=weights, ci_prob=ci_prob)

    # Estimands

    def linpred(
        self,
        new_data: Any = None,
        *,
        frame: Frame | Mapping[str, Frame] = "population",
        new_outcomes: Any = None,
        seed: int | None = None,
    ) -> xr.DataArray:
        """Return draws of the linear predictor of rows: see `bayesglmm.estimands.posterior_draws.linpred`."""
        return posterior_draws.linpred(
            self.model, self.posterior, new_data, frame=frame, new_outcomes=new_outcomes, seed=seed
        )

    def epred(
        self,
        new_data: Any = None,
        *,
        frame: Frame | Mapping[str, Frame] = "population",
        new_outcomes: Any = None,
        seed: int | None = None,
    ) -> xr.DataArray:
        """Return draws of the mean E(Y) of rows: see `bayesglmm.estimands.posterior_draws.epred`."""
        return posterior_draws.epred(
            self.model, self.posterior, new_data, frame=frame, new_outcomes=new_outcomes, seed=seed
        )

    def outcomes(
        self,
        new_data: Any = None,
        *,
        frame: Frame | Mapping[str, Frame] = "population",
        new_outcomes: Any = None,
        seed: int | None = None,
    ) -> xr.DataArray:
        """Return draws of new outcomes Y of rows: see `bayesglmm.estimands.posterior_draws.outcomes`."""
        return posterior_draws.outcomes(
            self.model, self.posterior, new_data, frame=frame, new_outcomes=new_outcomes, seed=seed
        )

    def predictions(
        self,
        new_data: Any = None,
        *,
        by: str | Sequence[str] | None = None,
        frame: FrameOption = "population",
        at: Mapping[str, Any] | None = None,
        scale: Scale = "response",
        weights: str | None = None,
        transform: TransformOption = None,
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Predict means of rows, or averages over rows by group: see `bayesglmm.estimands.predictions`."""
        return predictions.predictions(
            self,
            new_data,
            by=by,
            frame=frame,
            at=at,
            scale=scale,
            weights=weights,
            transform=transform,
            ci_prob=ci_prob,
            seed=seed,
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
        weights: str | None = None,
        transform: TransformOption = None,
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
            weights=weights,
            transform=transform,
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
        weights: str | None = None,
        transform: TransformOption = None,
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Average derivatives with respect to a numeric predictor: see `bayesglmm.estimands.slopes`."""
        return slopes.slopes(
            self,
            variables,
            by=by,
            frame=frame,
            new_data=new_data,
            at=at,
            scale=scale,
            weights=weights,
            transform=transform,
            ci_prob=ci_prob,
            seed=seed,
        )

    def conditional_effects(
        self,
        focal: str,
        *,
        by: str | Sequence[str] | None = None,
        frame: FrameOption = "population",
        at: Mapping[str, Any] | None = None,
        scale: Scale = "response",
        weights: str | None = None,
        transform: TransformOption = None,
        ci_prob: float = 0.95,
        seed: int | None = None,
    ) -> Estimates:
        """Follow the mean over a predictor, the others held: see `bayesglmm.estimands.conditional_effects`."""
        return conditional_effects.conditional_effects(
            self,
            focal,
            by=by,
            frame=frame,
            at=at,
            scale=scale,
            weights=weights,
            transform=transform,
            ci_prob=ci_prob,
            seed=seed,
        )

    def subject_curves(
        self,
        focal: str,
        factor: str | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        most: int = 60,
        scale: Scale = "response",
        ci_prob: float = 0.95,
    ) -> SubjectCurves:
        """Draw groups' curves beside the typical one and the population's: see `bayesglmm.estimands.subject_curves`."""
        return subject_curves.subject_curves(self, focal, factor, at=at, most=most, scale=scale, ci_prob=ci_prob)
