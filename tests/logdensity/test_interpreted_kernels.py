"""The kernels of the log density as plain Python with bounds checked: no index leaves its array, and results agree.

Machine code may sum in another order and fuse a product with a sum. A sum of n terms then differs by no more than
n u Σ|terms|, u = 1.1e-16. Here n is near 100, and Σ|terms| is below 100 times the largest derivative: 1e-12 of that is
allowed.
"""

import functools
import inspect
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from by_hand import PRIOR_ROWS, table
from compiled_density import density, in_coordinates
from interpreted_kernels import log_density as interpreted_log_density
from interpreted_kernels import run
from structures import STRUCTURES

from bayesglmm.compiled.interpreted import Memory, Pointer
from bayesglmm.compiled.workspace import CHUNK
from bayesglmm.logdensity import (
    joint_kernels,
    likelihood_kernels,
    logp_kernel,
    random_effect_kernels,
    whitening_kernels,
)
from bayesglmm.logdensity.header import Bound, ModelData
from bayesglmm.logdensity.layout import Block, Header
from bayesglmm.specify.families import FAMILIES
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import DISTRIBUTIONS, custom

ROUNDING = 1e-12
COMBINATIONS = [(family.name, link) for family in FAMILIES.values() for link in family.links]


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING * max(1.0, np.abs(theirs).max(initial=0.0)))


def agree(model: Model, bound: Bound, centre: float = 0.0) -> None:
    """Value, gradient and the posterior's variables at a point, interpreted and compiled."""
    x = 0.3 * np.random.default_rng(7).normal(size=bound.dim)
    x[0] += centre
    value, gradient, code = interpreted_log_density(logp_kernel.log_density, model, bound, x)
    compiled_value, compiled_gradient, compiled_code = density(bound, x)
    assert (code, compiled_code) == (0, 0)
    close(np.array([value]), np.array([compiled_value]))
    close(gradient, compiled_gradient)
    ours, theirs = np.zeros((2, 2 * bound.dim))
    assert run(logp_kernel.expand, model, bound, x, ours, length=True) == 0
    logp_kernel.expand.call(bound.dim, len(theirs), x.ctypes.data, theirs.ctypes.data, bound.header.ctypes.data)
    close(ours, theirs)


def of_family(family: str, link: str, blocks: str = "(1 | g)") -> Model:
    response = "p(y, n)" if FAMILIES[family].outcome_type == "trials" else "y"
    return glmm(f"{response} ~ x + {blocks}", table(family), family, link=link)


def of_structure(name: str, family: str = "poisson") -> Model:
    return glmm(f"y ~ {STRUCTURES[name].rhs}", table(family), family)


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_every_family_and_link(family, link):
    model = of_family(family, link)
    agree(model, Bound.of(model), centre=0.0 if model.family.link.increasing else 6.0)


IN_COORDINATES = [
    (name, coordinates)
    for name in STRUCTURES
    for coordinates in ("plain", "whitened", "joint", "signed")
    if "|" in STRUCTURES[name].rhs or coordinates in ("plain", "whitened")
]
"""Joint coordinates are of coefficients with random effects, and a sign is that of an sd."""


@pytest.mark.parametrize(("name", "coordinates"), IN_COORDINATES)
def test_every_structure_in_all_coordinates(name, coordinates):
    model = of_structure(name)
    agree(model, Bound.of(model, in_coordinates(model, coordinates)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "coordinates"), IN_COORDINATES)
@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.outcome_type != "trials"])
def test_every_structure_of_every_family(family, name, coordinates):
    model = of_structure(name, family)
    agree(model, Bound.of(model, in_coordinates(model, coordinates)))


@pytest.mark.parametrize("name", [name for name in PRIOR_ROWS if name != "lkj"])
def test_every_prior(name):
    prior = PRIOR_ROWS[name].text
    priors = {"sd": prior} if DISTRIBUTIONS[name].domain == "positive" else {"slopes": prior, "intercept": prior}
    model = glmm("y ~ x + w + (1 | g)", table("gaussian"), "gaussian", priors=priors)
    agree(model, Bound.of(model))


@pytest.mark.parametrize("derivative", [None, lambda x: -x])
def test_a_prior_of_ones_own(derivative):
    priors = {"slopes": custom(lambda x: -0.5 * x * x, slope=derivative)}
    model = glmm("y ~ x + (1 | g)", table("gaussian"), "gaussian", priors=priors)
    agree(model, Bound.of(model))


def test_more_rows_than_a_chunk():
    n = CHUNK + 40
    rng = np.random.default_rng(3)
    data = {"y": rng.poisson(2.0, n), "x": rng.normal(size=n), "o": rng.normal(size=n), "g": np.arange(n) % 3}
    model = glmm("y ~ x + offset(o) + (1 + x | g)", data, "poisson")
    agree(model, Bound.of(model))


@pytest.mark.parametrize("name", ["no block", "crossed", "correlated 3"])
def test_information(name):
    model = of_structure(name)
    bound = Bound.of(model)
    x = 0.3 * np.random.default_rng(8).normal(size=bound.dim)
    ours, theirs = np.zeros((2, 30 + sum(block.size**2 for block in model.design.blocks)))
    assert run(logp_kernel.information, model, bound, x, ours, length=True) == 0
    logp_kernel.information.call(bound.dim, len(theirs), x.ctypes.data, theirs.ctypes.data, bound.header.ctypes.data)
    # rounding of derivatives near 10, over a step of 1e-5
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=10 * 1e-15 / 1e-5 * np.abs(theirs).max())


PLANTED = {
    "a level too far": (
        likelihood_kernels, "_add_effects", likelihood_kernels, "b[index[i] * k + j]", "b[(index[i] + 1) * k + j]",
        "plain",
    ),
    "a row too far": (
        likelihood_kernels, "_add_columns_back", likelihood_kernels, "j * n + start", "j * n + start + 1", "plain"
    ),
    "columns and levels exchanged": (
        random_effect_kernels, "write_effects", logp_kernel, "AT_SHIFT] + j * m", "AT_SHIFT] + (j + 1) * m", "plain"
    ),
    "another array of the workspace": (
        random_effect_kernels, "_factors_back", random_effect_kernels, "Block.AT_D_FACTOR", "Block.AT_D_Z", "plain"
    ),
    "an entry of another table": (
        random_effect_kernels, "effects_back", logp_kernel, "block[Block.LEVELS]", "block[Header.BLOCKS]", "plain"
    ),
    "never written": (
        random_effect_kernels, "_write_factors", random_effect_kernels, "_fill(entry, 1.0 if i == j else 0.0, m)",
        "pass", "plain",
    ),
    "a leaf too far": (
        whitening_kernels, "unwhiten", logp_kernel, "further(strips, i * m * k)", "further(strips, (i + 1) * m * k)",
        "whitened",
    ),
    "a row of the factor too far": (
        joint_kernels, "_factorise", joint_kernels, "n, row, pair = start[i + 1]", "n, row, pair = start[i + 2]",
        "joint",
    ),
    "variables for entries": (
        joint_kernels, "_solve", joint_kernels, "factor[d + entry]", "factor[2 * d + entry]", "joint"
    ),
}  # fmt: skip
"""By what is wrong: the module and name of a kernel, the module that calls it, its code, other code, coordinates."""


@pytest.mark.parametrize("wrong", PLANTED)
def test_a_wrong_offset_is_caught(wrong, monkeypatch):
    module, name, caller, right, planted, coordinates = PLANTED[wrong]
    source = inspect.getsource(getattr(module, name).py_func)
    assert right in source
    namespace = {**vars(module), "Header": Header, "Block": Block}
    exec(source[source.index("def ") :].replace(right, planted), namespace)
    function = namespace[name]
    monkeypatch.setattr(caller, name, SimpleNamespace(py_func=function))
    model = of_structure("crossed" if coordinates == "joint" else "correlated 3")
    bound = Bound.of(model, in_coordinates(model, coordinates))
    call = functools.partial(interpreted_log_density, logp_kernel.log_density, model, bound, np.full(bound.dim, 0.1))
    if wrong == "never written":
        assert call()[2] == 1  # NaN
    else:
        with pytest.raises(IndexError):
            call()


def test_a_pointer_stays_in_its_array():
    array = np.arange(4.0)
    pointer = Pointer(array).moved(3)
    assert pointer[0] == 3.0
    for index in (1, -1, Header.ROWS):
        with pytest.raises(IndexError):
            pointer[index]
    with pytest.raises(IndexError):
        pointer.moved(2)
    with pytest.raises(TypeError):
        pointer[0.0]
    with pytest.raises(IndexError):
        Pointer(np.zeros(len(Header), dtype=np.int64), entries=Header)[Block.Z]


def test_an_address_is_one_of_an_array_of_its_type():
    memory, array = Memory(), np.arange(4.0)
    address = memory.add(array)
    assert memory.pointer(address + 16, np.dtype(np.float64))[1] == 3.0
    for wrong, dtype in ((address, np.int64), (address + 4, np.float64), (0, np.float64)):
        with pytest.raises(IndexError):
            memory.pointer(wrong, np.dtype(dtype))[0]


def test_a_header_takes_only_what_its_table_says():
    model = of_structure("correlated 2")
    data = ModelData.of(model)
    fewer = replace(data, entries={**data.entries, Header.Y: np.zeros(29)})
    with pytest.raises(ValueError, match=r"Header\.Y, the outcome, .* \(n\) = \(30,\), not float64 of shape \(29,\)"):
        fewer.bound()
    other = replace(data, entries={**data.entries, Header.X: np.zeros((1, 30), dtype=np.float32)})
    with pytest.raises(ValueError, match=r"Header\.X.*not float32"):
        other.bound()
    missing = {member: value for member, value in data.entries.items() if member != Header.LINK}
    with pytest.raises(ValueError, match=r"Header\.LINK is missing"):
        replace(data, entries=missing).bound()


def test_one_gathering_serves_all_coordinates():
    model = of_structure("crossed")
    data = ModelData.of(model)
    for coordinates in ("plain", "whitened", "joint"):
        found = in_coordinates(model, coordinates)
        x = np.full(data.dim, 0.1)
        ours, theirs = density(data.bound(found), x), density(Bound.of(model, found), x)
        assert ours[0] == theirs[0]
        assert (ours[1] == theirs[1]).all()
