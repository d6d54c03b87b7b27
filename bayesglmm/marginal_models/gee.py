"""`gee` and `quasi_likelihood`: models of the mean, fitted by estimating equations.

References
----------
Liang & Zeger (1986), Biometrika 73, 13-22.
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Pepe & Anderson (1994), Communications in Statistics - Simulation and Computation 23, 939-951.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from bayesglmm.errors import DataError, choose, refuse_unknown
from bayesglmm.marginal_models.data import MarginalData, Missing, clustered, read, times, without_groups
from bayesglmm.marginal_models.families import MARGINAL, QUASI
from bayesglmm.marginal_models.results import GEEFit, GLMFit
from bayesglmm.marginal_models.working import WORKING, Groups, Working, working_correlation
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula
from bayesglmm.specify.model import LEFT_OUT

__all__ = ["gee", "quasi_likelihood"]


def gee(
    formula: str | Formula,
    data: Any,
    family: str | Family = LEFT_OUT,
    working: Working = "exchangeable",
    *,
    time: str | None = None,
    link: str | Link | None = None,
    missing: Missing = "error",
    reference: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> GEEFit:
    """Fit a marginal model by generalized estimating equations, as a frequentist counterpart of population averages.

    The coefficients compare averages over the population, as those of `Fit.coefficients` in the frame `"marginal"` do;
    there are no random effects. They are consistent if the mean is right, whatever the correlation within groups, and
    so are the robust standard errors. With predictors that change within groups, a working correlation other than
    independence asks that the mean of a row does not depend on the predictors of the group's other rows (Pepe &
    Anderson 1994).

    Parameters
    ----------
    formula, data, link, missing, reference
        As in `bayesglmm.fit`. The one grouping factor says which rows belong together; random slopes are not used. A
        weight multiplies what a row says, whole ones as if rows were repeated within their group; a group of weight 2
        is still one group to the robust standard errors.
    family
        `"gaussian"`, `"bernoulli"`, `"binomial"`, `"poisson"`, `"gamma"`, `"inverse_gaussian"`, `"quasi_poisson"` or
        `"quasi_binomial"`: mean and variance function, with a free dispersion φ. The last two ask less of the response:
        numbers from 0 up, and proportions. Left out, as in `bayesglmm.fit`.
    working
        How rows of a group are assumed to be correlated: `"exchangeable"`, `"independence"`, `"autoregressive"` (by
        time, the correlation falling as a power of the distance) or `"unstructured"` (each pair of visits its own).
    time
        The column of the time of rows, for the last two; None for the order of the rows within their group.
    unknown
        Refused, with the name of the argument meant.

    Returns
    -------
    GEEFit
        Coefficients with robust standard errors, the working correlation and the dispersion.

    Raises
    ------
    BayesGLMMError
        For a formula without groups or with several factors, a family or link that has no estimating equations, data
        that are separated, a working correlation that these groups cannot estimate, and equations without solution.

    Warns
    -----
    BayesGLMMWarning
        As `bayesglmm.glmm`.

    References
    ----------
    Liang & Zeger (1986); Zeger, Liang & Albert (1988); Pepe & Anderson (1994).

    Examples
    --------
    >>> import bayesglmm as bg
    >>> toenail = bg.datasets.load("toenail")
    >>> g = bg.gee("outcome ~ month*treatment + (1 | id)", toenail, "bernoulli")
    >>> g.summary()["estimate"].round(2).tolist()
    [-0.58, -0.17, 0.01, -0.08]
    """
    from bayesglmm.marginal_models.solve import solve_gee

    refuse_unknown("gee", unknown, _ARGUMENTS)
    working = choose("working", working, WORKING)
    parsed, notes = clustered(formula)
    read_data = read(parsed, data, family, known=tuple(MARGINAL), link=link, missing=missing, reference=reference)
    groups = _groups(read_data, *times(read_data, data, time, missing))
    correlation = working_correlation(working, groups)
    solved = solve_gee(read_data, correlation)
    return GEEFit(
        read_data.design,
        read_data.family,
        read_data.link,
        working,
        correlation.text(solved.value),
        correlation.shown(solved.value),
        solved.beta,
        solved.robust,
        solved.naive,
        solved.bias_reduced,
        solved.dispersion,
        len(groups.rows),
        groups.time_name if working in ("autoregressive", "unstructured") else "",
        notes,
    )


def _groups(data: MarginalData, time: NDArray[Any], time_name: str) -> Groups:
    """Return the groups of rows, refused if they are no more than the coefficients."""
    index, p = data.group, len(data.design.coef)
    count = int(index.max()) + 1
    if count <= p:
        raise DataError(
            f"{count} groups of {data.design.blocks[0].factor} cannot give robust standard errors of {p} "
            "coefficients; use fewer terms, or bg.fit, which has no need of many groups"
        )
    return Groups(index, data.weight, time, time_name, p)


def quasi_likelihood(
    formula: str | Formula,
    data: Any,
    family: str,
    *,
    link: str | Link | None = None,
    missing: Missing = "error",
    reference: Mapping[str, Any] | None = None,
) -> GLMFit:
    """Fit a generalized linear model without groups by quasi-likelihood.

    Parameters
    ----------
    formula, data, link, missing, reference
        As in `bayesglmm.fit`, without random effects. A whole weight is a row repeated.
    family
        `"quasi_poisson"`, variance φμ, for numbers from 0 up; or `"quasi_binomial"`, variance φ n μ(1 − μ), for
        successes among n trials, two labels, or proportions (n = 1).

    Returns
    -------
    GLMFit
        Coefficients as of maximum likelihood, with standard errors times √φ, φ = X²/df.

    Raises
    ------
    BayesGLMMError
        For random effects, another family, data that are separated, and equations without solution.

    References
    ----------
    Wedderburn (1974), Biometrika 61, 439-447.
    """
    from bayesglmm.marginal_models.solve import solve_glm

    parsed = without_groups(formula)
    read_data = read(parsed, data, family, known=QUASI, link=link, missing=missing, reference=reference)
    solved = solve_glm(read_data)
    return GLMFit(
        read_data.design,
        read_data.family,
        read_data.link,
        solved.beta,
        solved.covariance,
        solved.dispersion,
        solved.pearson,
        solved.deviance,
        read_data.total - len(read_data.design.coef),
    )


_ARGUMENTS = ("formula", "data", "family", "working", "time", "link", "missing", "reference")
