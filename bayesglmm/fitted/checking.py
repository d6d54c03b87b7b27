"""`Checking`: residuals and posterior predictive checks, a short method for each."""

import xarray as xr

from bayesglmm.checking import discrepancy, posterior_check, residuals
from bayesglmm.checking.discrepancy import Discrepancy
from bayesglmm.checking.posterior_check import CheckKind, PosteriorCheck, Statistic
from bayesglmm.checking.predictive import CheckFrameOption
from bayesglmm.checking.residuals import ResidualKind, Residuals
from bayesglmm.fitted.estimating import Estimating
from bayesglmm.marginalize import group_likelihood

__all__ = ["Checking"]


class Checking(Estimating):
    """How the data look beside what the model and its draws say of them."""

    def group_log_likelihood(self, factor: str | None = None, *, thin: int = 1) -> xr.DataArray:
        """Integrate random effects out of groups' likelihoods: see `bayesglmm.marginalize.group_likelihood`."""
        return group_likelihood.group_log_likelihood(self, factor, thin=thin)

    def residuals(
        self,
        kind: ResidualKind = "quantile",
        *,
        frame: CheckFrameOption = "group",
        loo: bool = False,
        ci_prob: float = 0.95,
        max_draws: int | None = None,
        seed: int | None = None,
    ) -> Residuals:
        """Return the residuals of the rows: see `bayesglmm.checking.residuals`."""
        return residuals.residuals(self, kind, frame=frame, loo=loo, ci_prob=ci_prob, max_draws=max_draws, seed=seed)

    def dispersion(
        self, *, ci_prob: float = 0.95, max_draws: int | None = None, seed: int | None = None
    ) -> Discrepancy:
        """Compare the variance of rows about their means with the model's: see `bayesglmm.checking.discrepancy`."""
        return discrepancy.dispersion(self, ci_prob=ci_prob, max_draws=max_draws, seed=seed)

    def zeros(
        self,
        *,
        frame: CheckFrameOption = "group",
        ci_prob: float = 0.95,
        max_draws: int | None = None,
        seed: int | None = None,
    ) -> Discrepancy:
        """Compare the number of zeros with the model's: see `bayesglmm.checking.discrepancy`."""
        return discrepancy.zeros(self, frame=frame, ci_prob=ci_prob, max_draws=max_draws, seed=seed)

    def posterior_check(
        self,
        kind: CheckKind | None = None,
        *,
        frame: CheckFrameOption | None = None,
        column: str | None = None,
        factor: str | None = None,
        statistic: Statistic = "mean",
        ci_prob: float = 0.95,
        max_draws: int | None = None,
        seed: int | None = None,
    ) -> PosteriorCheck | Discrepancy:
        """Compare the data with data that the fit replicates: see `bayesglmm.checking.posterior_check`."""
        return posterior_check.posterior_check(
            self,
            kind,
            frame=frame,
            column=column,
            factor=factor,
            statistic=statistic,
            ci_prob=ci_prob,
            max_draws=max_draws,
            seed=seed,
        )
