"""The likelihood of groups with their random effects integrated out, and draws of the effects given the outcomes."""

import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import BayesGLMMWarning, InterfaceError
from bayesglmm.specify.families import Family

__all__ = ["MOST_EFFECTS", "GroupIntegrals", "Groups", "draw_effects", "integrals", "over_effects", "root", "warn"]

type Array = NDArray[np.float64]

MOST_EFFECTS = 3
"""The most effects of a group that are integrated by quadrature; beyond, by Laplace's approximation."""

_ATTEMPTS = {1: 12, 2: 9, 3: 6}
"""The most steps of the lattice that are tried, by the number of effects; 0 for Laplace's approximation."""

_TOO_FAR_APART = 1e-3
"""A relative difference of the last two sums above which there is a warning: the error is near its square, 1e-6."""

_CHAIN = 60
"""Steps of the Metropolis chain that draws the effects of a group: the influence of its start is below 1e-6."""

_FREEDOM = 5.0
"""Degrees of freedom of the t proposal about the mode."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Outcomes of whole groups, and draws of the parameters.

    Parameters
    ----------
    family
        The family with its link.
    y, trials, weights
        (n,) outcomes; numbers of trials, or exposures, 1 without; the weights that multiply the rows' log likelihoods,
        1 without.
    z
        (n, q) the columns of the effects.
    index
        (n,) the group of each row, 0 … m − 1; each group has a row.
    eta
        (s, n) the linear predictor at b = 0 of each draw; link scale.
    g
        (s, q, q) the covariance of the effects.
    parameters
        (s, 1) each family parameter, by name.
    """

    family: Family
    y: Array
    trials: Array
    weights: Array
    z: Array
    index: NDArray[np.int64]
    eta: Array
    g: Array
    parameters: Mapping[str, Array]

    @property
    def m(self) -> int:
        """The number of groups."""
        return int(self.index.max()) + 1

    @cached_property
    def root(self) -> Array:
        """A matrix L with L Lᵀ = G, (s, q, q), for G singular too."""
        return root(self.g)

    def take(self, draws: NDArray[np.int64]) -> "Groups":
        """Return the groups with some of the draws, in the order of the indices."""
        parameters = {
            name: np.broadcast_to(column, (len(self.g), 1))[draws] for name, column in self.parameters.items()
        }
        return replace(self, eta=self.eta[draws], g=self.g[draws], parameters=parameters)


@dataclass(frozen=True, eq=False)
class GroupIntegrals:
    """Groups with their effects integrated out, draw by draw.

    Parameters
    ----------
    log
        (s, m) log ∫ Π f(y | b) dN(b; 0, G), constants included.
    error
        (s, m) the relative difference of the sums at the last step and at twice the step; the error is about its
        square.
    mode
        (s, m, q) the mode û of the effects given the outcomes, b = L u.
    spread
        (s, m, q, q) the factor R of the curvature R Rᵀ there, lower triangular.
    """

    log: Array
    error: Array
    mode: Array
    spread: Array

    def take(self, draws: NDArray[np.int64]) -> "GroupIntegrals":
        """Return those of some of the draws, in the order of the indices."""
        return GroupIntegrals(self.log[draws], self.error[draws], self.mode[draws], self.spread[draws])


def root(g: Array) -> Array:
    """Return the symmetric root of covariances, shape (s, k, k), also of singular ones."""
    values, vectors = np.linalg.eigh(g)
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.asarray(scaled @ np.swapaxes(vectors, 1, 2))


def over_effects(groups: Groups) -> GroupIntegrals:
    """Integrate the effects out of the likelihood of every group, for every draw.

    Up to three effects a group the integral is a sum over a lattice about the mode, its step shrunk until its
    sum and that of twice the step agree, which leaves an error near 1e-10 of the likelihood; with more effects
    it is Laplace's approximation, whose error is not small for binary outcomes or small counts.

    Returns
    -------
    GroupIntegrals
        On the log scale; −inf where the outcomes are impossible under a draw.

    References
    ----------
    Trefethen & Weideman (2014), SIAM Review 56, 385-458: why the trapezoid converges geometrically.
    Pinheiro & Bates (1995), Journal of Computational and Graphical Statistics 4, 12-35: rules about the mode.
    """
    found = integrals(groups)
    warn(groups.z.shape[1], found.error)
    return found


def integrals(groups: Groups, *, quadrature: bool = True) -> GroupIntegrals:
    """Return what `over_effects` does without its warnings; by Laplace's approximation where `quadrature` is False."""
    s, q = len(groups.eta), groups.z.shape[1]
    mode, spread = np.zeros((s, groups.m, q)), np.zeros((s, groups.m, q, q))
    value, error = np.empty((s, groups.m)), np.zeros((s, groups.m))
    _run(groups, value, error, mode, spread, attempts=_ATTEMPTS.get(q, 0) if quadrature else 0)
    constants = groups.weights * groups.family.constant(groups.y, groups.trials)
    constant = np.bincount(groups.index, constants, groups.m)
    return GroupIntegrals(value + constant, error, mode, spread)


def warn(q: int, error: Array, most: int = MOST_EFFECTS, largest: float = _TOO_FAR_APART) -> None:
    """Warn of Laplace's approximation where groups have more effects than `most`, or of errors above the largest."""
    if q > most:
        warnings.warn(
            f"groups have {q} random effects; more than {most} are integrated out by Laplace's approximation, "
            "which is not exact for binary outcomes and small counts",
            BayesGLMMWarning,
            stacklevel=4,
        )
    elif (error > largest).any():
        warnings.warn(
            "the integral of a group's likelihood over its effects did not converge: for "
            f"{(error > largest).mean():.1%} of draws and groups the last two sums differ, by up to "
            f"{error.max():.1g} of it; standard deviations of random effects are very large there",
            BayesGLMMWarning,
            stacklevel=4,
        )


def draw_effects(rng: np.random.Generator, groups: Groups, integrals: GroupIntegrals) -> Array:
    """Draw b of every group given its outcomes, one a draw, shape (s, m, q); link scale.

    An independence Metropolis chain for each draw and group, its proposals half from a t about the mode and
    half from N(0, G), so that the ratio of target to proposal is bounded whatever the shape of the posterior.

    References
    ----------
    Mengersen & Tweedie (1996), Annals of Statistics 24, 101-121: such a chain converges geometrically.
    """
    u, log_weight = _proposal(rng, groups, integrals)
    for _ in range(_CHAIN):
        proposed, log_proposed = _proposal(rng, groups, integrals)
        with np.errstate(invalid="ignore"):
            accepted = np.log(rng.random(log_weight.shape)) < log_proposed - log_weight
        accepted |= ~np.isfinite(log_weight) & np.isfinite(log_proposed)
        u = np.where(accepted[..., None], proposed, u)
        log_weight = np.where(accepted, log_proposed, log_weight)
    return np.asarray(np.einsum("scd,smd->smc", groups.root, u))


def _proposal(rng: np.random.Generator, groups: Groups, integrals: GroupIntegrals) -> tuple[Array, Array]:
    """Draw u (s, m, q) from the proposal; return it and log target − log proposal, (s, m), up to a constant."""
    shape, q = integrals.mode.shape, integrals.mode.shape[2]
    normal = rng.standard_normal(shape)
    heavy = normal / np.sqrt(rng.chisquare(_FREEDOM, shape[:2]) / _FREEDOM)[..., None]
    transposed = np.swapaxes(integrals.spread, 2, 3)
    about_mode = integrals.mode + np.linalg.solve(transposed, heavy[..., None])[..., 0]
    u = np.where(rng.random(shape[:2])[..., None] < 0.5, about_mode, normal)
    v = np.einsum("smcd,smd->smc", transposed, u - integrals.mode)
    constant = special.gammaln((_FREEDOM + q) / 2) - special.gammaln(_FREEDOM / 2) - q / 2 * np.log(_FREEDOM / 2)
    log_t = constant - (_FREEDOM + q) / 2 * np.log1p(np.square(v).sum(axis=2) / _FREEDOM)
    log_t += np.log(np.einsum("smcc->smc", integrals.spread)).sum(axis=2)
    proposal = np.logaddexp(log_t, -np.square(u).sum(axis=2) / 2)
    target, unused = np.empty(shape[:2]), np.empty(0)
    _run(groups, target, unused, u, unused)
    return u, target - proposal


def _run(
    groups: Groups, value: Array, error: Array, mode: Array, spread: Array, *, attempts: int | None = None
) -> None:
    """Call the compiled kernel on every core, each on draws of its own; it writes into the arrays.

    `attempts` are steps of the lattice, 0 for Laplace's approximation, None for the log integrand at `mode`.
    """
    from bayesglmm.compiled.table import Filled
    from bayesglmm.marginalize.layout import Header

    evaluate = attempts is None
    order = np.argsort(groups.index, kind="stable")
    s, q = len(groups.eta), groups.z.shape[1]
    parameters = [*groups.parameters.values(), np.zeros((s, 1))]
    call, link, family = _kernel(groups.family)
    starts = np.concatenate([[0], np.bincount(groups.index, minlength=groups.m).cumsum()])
    header = Filled.of(
        {
            Header.FIRST: 0,
            Header.LAST: s,
            Header.GROUPS: groups.m,
            Header.ROWS: len(order),
            Header.EFFECTS: q,
            Header.PARAMETERS: len(groups.parameters),
            Header.ATTEMPTS: attempts or 0,
            Header.EVALUATE: int(evaluate),
            Header.LINK: link,
            Header.FAMILY: family,
            Header.STARTS: starts.astype(np.int64),
            Header.Y: _floats(groups.y[order]),
            Header.TRIALS: _floats(groups.trials[order]),
            Header.WEIGHTED: int((groups.weights != 1.0).any()),
            Header.WEIGHTS: _floats(groups.weights[order]),
            Header.ETA: _floats(groups.eta[:, order]),
            Header.Z: _floats(groups.z[order]),
            Header.ROOT: _floats(groups.root),
            Header.PARAMETER_VALUES: _floats(np.concatenate(parameters, axis=1)),
            Header.VALUE: value,
            Header.MODE: mode,
            **({} if evaluate else {Header.ERROR: error, Header.SPREAD: spread}),
        },
        {"s": s},
    )

    def work(first: int, last: int) -> None:
        part = header.row.copy()
        part[Header.FIRST], part[Header.LAST] = first, last
        call(part.ctypes.data)

    cores = os.cpu_count() or 1
    edges = np.linspace(0, s, 4 * cores + 1).astype(int).tolist()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


def _floats(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float64)


def _kernel(family: Family) -> tuple[Callable[[int], Any], int, int]:
    """Return the function of a header's address that integrates, and the addresses of link and family for the header.

    Without C functions, it is compiled for the link and the family, and the header needs no addresses.
    """
    from bayesglmm.compiled.kernels import family_address, link_address, warn_uncompiled
    from bayesglmm.compiled.plain import plain_family, plain_link, without_addresses
    from bayesglmm.marginalize.kernel import integrate

    try:
        return integrate.call, link_address(family.link.rows), family_address(family)
    except InterfaceError as error:
        warn_uncompiled(error)
        link, rows = plain_link(family.link.rows), plain_family(family.rows, len(family.parameters))
        return without_addresses(integrate.function, link, rows), 0, 0
