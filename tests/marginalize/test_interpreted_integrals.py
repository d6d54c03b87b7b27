"""The integrals over random effects as plain Python with bounds checked: no index leaves its array, and results agree.

Exponentials of sums in another order differ by n u Σ|terms| with n the rows of a group and the terms of a lattice, near
1e-13; how far the lattice's two sums differ is a difference near 0 of numbers near 1, so it agrees to that too. The
mode is found to a gain of 1e-10, each run by itself, and rounding of its derivatives moves it by less than 1e-8.
"""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from by_hand import FAMILY_ROWS, N
from interpreted_kernels import add_family, read_only

from bayesglmm.compiled.interpreted import Memory, interpreted
from bayesglmm.compiled.table import Filled
from bayesglmm.marginalize import groups as groups_module
from bayesglmm.marginalize import kernel, mode_kernels
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.marginalize.layout import Header
from bayesglmm.specify.families import FAMILIES, get_family

COMBINATIONS = [(family.name, link) for family in FAMILIES.values() for link in family.links]


def some_groups(name: str, link: str, q: int, rows: int = 2) -> Groups:
    """Two groups of a few rows each under one draw."""
    rng, family = np.random.default_rng(4), get_family(name, link)
    n = 2 * rows
    y = FAMILY_ROWS[name].outcomes(rng, N)[:n].astype(float)
    trials = np.full(n, 7.0) if family.outcome_type == "trials" else np.ones(n)
    z = np.column_stack([np.ones(n), rng.normal(size=(n, 3))])[:, :q]
    root = 0.4 * rng.normal(size=(1, q, q))
    parameters = {parameter.name: np.full((1, 1), 1.7) for parameter in family.parameters}
    away = {"sqrt": 3.0, "inverse": 8.0, "inverse_squared": 8.0}  # from η = 0, where these links end
    eta = away.get(link, 0.3) + 0.2 * rng.normal(size=(1, n))
    index = np.repeat(np.arange(2), rows)
    return Groups(family, y, trials, np.ones(n), z, index, eta, root @ root.swapaxes(1, 2), parameters)


def run_interpreted(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> groups_module.GroupIntegrals:
    """Integrate by the interpreted kernel, called as the compiled one is."""
    arrays = []
    filled_of = Filled.of

    def filled(values, sizes):
        for member in Header:
            if isinstance(array := values.get(member), np.ndarray):
                arrays.append(array if member.entry.meaning.startswith("written") else read_only(array))
        return filled_of(values, sizes)

    def call(address: int) -> int:
        memory = Memory()
        for array in arrays:
            memory.add(array)
        header = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_int64 * len(Header)).from_address(address))
        memory.add(header)
        add_family(memory, groups.family, header[Header.FAMILY], header[Header.LINK])
        with np.errstate(all="ignore"):
            return interpreted(kernel.integrate.function, memory)(header.ctypes.data)

    with monkeypatch.context() as patch:
        link, family = groups_module._kernel(groups.family)[1:]
        patch.setattr(Filled, "of", filled)
        patch.setattr(groups_module, "_kernel", lambda family_: (call, link, family))
        return over_effects(groups)


def agree(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = run_interpreted(groups, monkeypatch), over_effects(groups)
    assert np.isfinite(theirs.log).all()
    np.testing.assert_allclose(ours.log, theirs.log, rtol=0, atol=1e-12 * max(1.0, np.abs(theirs.log).max()))
    np.testing.assert_allclose(ours.error, theirs.error, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.mode, theirs.mode, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.spread, theirs.spread, rtol=1e-6)


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_every_family_and_link(family, link, monkeypatch):
    agree(some_groups(family, link, 1), monkeypatch)


@pytest.mark.filterwarnings("ignore:groups have 4 random effects")
@pytest.mark.parametrize("q", [2, pytest.param(3, marks=pytest.mark.slow), 4])
def test_every_number_of_effects(q, monkeypatch):
    """Four by Laplace's approximation."""
    agree(some_groups("poisson", "log", q), monkeypatch)


PLANTED = {
    "a row too far": ("row_likelihoods", "eta[place + i]", "eta[place + n * CHUNK + i]"),
    "an effect too far": ("_predict", "columns[i, c] * u[c]", "columns[i, c + 1] * u[c]"),
    "before the first": ("solve_transposed", "range(right.size - 1, -1, -1)", "range(right.size - 1, -2, -1)"),
}


@pytest.mark.parametrize("wrong", PLANTED)
def test_a_wrong_index_is_caught(wrong, monkeypatch):
    name, right, planted = PLANTED[wrong]
    source = inspect.getsource(getattr(mode_kernels, name).py_func)
    assert right in source
    namespace = dict(vars(mode_kernels))
    exec(source[source.index("def ") :].replace(right, planted), namespace)
    for module in (kernel, mode_kernels):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, SimpleNamespace(py_func=namespace[name]))
    with pytest.raises(IndexError):
        run_interpreted(some_groups("poisson", "log", 1), monkeypatch)
