"""`ml_check(fit)`: what makes the numbers of a maximum-likelihood fit doubtful, each with what to do."""

from typing import TYPE_CHECKING

import numpy as np

from bayesglmm.marginalize.groups import MOST_EFFECTS
from bayesglmm.sample.diagnostics import Check, Finding
from bayesglmm.sensitivity import separation

if TYPE_CHECKING:
    from bayesglmm.fitted.ml_fit import MLFit

__all__ = ["ml_check"]

_TELLING = 0.2
"""By how many standard errors more points move an estimate where an approximation is said to be off."""

_POSTERIOR = "bg.fit(…) of the same formula gives a posterior"

_ADVICE = {
    "sd_zero": "it has no standard error or Wald interval; test it by bg.likelihood_ratio, whose reference is a "
    f"mixture, take its interval from profile(), or leave the effect out; {_POSTERIOR} that keeps it above 0",
    "singular": "it has no standard error or Wald interval; leave the correlation out, (… || …), or the effect; "
    f"{_POSTERIOR} that keeps correlations inside their range",
    "flat": f"leave out what the data cannot tell apart; {_POSTERIOR}, which rests on the prior there",
    "not_definite": f"there are no standard errors: leave out what the data cannot tell apart; {_POSTERIOR}",
    "not_converged": f"scale the predictors, or leave out random effects that the data cannot tell; {_POSTERIOR}",
    "curvature": "take more points (nodes=), whose sum does not rest on the curvature",
    "nodes": "the sds are too large, or the outcomes of a group too few, for quadrature about a mode: do not report",
}
"""What to do, by kind of finding of the maximum."""


def ml_check(fit: "MLFit") -> Check:
    """Check a maximum-likelihood fit.

    Returns
    -------
    Check
        Failures: separation, a search that ended early, an observed information that is not positive definite, an
        integral over the random effects that is off at the estimates. Warnings: an sd of 0, a correlation of ±1,
        curvatures of which rows were left out.
    """
    found, findings = fit.maximum.findings, []
    separated = separation.look(fit.model)
    if separated is not None and separated.infinite:
        findings.append(
            Finding(
                "no_maximum",
                f"the likelihood has no maximum: separation {separated.message}",
                "estimates, standard errors and p-values of these coefficients are where the search stopped, not "
                f"results; {_POSTERIOR}, whose prior keeps them finite",
            )
        )
        found = tuple(each for each in found if each.kind not in ("not_converged", "flat", "not_definite"))
    findings += [Finding(each.kind, each.text, _ADVICE[each.kind], each.names) for each in found]
    findings += _integral(fit)
    findings.sort(key=lambda finding: finding.warning)
    height = "" if fit.method == "pql" else f" log likelihood {fit.loglik:.2f}"
    figures = f"{fit.how};{height} after {fit.maximum.evaluations} evaluations"
    return Check(tuple(findings), figures, subject="maximisation")


def _moved(fit: "MLFit", place: int) -> str:
    """Return what an entry of θ is a part of, as tables name it."""
    name = fit.maximum.theta_names[place]
    return f"the covariance of {name.removeprefix('chol_').split('[')[0]}" if name.startswith("chol_") else name


def _integral(fit: "MLFit") -> list[Finding]:
    """Return a finding where more quadrature points change the log likelihood at the estimates."""
    from bayesglmm.likelihood.nodes import LADDER
    from bayesglmm.likelihood.objective import Objective

    maximum, blocks = fit.maximum, fit.model.design.blocks
    q = sum(block.size for block in blocks)
    one_factor = all(np.array_equal(block.index, blocks[0].index) for block in blocks)
    by_points = maximum.method in ("laplace", "quadrature") and not maximum.restricted
    if not by_points or not blocks or not one_factor or q > MOST_EFFECTS:
        return []
    nodes = LADDER[q][-2]
    if (maximum.nodes or 1) >= nodes:
        return []
    closer, gradient = Objective(fit.model, nodes).value_and_gradient(maximum.theta)
    if not fit.asymptotic.definite or not np.isfinite(closer):
        return []
    covariance = fit.asymptotic.covariance
    moved = np.abs(covariance @ gradient) / np.sqrt(np.diag(covariance))
    farthest = int(moved.argmax())
    if moved[farthest] < _TELLING:
        return []
    return [
        Finding(
            "integral",
            f"{fit.how}: {nodes} points a dimension give a log likelihood of {closer:.2f} at these estimates, not "
            f"{maximum.loglik:.2f}, and would move {_moved(fit, farthest)} by about {moved[farthest]:.1f} "
            "standard errors",
            "the estimates are those of the approximation and not of the model, as happens with few outcomes a group "
            "and a large sd: leave nodes= out for as many as it takes",
        )
    ]
