"""A digest of what a function computes: whatever changes the result changes it, and nothing else does."""

import enum
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from numba import njit

from bayesglmm.compiled import adapters, cache
from bayesglmm.compiled.fingerprint import fingerprint
from bayesglmm.compiled.sources import imports, reached, sources
from bayesglmm.logdensity.logp_kernel import log_density
from bayesglmm.marginalize.kernel import integrate
from bayesglmm.specify.families import FAMILIES, special
from bayesglmm.specify.families.links import LINKS
from bayesglmm.specify.priors import DISTRIBUTIONS

BASE = """
import numpy as np
from enum import IntEnum
from types import SimpleNamespace
from numba import njit

LIMIT = 2.0
TABLE = np.array([1.0, 2.0])
PAIR = (1, (2.0, "a"))
class Place(IntEnum):
    FIRST = 0
def helper(x):
    return x + 1.0
@njit(error_model="numpy")
def jitted(x):
    return x * 3.0
def outer(x):
    return helper(x) * jitted(x)
def made(shift):
    def inner(x):
        return x + shift
    return inner
added = made(1.0)
def rows(n, y, scale=1.0):
    total = 0.0
    for i in range(n):
        total += outer(y[i]) / LIMIT + TABLE[0] + PAIR[0] + added(y[i]) + y[Place.FIRST]
    return math.sqrt(total) * scale
"""


def defined(text: str, name: str = "kernels_of_mine") -> types.ModuleType:
    module = types.ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def digest(text: str) -> str:
    return fingerprint(defined(text).rows).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total = 0.0", "total = 1.0"),
        ("math.sqrt(total)", "math.exp(total)"),
        ("scale=1.0", "scale=2.0"),
        ("LIMIT = 2.0", "LIMIT = 4.0"),
        ("LIMIT = 2.0", "LIMIT = 2"),
        ("[1.0, 2.0]", "[1.5, 2.0]"),
        ('(2.0, "a")', '(2.5, "a")'),
        ("FIRST = 0", "FIRST = 1"),
        ("return x + 1.0", "return x - 1.0"),
        ("return x * 3.0", "return x * 4.0"),
        ('error_model="numpy"', 'error_model="python"'),
        ("made(1.0)", "made(2.0)"),
        ("return x + shift", "return x - shift"),
        ("+ y[Place.FIRST]", "+ y[0]"),
    ],
)
def test_what_changes_the_result_changes_the_digest(old, new):
    assert old in BASE
    assert digest(BASE) != digest(BASE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"), [("import math\n", "import math\n\n# a remark\n\n"), ("LIMIT = 2.0", "UNUSED = 3\nLIMIT = 2.0")]
)
def test_what_leaves_the_result_leaves_the_digest(old, new):
    assert digest(BASE) == digest(BASE.replace(old, new))


def test_the_name_does_not_count():
    other = defined(BASE.replace("def rows", "def lines")).lines
    assert fingerprint(defined(BASE).rows).digest == fingerprint(other).digest


@pytest.mark.parametrize(
    ("name", "value"),
    [("LIMIT", 5.0), ("helper", lambda x: 2.0 * x), ("jitted", njit(lambda x: x)), ("TABLE", np.array([9.0, 2.0]))],
)
def test_a_global_that_is_set_anew_counts(name, value):
    module = defined(BASE)
    before = fingerprint(module.rows).digest
    setattr(module, name, value)
    assert fingerprint(module.rows).digest != before


def test_an_array_that_is_written_to_counts():
    module = defined(BASE)
    before = fingerprint(module.rows).digest
    module.TABLE[0] = 7.0
    assert fingerprint(module.rows).digest != before


def test_what_stands_in_a_module_that_is_read_counts():
    module, helpers = defined("def rows(x):\n    return helpers.twice(x) + helpers.K"), types.ModuleType("helpers")
    module.helpers = helpers
    helpers.twice, helpers.K = (lambda x: 2 * x), 1.0
    seen = {fingerprint(module.rows).digest}
    helpers.K = 2.0
    seen.add(fingerprint(module.rows).digest)
    helpers.twice = lambda x: 3 * x
    seen.add(fingerprint(module.rows).digest)
    assert len(seen) == 3


def test_functions_that_call_each_other_and_lists_that_hold_themselves_end():
    text = "def rows(x):\n    return x if x < 1 else other(x - K[0])\ndef other(x):\n    return rows(x)\n"
    text += "K = [1]\nK.append(K)"
    assert digest(text) == digest(text)
    assert digest(text) != digest(text.replace("K = [1]", "K = [2]"))


def test_what_cannot_be_read_is_told_apart_by_which_object_it_is_and_held():
    module = defined("def rows(x):\n    return thing(x)")
    module.thing = first = object()
    one = fingerprint(module.rows)
    module.thing = object()
    assert fingerprint(module.rows).digest != one.digest
    assert one.held == (first,)
    assert not one.ours


def package_functions():
    for name, family in FAMILIES.items():
        yield name, adapters.family_rows(family.rows, len(family.parameters))
    for name, link in LINKS.items():
        yield name, adapters.link_rows(link.rows)
    for name, prior in DISTRIBUTIONS.items():
        yield name, prior.density
    yield "log_density", log_density.function
    yield "integrate", integrate.function


@pytest.mark.parametrize("function", [pytest.param(function, id=name) for name, function in package_functions()])
def test_all_that_the_package_compiles_is_its_own_and_its_sources_are_found(function):
    found = fingerprint(function)
    assert found.ours
    assert found.held == ()
    assert found.modules
    assert sources(found.modules) is not None
    assert found.modules <= reached(found.modules)


def test_a_function_of_anybody_else_is_not_the_packages_own(monkeypatch):
    assert not fingerprint(defined(BASE).rows).ours
    assert not fingerprint(adapters.family_rows(defined(BASE).rows, 0)).ours
    assert fingerprint(LINKS["log"].rows).ours
    monkeypatch.setitem(LINKS["log"].rows.__globals__, "exp", defined("def exp(x):\n    return x").exp)
    assert not fingerprint(LINKS["log"].rows).ours


def test_the_name_of_a_module_makes_no_function_the_packages_own():
    assert not fingerprint(defined(BASE, "bayesglmm.specify.families.mine").rows).ours


def test_a_constant_of_the_package_set_anew_gives_another_digest(monkeypatch):
    before = fingerprint(LINKS["log"].rows).digest
    monkeypatch.setattr(special, "_LOG2_E", 1.5)
    assert fingerprint(LINKS["log"].rows).digest != before


def test_members_of_an_enumeration_count():
    class Place(enum.IntEnum):
        FIRST = 0

    class Other(enum.IntEnum):
        FIRST = 1

    def reads(place):
        return lambda values: values[place.FIRST]

    Other.__qualname__ = Place.__qualname__
    assert fingerprint(reads(Place)).digest != fingerprint(reads(Other)).digest


def test_the_digest_is_the_same_in_every_process():
    code = (
        "from bayesglmm.compiled.fingerprint import fingerprint\n"
        "from bayesglmm.logdensity.logp_kernel import log_density\n"
        "print(fingerprint(log_density.function).digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {fingerprint(log_density.function).digest + "\n"}


def test_sources_follow_the_imports():
    """What is registered with numba beside a function stands in modules that only an import names."""
    of_links = reached(fingerprint(adapters.link_rows(LINKS["log"].rows)).modules)
    assert {
        "bayesglmm.compiled.functions",
        "bayesglmm.specify.families.special",
        "bayesglmm.specify.families.links",
    } <= of_links
    core = reached(frozenset({"bayesglmm.logdensity.logp_kernel", cache.__name__}))
    assert {"bayesglmm.logdensity.random_effect_kernels", "bayesglmm.compiled.build", "bayesglmm.compiled.abi"} <= core
    assert "bayesglmm.fitting" not in core


@pytest.mark.parametrize("name", ["bayesglmm.nothing", "bayesglmm.logdensity.heart"])
def test_a_module_that_is_not_there_is_an_error(name):
    with pytest.raises(ModuleNotFoundError, match=name.replace(".", r"\.")):
        sources(frozenset({"bayesglmm.specify.families.special", name}))


def test_imports_are_read_wherever_they_stand():
    text = (
        "from bayesglmm.compiled import functions as _f, load\n"
        "from bayesglmm.compiled.abi import (\n    doubles,  # (in pairs)\n    further,\n)\n"
        "import math, bayesglmm.specify.families.special\n"
        "def f():\n    from bayesglmm.compiled.build import build\n"
        "from bayesglmm_other import x\n"
    )
    expected = ["compiled.functions", "compiled.load", "compiled.abi", "specify.families.special", "compiled.build"]
    assert sorted(set(imports(text))) == sorted(f"bayesglmm.{name}" for name in expected)
    assert imports("import math\nfrom numba import njit") == []


def test_without_its_sources_the_package_keeps_nothing_on_disk(monkeypatch):
    monkeypatch.setattr("bayesglmm.compiled.sources._source", lambda name: None)
    assert sources.__wrapped__(frozenset({"bayesglmm.specify.families.special"})) is None
