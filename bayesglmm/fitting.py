"""`fit` makes a `Fit` of a formula and data, `sampled` of a model, `load` of a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayesglmm.errors import OptionError, refuse_unknown
from bayesglmm.fitted import Fit, MLFit
from bayesglmm.likelihood.methods import Method
from bayesglmm.marginal_models.families import QUASI
from bayesglmm.posterior import storage
from bayesglmm.sample import mending
from bayesglmm.sample.sampling import sample
from bayesglmm.sample.settings import Backend, Sampler
from bayesglmm.sensitivity import separation
from bayesglmm.specify.bambi_model import from_bambi, is_bambi
from bayesglmm.specify.families import Family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula
from bayesglmm.specify.model import LEFT_OUT, Model, glmm

if TYPE_CHECKING:
    from bayesglmm.marginal_models.results import GLMFit

__all__ = ["fit", "load", "maximum_likelihood", "sampled"]


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
        As in `bayesglmm.glmm`. A Bambi model in the place of the formula brings its own family, link and priors, and
        its data unless `data` is passed: see `bayesglmm.from_bambi`.
    progress
        Whether to show a progress bar.
    draws, tune, chains, cores, seed, target_accept, max_treedepth, prior_only, backend, partial, mend
        As in `bayesglmm.Sampler`.
    unknown
        Refused, with the argument that may have been meant.

    Returns
    -------
    Fit
        Look at `fit.check()` before reporting anything.

    Raises
    ------
    BayesGLMMError
        For a formula, data, a family, a prior or a setting that is not valid, before anything is sampled.
    KeyboardInterrupt
        If interrupted, unless `partial` is set and there are draws already.

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
    arguments = ("formula", "data", "family", "link", "priors", "missing", "reference", "progress", *Sampler.options())
    refuse_unknown("fit", unknown, arguments)
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
    """Sample a model, again where the first draws fail their checks, and record its separation.

    Parameters
    ----------
    model
        The model.
    sampler
        The settings.
    progress
        Whether to show a progress bar.
    """
    separated = None if sampler.prior_only else separation.look(model)
    draws = mending.mend(model, sampler, sample(model, sampler, progress=progress), progress=progress)
    return Fit(model, separation.attach(draws, separated))


def load(folder: str | Path) -> Fit:
    """Read a fit that `Fit.save` wrote.

    Raises
    ------
    StorageError
        If there is none, or its files are damaged, changed, or of an unknown format.
    """
    return Fit(*storage.read(folder))


def maximum_likelihood(
    formula: str | Formula,
    data: Any,
    family: str | Family = LEFT_OUT,
    *,
    method: Method = "quadrature",
    nodes: int | None = None,
    restricted: bool = False,
    link: str | Link | None = None,
    missing: Literal["error", "drop"] = "error",
    reference: Mapping[str, Any] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> "MLFit | GLMFit":
    """Fit a generalized linear mixed model by maximum likelihood.

    Parameters
    ----------
    formula, data, family, link, missing, reference
        As in `bayesglmm.glmm`, without priors.
    method
        How random effects are integrated out of the likelihood: `"quadrature"`, adaptive Gauss-Hermite, for one
        grouping factor with at most three effects; `"laplace"` for any design; `"pql"`, penalised quasi-likelihood,
        which is biased for binary outcomes and small counts and maximises no likelihood of the outcomes.
    nodes
        Quadrature points a dimension; 1 is Laplace's approximation. None for as many as it takes until the log
        likelihood moves by less than 1e-6.
    restricted
        Whether the restricted likelihood is maximised (REML), for Gaussian outcomes, Laplace and PQL.
    draws, seed
        How many draws of the asymptotic normal distribution the estimands are computed from, and their seed.

    Returns
    -------
    MLFit
        Look at its `check()` before reporting anything. For the families `"quasi_poisson"` and `"quasi_binomial"`,
        without random effects, a `GLMFit`, which has no likelihood.

    Raises
    ------
    BayesGLMMError
        For a formula, data, a family or an option that is not valid.

    References
    ----------
    Pinheiro & Bates (1995), Journal of Computational and Graphical Statistics 4, 12-35: adaptive quadrature.
    Breslow & Clayton (1993), Journal of the American Statistical Association 88, 9-25: PQL.
    """
    if isinstance(family, str) and family in QUASI:
        from bayesglmm.marginal_models.gee import quasi_likelihood

        return quasi_likelihood(formula, data, family, link=link, missing=missing, reference=reference)
    from bayesglmm.likelihood.maximise import maximise  # numba, which a posterior does not wait for

    model = glmm(formula, data, family, link=link, missing=missing, reference=reference)
    return MLFit(model, maximise(model, method=method, nodes=nodes, restricted=restricted), draws, seed)
