"""The likelihood that is scaled: of θ, b integrated out where that is defined and does not take long, or given b."""

import math

import xarray as xr

from bayesglmm.marginalize.group_likelihood import group_log_likelihood, integral_points
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted

__all__ = ["conditional_log_likelihood", "integrated_log_likelihood", "log_likelihood"]

_WORK = 2e8
"""Evaluations of a row that integrals may take before draws are left out: some seconds."""

_FEWEST = 500
"""Draws that are left at the least; if these take more than four times the work, b is not integrated out."""


def log_likelihood(fit: Fitted, draws: int | None = None) -> xr.DataArray:
    """Return the log likelihood with b integrated out where that is defined and does not take long, else given b.

    Parameters
    ----------
    fit
        The fit.
    draws
        On how many draws b is integrated out at most, evenly spaced; None for all if that does not take long.
    """
    design = fit.model.design
    points = integral_points(design)
    if points is None:
        return conditional_log_likelihood(fit)
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    work = total * design.n * points / _WORK
    every = max(1, min(math.ceil(work), total // _FEWEST), math.ceil(total / (draws or total)))
    return conditional_log_likelihood(fit) if work / every > 4 else integrated_log_likelihood(fit, every)


def integrated_log_likelihood(fit: Fitted, every: int = 1) -> xr.DataArray:
    """Return the log likelihood of every so many-th draw of each chain, its random effects integrated out.

    Dims `chain`, `draw`. One factor must have all random effects; see `group_log_likelihood` for what it raises.
    """
    found = group_log_likelihood(fit, fit.model.design.blocks[0].factor, thin=every)
    total = found.sum([found.dims[-1]])
    about = str(found.attrs["about"])
    if every > 1:
        about += f" (at {total.size:,} of {fit.posterior.sizes['chain'] * fit.posterior.sizes['draw']:,} draws)"
    return total.assign_attrs(about=about)


def conditional_log_likelihood(fit: Fitted) -> xr.DataArray:
    """Return the log likelihood of each draw given its random effects, dims `chain`, `draw`, up to a constant."""
    from bayesglmm.posterior.log_likelihood import Likelihood

    posterior, model = fit.posterior, fit.model
    draws = Draws(posterior, model.design)
    b = [draws.b(block) for block in model.design.blocks]
    values = Likelihood.of(model).conditional(draws.beta, b, draws.parameters(model.family))
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
    about = "the likelihood conditional on the random effects" if b else "the likelihood"
    return xr.DataArray(values.reshape([len(c) for c in coords.values()]), coords, attrs={"about": about})
