"""`ml_check(fit)`: what makes the numbers of a maximum-likelihood fit doubtful, each with what to do."""

from typing import TYPE_CHECKING

import numpy as np

from bayesglmm.likelihood.objective import Objective
from bayesglmm.marginalize.groups import MOST_EFFECTS
from bayesglmm.sample.diagnostics import Check, Finding
from bayesglmm.sensitivity import separation

if TYPE_CHECKING:
    from bayesglmm.fitted.ml_fit import MLFit

__all__ = ["ml_check"]

_MANY = {1: 61, 2: 21, 3: 11}
"""Points a dimension, by the number of effects, at which a log likelihood is computed again as a check."""

_TELLING = 0.05
"""The difference of log likelihoods above which an approximation is said to be off."""

_POSTERIOR = "bg.fit(…) of the same formula gives a posterior"


def ml_check(fit: "MLFit") -> Check:
    """Check a maximum-likelihood fit.

    Returns
    -------
    Check
        Failures: separation, a search that stopped early, a Hessian that is not positive definite, an integral over
        the random effects that is off at the estimates. Warnings: an sd of 0, a correlation of ±1.
    """
    maximum, asymptotic, findings = fit.maximum, fit.asymptotic, []
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
    elif not maximum.converged:
        findings.append(
            Finding(
                "not_converged",
                "the search for the maximum stopped early",
                f"scale the predictors, or leave out random effects that the data cannot tell; {_POSTERIOR}",
            )
        )
    if not asymptotic.definite:
        findings.append(
            Finding(
                "hessian",
                "the likelihood is flat in some direction at the estimates (the Hessian is not positive definite), so "
                "there are no standard errors",
                f"leave out what the data cannot tell apart; {_POSTERIOR}",
            )
        )
    findings += _integral(fit) + _ends(fit)
    return Check(tuple(findings), _figures(fit), subject="maximisation")


def _integral(fit: "MLFit") -> list[Finding]:
    """Return a finding where more quadrature points change the log likelihood at the estimates."""
    maximum, blocks = fit.maximum, fit.model.design.blocks
    q = sum(block.size for block in blocks)
    one_factor = all(np.array_equal(block.index, blocks[0].index) for block in blocks)
    if maximum.method not in ("laplace", "quadrature") or not blocks or not one_factor or q > MOST_EFFECTS:
        return []
    nodes = _MANY[q]
    if maximum.nodes is not None and maximum.nodes >= nodes:
        return []
    closer = Objective(fit.model, nodes).value(maximum.theta)
    if abs(closer - maximum.loglik) < _TELLING:
        return []
    return [
        Finding(
            "integral",
            f"{fit.how}: at these estimates {nodes} points a dimension give a log likelihood of {closer:.2f}, not "
            f"{maximum.loglik:.2f}",
            "the estimates are those of the approximation and not of the model, as happens with few outcomes a group "
            "and a large sd: leave nodes out for as many as it takes",
        )
    ]


def _ends(fit: "MLFit") -> list[Finding]:
    at_zero = fit.asymptotic.at_zero
    if not at_zero:
        return []
    return [
        Finding(
            "boundary",
            f"singular: {', '.join(at_zero)} at the end of the range, where the likelihood only says that it is small",
            "it has no standard error or Wald interval; test it by bg.likelihood_ratio, whose reference is a mixture, "
            f"take its interval from profile(), or leave the effect out; {_POSTERIOR} that keeps it above 0",
            at_zero,
        )
    ]


def _figures(fit: "MLFit") -> str:
    return f"{fit.how}; log likelihood {fit.loglik:.2f} after {fit.maximum.evaluations} evaluations"
