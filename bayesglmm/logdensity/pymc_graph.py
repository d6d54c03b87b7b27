"""`build(model) -> pm.Model`: a model as a PyMC graph, the readable statement of its density.

Beside the posterior variables (`bayesglmm.specify.variables`) it samples the centred `intercept`, standard normal
`z_<g>` and, for an LKJ prior, the canonical partial correlations, which are independent Beta variables.

References
----------
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError
from bayesglmm.specify.design import BlockDesign
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.priors.distributions.lkj import partial_shape
from bayesglmm.specify.variables import Parts, posterior_coords, posterior_dims

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build"]


def build(model: Parts, *, prior_only: bool = False) -> "pm.Model":
    """Build the PyMC model.

    Parameters
    ----------
    model
        Design, family and priors.
    prior_only
        Whether to leave the likelihood out.

    Returns
    -------
    pm.Model
        With dims and coords throughout and data in `pm.Data`; the observed variable is `y`.
    """
    import pymc as pm

    design = model.design
    slopes = list(design.coef[1:] if design.has_intercept else design.coef)
    with pm.Model(coords={**posterior_coords(model), "row": range(design.n), "slope": slopes}) as graph:
        eta = _common(model)
        for block in design.blocks:
            eta = eta + _block(block, model)
        parameters = {name: _variable(name, [assigned.prior], ()) for name, assigned in model.priors.parameters.items()}
        if not prior_only:
            _observe(model, eta, parameters)
    return graph


def _common(model: Parts) -> Any:
    """Return xβ + offset, and add `beta`, on the original scale, to the graph."""
    import pymc as pm
    import pytensor.tensor as pt

    design, priors = model.design, model.priors
    slopes = _variable("slopes", [assigned.prior for assigned in priors.slopes], ("slope",)) if priors.slopes else None
    parts = [] if slopes is None else [slopes]
    if priors.intercept is not None:
        intercept = _variable("intercept", [priors.intercept.prior], ())
        if slopes is not None and priors.centred:
            intercept = intercept - pt.dot(design.means, slopes)
        parts.insert(0, intercept[None])
    beta = pm.Deterministic("beta", pt.concatenate(parts) if parts else pt.zeros(0), dims="coef")
    return pm.Data("offset", design.offset, dims="row") + pm.Data("x", design.x, dims=("row", "coef")) @ beta


def _block(block: BlockDesign, model: Parts) -> Any:
    """Return zᵀb of a block, and add its `b`, `sd` and `corr` to the graph."""
    import pymc as pm
    import pytensor.tensor as pt

    name, dims = block.name, posterior_dims(model)
    sd = _variable(f"sd_{name}", [assigned.prior for assigned in model.priors.sd[name]], dims[f"sd_{name}"])
    unit = pm.Normal(f"z_{name}", 0.0, 1.0, dims=dims[f"b_{name}"])
    if block.correlated:
        lower = _lkj_cholesky(block, model.priors.correlation[name].prior.numbers()[0], dims[f"corr_{name}"])
        b = pt.stack([sum(unit[:, j] * lower[i][j] for j in range(i + 1)) for i in range(block.size)], axis=1) * sd
    else:
        b = unit * sd
    b = pm.Deterministic(f"b_{name}", b, dims=dims[f"b_{name}"])
    index = pm.Data(f"index_{name}", block.index, dims="row")
    if block.columns == ("Intercept",):
        return b[:, 0][index]
    return (b[index] * pm.Data(f"columns_{name}", block.z, dims=("row", *dims[f"sd_{name}"]))).sum(axis=1)


def _lkj_cholesky(block: BlockDesign, eta: float, dims: tuple[str, ...]) -> list[list[Any]]:
    """Return the Cholesky factor of Ω, row by row, and add its correlations to the graph.

    Column i's partial correlations are Beta(a, a) on (−1, 1) with a = eta + (k − 2 − i)/2.
    """
    import pymc as pm
    import pytensor.tensor as pt

    k, name = block.size, block.name
    shape = np.array([partial_shape(eta, k, j) for i in range(k) for j in range(i)])
    half = pm.Beta(f"partial_{name}", shape, shape, dims=dims)
    partial = iter([2 * half[position] - 1 for position in range(len(shape))])
    remaining = iter([2 * pt.sqrt(half[position] * (1 - half[position])) for position in range(len(shape))])
    rows: list[list[Any]] = []
    for i in range(k):
        row, norm = [], pt.constant(1.0)  # the norm of the rest of the row, whose norm is 1
        for _ in range(i):
            row.append(next(partial) * norm)
            norm = norm * next(remaining)
        rows.append([*row, norm])
    pairs = [sum(a * b for a, b in zip(rows[i], rows[j], strict=False)) for i in range(k) for j in range(i)]
    pm.Deterministic(f"corr_{name}", pt.stack(pairs), dims=dims)
    return rows


def _variable(name: str, priors: Sequence[Prior], dims: tuple[str, ...]) -> Any:
    """Return a variable with one prior an element: a scalar without `dims`.

    Elements of one distribution are one random variable with vector arguments; several distributions
    are several variables, put back in order.
    """
    import pymc as pm
    import pytensor.tensor as pt

    if not dims:
        return priors[0].in_pymc(name, priors[0].to_pymc())
    distributions = list(dict.fromkeys(prior.vector_key for prior in priors))
    if len(distributions) == 1:
        return priors[0].in_pymc(name, _vectors(priors), dims=dims)
    pieces, order = [], []
    for distribution in distributions:
        positions = [j for j, prior in enumerate(priors) if prior.vector_key == distribution]
        alike = [priors[j] for j in positions]
        pieces.append(alike[0].in_pymc(f"{name}_{alike[0].name}", _vectors(alike), shape=len(alike)))
        order.extend(positions)
    return pm.Deterministic(name, pt.concatenate(pieces)[np.argsort(order)], dims=dims)


def _vectors(priors: Sequence[Prior]) -> dict[str, Any]:
    """Return PyMC's arguments, one entry an element."""
    arguments = [prior.to_pymc() for prior in priors]
    return {key: np.array([of_prior[key] for of_prior in arguments]) for key in arguments[0]}


def _observe(model: Parts, eta: Any, parameters: dict[str, Any]) -> None:
    import pymc as pm

    outcome, family = model.design.outcome, model.family
    assert outcome is not None
    trials = None if outcome.trials is None else _counts("trials", outcome.trials)
    if model.design.exposure is not None:
        trials = pm.Data("y_exposure", model.design.exposure, dims="row")
    y = (
        pm.Data("y_data", outcome.y, dims="row")
        if family.outcome_type == "continuous"
        else _counts("y_data", outcome.y)
    )
    arguments = family.distribution(eta, family.link, parameters, trials)
    distribution = getattr(pm, family.pymc)
    if outcome.weights is None:
        distribution("y", **arguments, observed=y, dims="row")
    else:
        pm.Potential("y", outcome.weights * pm.logp(distribution.dist(**arguments), y), dims="row")


def _counts(name: str, values: NDArray[np.float64]) -> Any:
    """Return counts as data of the graph.

    Raises
    ------
    DataError
        For counts that PyMC, which holds them in 32 bits, would silently turn into others.
    """
    import pymc as pm

    if values.max(initial=0.0) >= 2**31:
        raise DataError(
            f"PyMC holds counts in 32 bits, so its graph cannot have {values.max():.15g}; the package's own density "
            'holds counts up to 2^53: sample with backend="density"'
        )
    return pm.Data(name, values.astype(np.int64), dims="row")
