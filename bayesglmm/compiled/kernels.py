"""What a family, a link and a prior compute, each compiled once: its address for compiled code, its call for Python."""

from collections.abc import Callable
from typing import Any

from bayesglmm.compiled.abi import FAMILY, LINK, PRIOR
from bayesglmm.compiled.adapters import family_rows, link_rows, prior_density
from bayesglmm.compiled.cache import Compiled, compiled
from bayesglmm.compiled.fingerprint import fingerprint
from bayesglmm.compiled.plain import plain_family, plain_link
from bayesglmm.errors import BayesGLMMError, FamilyError, InterfaceError, PriorError, warn_once
from bayesglmm.specify.families import Family
from bayesglmm.specify.priors import Custom, Power, Prior

__all__ = [
    "family_address",
    "family_call",
    "link_address",
    "link_call",
    "prior_address",
    "warn_uncompiled",
]


def link_address(rows: Callable[..., None]) -> int:
    """Return the address of a link's rows.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    return _compiled(LINK, link_rows(rows), rows, "link", FamilyError).address


def family_address(family: Family) -> int:
    """Return the address of a family's rows.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    rows = family.rows
    return _compiled(FAMILY, family_rows(rows, len(family.parameters)), rows, "family", FamilyError).address


def prior_address(prior: Prior) -> int:
    """Return the address of a prior's density; its numbers are no part of it.

    Raises
    ------
    PriorError
        If it is no function that numba compiles.
    """
    base = prior.inner if isinstance(prior, Power) else prior
    written = base.logpdf if isinstance(base, Custom) else base.density
    return _compiled(PRIOR, prior_density(prior), written, "prior", PriorError).address


def link_call(rows: Callable[..., None]) -> Callable[[int, int], object]:
    """Return a link's rows as a function of n and the address of the workspace.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    try:
        return _compiled(LINK, link_rows(rows), rows, "link", FamilyError).call
    except InterfaceError as error:
        warn_uncompiled(error)
        return plain_link(rows)


def family_call(family: Family) -> Callable[[int, int, int, int, int], object]:
    """Return a family's rows as a function of n and the addresses of what they read and write.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    rows, count = family.rows, len(family.parameters)
    try:
        return _compiled(FAMILY, family_rows(rows, count), rows, "family", FamilyError).call
    except InterfaceError as error:
        warn_uncompiled(error)
        return plain_family(rows, count)


def warn_uncompiled(error: InterfaceError, sampler: str = "nutpie") -> None:
    """Say, once, what it costs that there are no C functions: `sampler` then samples the PyMC graph."""
    warn_once(
        "uncompiled",
        f'{error}. With backend="auto" the PyMC graph stands in for the package\'s own density, sampled by {sampler}, '
        "and likelihoods are compiled for one model at a time: the posterior is the same, but the first fit of a model "
        "takes a minute or more, and its first integral over random effects a quarter of a minute. Install a version "
        f"of {error.dependency} that bayesglmm names",
    )


def _compiled(signature: Any, function: Any, written: Any, what: str, refusal: type[BayesGLMMError]) -> Compiled:
    """Compile or load a function; a user's function that numba does not compile is refused."""
    name = f"{getattr(written, '__module__', '')}.{getattr(written, '__qualname__', type(written).__qualname__)}"
    result = compiled(signature, name, frozenset({__name__}))(function)
    try:
        result.address  # noqa: B018  # compiles
    except InterfaceError as error:
        if fingerprint(function).ours or not _compiles():
            raise
        raise refusal(
            f"a {what} of your own cannot be compiled: {error}. What it computes has to be plain scalar Python over "
            'math, as in bayesglmm/specify/families; backend="pymc" samples without it'
        ) from error
    return result


def _compiles() -> bool:
    """Whether numba makes C functions of what is the package's own."""
    try:
        return bool(compiled(LINK)(link_rows(_nothing)).address)
    except InterfaceError:
        return False


def _nothing(n, eta, a, b, da, db):
    """Do nothing, as a link."""
