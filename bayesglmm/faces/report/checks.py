"""The posterior checks that a report shows: at most three, chosen by the type of the outcome."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bayesglmm.checking.curves import PosteriorCheck
from bayesglmm.checking.discrepancy import Discrepancy
from bayesglmm.errors import BayesGLMMError
from bayesglmm.fitted import Fit

__all__ = ["ReportedCheck", "reported_checks"]

_SEED = 1
"""Replicates are random; a report of a fit is the same each time."""


@dataclass(frozen=True)
class ReportedCheck:
    """A check as a report shows it.

    Parameters
    ----------
    name
        What is checked.
    reading
        What the check says; why there is none where it could not be made.
    png
        Its picture; empty where it could not be made.
    caption
        The caption of the picture, which says which random effects are held.
    """

    name: str
    reading: str
    png: bytes = b""
    caption: str = ""


def reported_checks(fit: Fit) -> Iterator[ReportedCheck]:
    """Make the checks of a fit: dispersion or shape of the outcomes, residuals, the groups."""
    for name, check in _checks(fit).items():
        try:
            result = check()
            yield ReportedCheck(name, result.reading, result.plot().png(), result.estimand)
        except BayesGLMMError as error:
            yield ReportedCheck(name, f"Not available: {error}.")


def _checks(fit: Fit) -> dict[str, Callable[[], PosteriorCheck | Discrepancy]]:
    """Return what makes each check, by its name."""
    family = fit.model.family
    checks: dict[str, Callable[[], PosteriorCheck | Discrepancy]] = {}
    match family.outcome_type:
        case "binary":
            checks["fitted probabilities"] = lambda: fit.posterior_check("binned", seed=_SEED)
        case "continuous":
            checks["distribution of the outcome"] = lambda: fit.posterior_check("density", seed=_SEED)
            checks["residuals"] = lambda: fit.posterior_check("residuals", seed=_SEED)
        case _:
            checks["dispersion"] = lambda: fit.dispersion(seed=_SEED)
            checks["residuals"] = lambda: fit.posterior_check("pit", seed=_SEED)
    if fit.model.design.blocks:
        checks["groups"] = lambda: fit.posterior_check("group_statistic", seed=_SEED)
    return checks
