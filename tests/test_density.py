"""The compiled density against the PyMC graph: equal up to one constant, gradients to 1e-8, for everything there is."""

import ctypes

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.compile.mode import Mode
from scipy import special
from test_graph import STRUCTURES, table

from bayesglmm.density import Layout
from bayesglmm.density.core import HEADER, expand, log_density
from bayesglmm.families import FAMILIES
from bayesglmm.graph import build, variable_names
from bayesglmm.model import Model, glmm
from bayesglmm.priors import DISTRIBUTIONS
from bayesglmm.special import digamma, log1p_exp, log_ndtr, mills

MODE = Mode("py", "fast_run")
_WORD, _POINTER = ctypes.c_int64, ctypes.c_void_p
_LOGP = ctypes.CFUNCTYPE(_WORD, ctypes.c_uint64, *[_POINTER] * 4)(log_density.address)
_EXPAND = ctypes.CFUNCTYPE(_WORD, ctypes.c_uint64, ctypes.c_uint64, *[_POINTER] * 3)(expand.address)


def density(layout: Layout, x: np.ndarray) -> tuple[float, np.ndarray, int]:
    gradient, value = np.full(layout.dim, np.nan), np.full(1, np.nan)
    data = [a.ctypes.data for a in (x, gradient, value, layout.header)]
    code = _LOGP(layout.dim, *data)
    return float(value[0]), gradient, code


def variables(layout: Layout, x: np.ndarray) -> dict[str, np.ndarray]:
    sizes = [int(np.prod(shape)) for shape in layout.shapes.values()]
    out = np.full(sum(sizes), np.nan)
    _EXPAND(layout.dim, out.size, x.ctypes.data, out.ctypes.data, layout.header.ctypes.data)
    pieces = np.split(out, np.cumsum(sizes)[:-1])
    return {name: piece.reshape(shape) for (name, shape), piece in zip(layout.shapes.items(), pieces, strict=True)}


def order(model: Model, graph: pm.Model) -> list[str]:
    """The graph's random variables in the order of the density's coordinates."""
    blocks = model.design.blocks
    names = ["intercept", "slopes"]
    for block in blocks:
        names += [f"sd_{block.name}", f"partial_{block.name}"]
    names += [parameter.name for parameter in model.family.parameters]
    names += [f"z_{block.name}" for block in blocks]
    free = {rv.name for rv in graph.free_RVs}
    return [name for name in names if name in free]


def agree(model: Model, *, points: int = 3, spread: float = 0.7, centre: float = 0.0) -> None:
    graph, layout = build(model), Layout.of(model)
    values = [graph.rvs_to_values[graph[name]] for name in order(model, graph)]
    with pytensor.config.change_flags(mode=MODE):
        logp = graph.compile_fn(graph.logp(), inputs=values, point_fn=False, mode=MODE)
        variables_ = [graph[name] for name in order(model, graph)]
        slope = graph.compile_fn(graph.dlogp(vars=variables_), inputs=values, point_fn=False, mode=MODE)
        outputs = [graph[name] for name in variable_names(model)]
        shown = graph.compile_fn(
            graph.replace_rvs_by_values(outputs), inputs=values, point_fn=False, mode=MODE, on_unused_input="ignore"
        )
    shapes = [np.asarray(graph.initial_point()[value.name]).shape for value in values]
    rng = np.random.default_rng(5)
    constants, largest = [], 1.0
    for _ in range(points):
        pieces = [centre * (k < 1) + spread * rng.normal(size=shape) for k, shape in enumerate(shapes)]
        x = np.concatenate([np.ravel(piece) for piece in pieces])
        value, gradient, code = density(layout, x)
        assert code == 0
        constants.append(value - float(logp(*pieces)))
        largest = max(largest, abs(value))
        np.testing.assert_allclose(gradient, slope(*pieces), rtol=1e-8, atol=1e-8 * np.abs(gradient).max())
        for ours, theirs in zip(variables(layout, x).values(), shown(*pieces), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert np.ptp(constants) < 1e-10 * largest


COMBINATIONS = [(family.name, link) for family in FAMILIES.values() for link in family.links]


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_every_family_and_link(family, link):
    response = "p(y, n)" if FAMILIES[family].kind == "trials" else "y"
    model = glmm(f"{response} ~ x + (1 | g)", table(family), family, link=link)
    agree(model, centre=6.0 if link == "inverse" else 0.0, spread=0.3 if link == "inverse" else 0.7)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure(name):
    agree(glmm(f"y ~ {STRUCTURES[name].rhs}", table("poisson"), "poisson"))


NUMBERS = {
    "normal": "normal(1, 2)", "student_t": "student_t(3, 1, 2)", "cauchy": "cauchy(1, 2)", "laplace": "laplace(1, 2)",
    "uniform": "uniform(-1, 4)", "exponential": "exponential(2)", "gamma": "gamma(2, 3)",
    "inv_gamma": "inv_gamma(2, 3)", "lognormal": "lognormal(1, 2)", "half_normal": "half_normal(2)",
    "half_student_t": "half_student_t(3, 0, 2)", "half_cauchy": "half_cauchy(2)", "beta": "beta(2, 3)",
    "flat": "flat()",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name != "lkj"])
def test_every_prior(name):
    prior = NUMBERS[name]
    kind = "positive" if DISTRIBUTIONS[name].kind == "positive" else "real"
    priors = {"sd": prior} if kind == "positive" else {"slopes": prior, "intercept": prior}
    agree(glmm("y ~ x + w + (1 + x | g)", table("gaussian"), "gaussian", priors=priors))


def test_data_sizes_and_constants_are_arguments():
    """Other data, groups and constants of a prior reach the same compiled functions through another header."""
    one = Layout.of(glmm("y ~ x + (1 | g)", table("poisson"), "poisson"))
    other = Layout.of(glmm("y ~ x + w + (1 | g)", table("poisson"), "poisson", priors={"slopes": "normal(0, 9)"}))
    for name in ("family", "link"):
        assert one.header[HEADER[name]] == other.header[HEADER[name]]
    assert other.dim == one.dim + 1


@pytest.mark.parametrize("eta", [-700.0, -40.0, 0.0, 40.0, 700.0])
@pytest.mark.parametrize(("family", "link"), [c for c in COMBINATIONS if c[0] in ("bernoulli", "binomial", "poisson")])
def test_the_tails_are_finite(family, link, eta):
    if link == "cloglog" and eta > 600:
        pytest.skip("exp(700) is finite, its square is not: the density of a success there is 1 to the last digit")
    if link == "sqrt" and eta == 0:
        pytest.skip("√ has no derivative of log μ at 0")
    response = "p(y, n)" if FAMILIES[family].kind == "trials" else "y"
    layout = Layout.of(
        glmm(f"{response} ~ 1", table(family), family, link=link, priors={"intercept": "normal(0, 1000)"})
    )
    value, gradient, code = density(layout, np.array([eta]))
    assert code == 0
    assert np.isfinite([value, *gradient]).all()


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_no_point_raises(family, link):
    """Far out the density may be beyond the range of doubles: then it says so by its code, and nothing else."""
    response = "p(y, n)" if FAMILIES[family].kind == "trials" else "y"
    layout = Layout.of(glmm(f"{response} ~ x + (1 + x | g)", table(family), family, link=link))
    rng = np.random.default_rng(2)
    for scale in (0.0, 1.0, 30.0, 800.0):
        value, gradient, code = density(layout, scale * rng.normal(size=layout.dim))
        assert code == int(not np.isfinite([value, *gradient]).all())


@pytest.mark.parametrize(
    ("ours", "theirs", "where"),
    [
        (digamma, special.digamma, np.geomspace(1e-6, 1e8, 60)),
        (log_ndtr, special.log_ndtr, np.linspace(-900, 8, 60)),
        (log1p_exp, lambda x: np.logaddexp(0, x), np.linspace(-700, 700, 60)),
        (
            mills,
            lambda x: np.exp(-(x**2) / 2 - np.log(2 * np.pi) / 2 - special.log_ndtr(x)),
            np.linspace(-25, 8, 60),
        ),
    ],
)
def test_special_functions(ours, theirs, where):
    np.testing.assert_allclose([ours(float(x)) for x in where], theirs(where), rtol=2e-13, atol=1e-14)
