"""The graph against hand computation: numpy for η, scipy for densities, the LKJ prior from its definition."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from by_hand import FAMILY_LINKS, FAMILY_ROWS, LINK_ROWS, PRIOR_ROWS, Array, N, table
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.compile.mode import Mode
from scipy import special, stats
from structures import STRUCTURES, Structure

from bayesglmm.errors import DataError
from bayesglmm.logdensity.pymc_graph import build
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import Prior
from bayesglmm.specify.variables import pair_names, posterior_coords, posterior_dims, variable_names

type Point = dict[str, Array]

CLOSE = {"rtol": 1e-10, "atol": 1e-8}
"""PyMC takes the log 2 of a half-Student-t in single precision: a constant error of 2e-9 a parameter."""
QUICK = Mode("py", "fast_compile")
REWRITTEN = Mode("py", "fast_run")
"""With the rewrites of the sampler's compilation, without its linker: log(1 − sigmoid(η)) keeps its tail."""


every_structure = pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
every_link = pytest.mark.parametrize(("family", "link"), FAMILY_LINKS)


def model_of(rhs: str, family: str = "gaussian", link: str | None = None, priors: Any = None) -> Model:
    lhs = "p(y, n)" if family == "binomial" else "y"
    return glmm(f"{lhs} ~ {rhs}", table(family), family, link=link, priors=priors)


def random_point(model: Model, rng: np.random.Generator) -> Point:
    """Return a value for everything the graph samples, on its own scale; η is well above 0 where it must be."""
    point: Point = {
        name: np.array(value * rng.uniform(0.8, 1.25))
        for name, value in FAMILY_ROWS[model.family.name].parameters.items()
    }
    if model.priors.intercept is not None:
        point["intercept"] = np.array((-0.7 if model.family.link.increasing else 6.0) + rng.random())
    if model.priors.slopes:
        point["slopes"] = rng.normal(0, 0.2, len(model.priors.slopes))
    for block in model.design.blocks:
        point[f"sd_{block.name}"] = rng.uniform(0.1, 0.4, block.size)
        point[f"z_{block.name}"] = rng.normal(size=(len(block.levels), block.size))
        if block.correlated:
            point[f"partial_{block.name}"] = rng.uniform(0.1, 0.9, block.size * (block.size - 1) // 2)
    return point


def correlations(partial: Array, k: int) -> Array:
    """Return Ω from its canonical partial correlations, by the recursion of the C-vine (Lewandowski et al. 2009)."""
    given = np.zeros((k, k))
    given[np.tril_indices(k, -1)] = 2 * partial - 1
    omega = np.eye(k)
    for i in range(k):
        for j in range(i):
            r = given[i, j]
            for m in reversed(range(j)):
                r = r * np.sqrt((1 - given[i, m] ** 2) * (1 - given[j, m] ** 2)) + given[i, m] * given[j, m]
            omega[i, j] = omega[j, i] = r
    return omega


def effects(model: Model, point: Point) -> tuple[Array, dict[str, Array]]:
    """Return β on the original scale and b of every block, from what the graph samples."""
    slopes = point.get("slopes", np.zeros(0))
    beta = slopes
    if model.priors.intercept is not None:
        centre = model.design.x[:, 1:].mean(axis=0) if model.priors.centred else np.zeros(len(slopes))
        beta = np.concatenate([[point["intercept"] - centre @ slopes], slopes])
    b = {}
    for block in model.design.blocks:
        omega = correlations(point[f"partial_{block.name}"], block.size) if block.correlated else np.eye(block.size)
        b[block.name] = point[f"z_{block.name}"] @ np.linalg.cholesky(omega).T * point[f"sd_{block.name}"]
    return beta, b


def linear_predictor(model: Model, structure: Structure, data: pd.DataFrame, point: Point) -> Array:
    beta, b = effects(model, point)
    columns = {"Intercept": np.ones(len(data)), **{name: data[name].to_numpy() for name in ("x", "w", "v")}}
    fixed = sum(
        (columns[name] * value for name, value in zip(model.design.coef, beta, strict=True)), np.zeros(len(data))
    )
    return np.asarray(fixed + structure.blocks(data, b))


def log_likelihood(model: Model, structure: Structure, data: pd.DataFrame, point: Point) -> float:
    mu = LINK_ROWS[model.family.link.name].inverse(linear_predictor(model, structure, data, point))
    parameters = {name: float(point[name]) for name in FAMILY_ROWS[model.family.name].parameters}
    return float(FAMILY_ROWS[model.family.name].logpdf(data.y.to_numpy(), mu, parameters, data.n.to_numpy()).sum())


def log_prior(model: Model, point: Point) -> float:
    def of(prior: Prior, value: Any) -> float:
        known = PRIOR_ROWS[prior.text].distribution
        return 0.0 if known is None else float(known(*prior.numbers()).logpdf(value))

    priors = model.priors
    total = sum(
        of(assigned.prior, value) for assigned, value in zip(priors.slopes, point.get("slopes", ()), strict=True)
    )
    total += of(priors.intercept.prior, point["intercept"]) if priors.intercept is not None else 0.0
    total += sum(of(assigned.prior, point[name]) for name, assigned in priors.parameters.items())
    for block in model.design.blocks:
        name = block.name
        total += sum(of(a.prior, value) for a, value in zip(priors.sd[name], point[f"sd_{name}"], strict=True))
        total += stats.norm.logpdf(point[f"z_{name}"]).sum()
        if block.correlated:
            (eta,) = priors.correlation[name].prior.numbers()
            shape = np.array([eta + (block.size - 2 - j) / 2 for i in range(block.size) for j in range(i)])
            total += stats.beta.logpdf(point[f"partial_{name}"], shape, shape).sum()
    return float(total)


def natural(model: Model, **options: bool) -> pm.Model:
    """Return the graph without transforms: its values and its density are those of the variables themselves."""
    return remove_value_transforms(build(model, **options))


def densities(graph: pm.Model, points: list[Point]) -> list[float]:
    compiled = graph.compile_logp(mode=QUICK)
    return [float(compiled(point)) for point in points]


def values(graph: pm.Model, names: tuple[str, ...], point: Point) -> dict[str, Array]:
    expressions = graph.replace_rvs_by_values([graph[name] for name in names])
    compiled = graph.compile_fn(expressions, inputs=graph.value_vars, mode=QUICK, on_unused_input="ignore")
    return dict(zip(names, compiled(point), strict=True))


@every_link
def test_the_density_of_every_family_and_link_is_scipys(family: str, link: str) -> None:
    structure = STRUCTURES["correlated 2"]
    model = model_of(structure.rhs, family, link)
    rng = np.random.default_rng(1)
    points = [random_point(model, rng) for _ in range(3)]
    expected = [log_likelihood(model, structure, table(family), p) + log_prior(model, p) for p in points]
    np.testing.assert_allclose(densities(natural(model), points), expected, **CLOSE)


@every_structure
def test_the_density_of_every_structure_is_scipys(structure: Structure) -> None:
    model = model_of(structure.rhs)
    rng = np.random.default_rng(2)
    points = [random_point(model, rng) for _ in range(3)]
    expected = [log_likelihood(model, structure, table(), p) + log_prior(model, p) for p in points]
    np.testing.assert_allclose(densities(natural(model), points), expected, **CLOSE)


@pytest.mark.parametrize("name", ["Intercept", "intercept"])
def test_an_intercept_given_by_name_is_the_one_at_zero(name: str) -> None:
    structure = STRUCTURES["correlated 2"]
    model = model_of(structure.rhs, "poisson", priors={name: "normal(1, 2)"})
    point = random_point(model, np.random.default_rng(9))
    expected = log_likelihood(model, structure, table("poisson"), point) + log_prior(model, point)
    np.testing.assert_allclose(densities(natural(model), [point]), [expected], **CLOSE)
    (first,) = values(natural(model), ("beta",), point).values()
    assert (first[0] == point["intercept"]) == (name == "Intercept")


@every_structure
def test_beta_b_and_correlations_are_on_their_own_scale(structure: Structure) -> None:
    model = model_of(structure.rhs)
    point = random_point(model, np.random.default_rng(3))
    graph = natural(model)
    found = values(graph, variable_names(model), point)
    beta, b = effects(model, point)
    np.testing.assert_allclose(found["beta"], beta, rtol=1e-12)
    for block in model.design.blocks:
        np.testing.assert_allclose(found[f"b_{block.name}"], b[block.name], rtol=1e-12)
        if block.correlated:
            omega = correlations(point[f"partial_{block.name}"], block.size)
            np.testing.assert_allclose(found[f"corr_{block.name}"], omega[np.tril_indices(block.size, -1)], rtol=1e-12)
    if model.priors.intercept is not None and "slopes" in point:
        x = model.design.x[:, 1:]
        centred = point["intercept"] + (x - x.mean(axis=0)) @ point["slopes"]
        np.testing.assert_allclose(model.design.x @ found["beta"], centred, rtol=1e-12)


@every_structure
def test_every_variable_has_dims_whose_coords_have_its_lengths(structure: Structure) -> None:
    model = model_of(structure.rhs)
    graph = build(model)
    for name, value in values(graph, variable_names(model), graph.initial_point()).items():
        dims = graph.named_vars_to_dims.get(name, ())
        assert value.shape == tuple(len(graph.coords[dim]) for dim in dims)
        assert dims or name == "sigma"
    named = {name: tuple(graph.named_vars_to_dims.get(name, ())) for name in variable_names(model)}
    assert named == posterior_dims(model)
    assert posterior_coords(model).keys() == {dim for dims in named.values() for dim in dims}
    for data in graph.data_vars:
        lengths = tuple(len(graph.coords[dim]) for dim in graph.named_vars_to_dims[data.name])
        assert data.get_value().shape == lengths
    assert list(graph.coords["coef"]) == list(model.design.coef)
    for block in model.design.blocks:
        assert list(graph.coords[block.name]) == list(block.levels)
        assert list(graph.coords[f"{block.name}_coef"]) == list(block.columns)
        assert not block.correlated or list(graph.coords[f"{block.name}_pair"]) == list(pair_names(block))


def test_new_values_of_the_data_change_the_likelihood_as_they_should() -> None:
    structure = STRUCTURES["crossed"]
    model = model_of(f"{structure.rhs} + offset(o)", "binomial")
    graph = natural(model)
    assert {data.name for data in graph.data_vars} == {
        "x",
        "offset",
        "y_data",
        "trials",
        *(f"{part}_{group}" for part in ("index", "columns") for group in ("g", "h")),
    }
    assert all(graph.named_vars_to_dims[data.name][0] == "row" for data in graph.data_vars)
    likelihood = graph.compile_logp(vars=graph["y"], mode=QUICK)
    other = table("binomial").iloc[::-2].reset_index(drop=True)
    other = other.assign(x=other.x * 2, w=other.w + 1, n=other.n + 3, o=1 - other.o)
    design = model.design.on(other)
    values: dict[str, Any] = {"x": design.x, "offset": design.offset, "y_data": other.y, "trials": other.n}
    for block in design.blocks:
        values |= {f"index_{block.name}": block.index, f"columns_{block.name}": block.z}
    with graph:
        pm.set_data(values, coords={"row": np.arange(len(other))})
    point = random_point(model, np.random.default_rng(4))
    with_offset = Structure("", lambda d, b: d.o + structure.blocks(d, b))
    np.testing.assert_allclose(likelihood(point), log_likelihood(model, with_offset, other, point), rtol=1e-10)


def test_priors_of_several_families_stay_with_their_coefficients() -> None:
    rows = [row.prior for row in PRIOR_ROWS.values()]
    positive = [str(prior) for prior in rows if prior.suits("positive")] + ["half_normal(0.3)", "uniform(0, 4)"]
    real = [str(prior) for prior in rows if prior.domain == "real"] + ["normal(-1, 2)", "student_t(7, 0, 1)"]
    rng = np.random.default_rng(5)
    columns = {f"x{j}": rng.normal(size=N) for j in range(len(positive))}
    data = table().assign(**columns)
    names = list(columns)
    priors = {
        **dict(zip(names, real, strict=False)),
        "sd": {"g": dict(zip(names, positive, strict=True))},
    }
    fixed = " + ".join(names[: len(real)])
    model = glmm(f"y ~ {fixed} + (0 + {' + '.join(names)} || g)", data, priors=priors)
    assert {assigned.prior.text for assigned in (*model.priors.slopes, *model.priors.sd["g"])} == set(PRIOR_ROWS) - {
        "lkj"
    }
    graph = natural(model, prior_only=True)
    point = random_point(model, rng)
    pieces = {name: value for name, value in point.items() if name not in ("slopes", "sd_g")}
    for variable in graph.free_RVs:
        if variable.name not in pieces:
            pieces[variable.name] = piece(variable.name, model, point)
    np.testing.assert_allclose(densities(graph, [pieces]), [log_prior(model, point)], **CLOSE)
    for name, value in values(graph, ("slopes", "sd_g"), pieces).items():
        np.testing.assert_array_equal(value, point[name])


def piece(name: str, model: Model, point: Point) -> Array:
    """Return the values of the elements of `slopes` or `sd_g` whose priors are of the family in the name."""
    vector, assigned = ("slopes", model.priors.slopes) if name.startswith("slopes") else ("sd_g", model.priors.sd["g"])
    family = name.removeprefix(f"{vector}_")
    return point[vector][[a.prior.text == family for a in assigned]]


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1 + x | `my group`)",
        "y ~ x + (1 + x || `a/b`)",
        "y ~ x + (1 | `a|b`) + (0 + x | `a|b`)",
        "y ~ x + (x | `my group`/`a/b`)",
        "y ~ x + (1 | factor(`a.b (%)`))",
        "y ~ x + (1 | `é à`:`1st`)",
    ],
)
def test_names_hold_no_bar_slash_or_space(formula: str) -> None:
    odd = {name: np.arange(N) % 5 for name in ("my group", "a/b", "a|b", "a.b (%)", "é à", "1st")}
    odd["a/b"] = np.arange(N) % 3
    model = glmm(formula, table().assign(**odd))
    graph = build(model)
    assert set(variable_names(model)) <= set(graph.named_vars)
    assert not [name for name in (*graph.named_vars, *graph.coords) if set(name) & set("|/ ()[]`%")]


@pytest.mark.parametrize("groups", [("g", "g_coef"), ("g", "g_pair"), ("index_g", "g")])
def test_a_grouping_factor_named_like_something_else_is_refused(groups: tuple[str, ...]) -> None:
    data = table().assign(**{name: np.arange(N) % (5 + k) for k, name in enumerate(groups)})
    with pytest.raises(DataError, match="two things"):
        glmm("y ~ w + " + " + ".join(f"(1 + w | {name})" for name in groups), data)


@pytest.mark.parametrize("name", ["slope", "x", "intercept", "draw"])
def test_a_grouping_factor_named_like_a_variable_of_ours_gets_an_underscore(name: str) -> None:
    model = glmm(f"y ~ w + (1 | {name})", table().assign(**{name: np.arange(N) % 5}))
    assert f"b_{name}_" in build(model).named_vars


def test_the_prior_alone_leaves_the_likelihood_out() -> None:
    model = model_of("x + (1 | g)", "poisson")
    graph = natural(model, prior_only=True)
    assert not graph.observed_RVs
    assert "y" not in graph.named_vars
    point = random_point(model, np.random.default_rng(6))
    np.testing.assert_allclose(densities(graph, [point]), [log_prior(model, point)], **CLOSE)


def test_a_user_adds_to_the_graph() -> None:
    model = model_of("x + (1 | g)", "poisson")
    point = random_point(model, np.random.default_rng(7))
    with model.to_pymc() as graph:
        pm.Potential("close_to_one", -50 * (graph["beta"][1] - 1) ** 2)
    (before,), (after,) = densities(natural(model), [point]), densities(remove_value_transforms(graph), [point])
    assert after - before == pytest.approx(-50 * (point["slopes"][0] - 1) ** 2, rel=1e-10)


@pytest.mark.parametrize("eta", [1, 2, 5])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_prior_draws_of_the_correlations_have_the_lkj_marginals(k: int, eta: int) -> None:
    """(r + 1)/2 ~ Beta(η + (k − 2)/2, same) for each pair; Kolmogorov–Smirnov at level 1e-4 a pair, seed fixed."""
    graph = build(lkj_model(k, eta), prior_only=True)
    drawn, partial = pm.draw([graph["corr_g"], graph["partial_g"]], draws=1000, random_seed=10 * k + eta, mode=QUICK)
    shape = eta + (k - 2) / 2
    for pair in drawn.T:
        assert stats.kstest((pair + 1) / 2, stats.beta(shape, shape).cdf).pvalue > 1e-4
    omega = np.tile(np.eye(k), (len(drawn), 1, 1))
    rows, columns = np.tril_indices(k, -1)
    omega[:, rows, columns] = omega[:, columns, rows] = drawn
    assert np.linalg.eigvalsh(omega).min() > 0
    np.testing.assert_allclose(np.linalg.det(omega), np.prod(4 * partial * (1 - partial), axis=1), rtol=1e-6)
    np.testing.assert_allclose(omega, [correlations(p, k) for p in partial], atol=1e-12)


@pytest.mark.parametrize("eta", [1, 2, 5])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_density_of_the_correlations_is_the_lkj_density(k: int, eta: int) -> None:
    """Against det(Ω)^(η−1) and against PyMC's LKJCorr on the Cholesky factor, the Jacobians by complex step."""
    model = lkj_model(k, eta)
    graph = natural(model, prior_only=True)
    compiled = graph.compile_logp(vars=graph["partial_g"], mode=QUICK)
    rng = np.random.default_rng(8)
    points = [random_point(model, rng) for _ in range(4)]
    ours = np.array([compiled(point) for point in points])
    factor = pytensor.tensor.dmatrix()
    theirs = pytensor.function([factor], pm.logp(pm.LKJCorr.dist(n=k, eta=eta), factor), mode=QUICK)
    definition, pymc = [], []
    for point in points:
        lower = np.linalg.cholesky(correlations(point["partial_g"], k))
        definition.append((eta - 1) * 2 * np.log(np.diag(lower)).sum() + log_jacobian(omega_of, point["partial_g"], k))
        pymc.append(theirs(lower) + log_jacobian(cholesky_of, point["partial_g"], k))
    np.testing.assert_allclose(ours, pymc, rtol=1e-10, atol=1e-12)
    assert np.ptp(ours - definition) < 1e-10


def lkj_model(k: int, eta: int) -> Model:
    columns = " + ".join(["1", "x", "w", "v"][:k])
    return model_of(f"x + ({columns} | g)", priors={"correlation": f"lkj({eta})"})


def cholesky_of(partial: Array, k: int) -> Array:
    """Return the Cholesky factor of Ω row by row: L_ij = p_ij √Π_{m<j} (1 − p_im²); complex arguments allowed."""
    given = np.zeros((k, k), dtype=partial.dtype)
    given[np.tril_indices(k, -1)] = 2 * partial - 1
    left = np.cumprod(np.sqrt(1 - given**2), axis=1)
    return (given + np.eye(k)) * np.concatenate([np.ones((k, 1)), left[:, :-1]], axis=1)


def omega_of(partial: Array, k: int) -> Array:
    lower = cholesky_of(partial, k)
    return lower @ lower.T


def log_jacobian(function: Callable[[Array, int], Array], at: Array, k: int) -> float:
    """Return log |∂ below the diagonal / ∂ partials| by complex step."""
    below = np.tril_indices(k, -1)
    columns = [function(at + 1e-30j * unit, k)[below].imag / 1e-30 for unit in np.eye(len(at))]
    return float(np.linalg.slogdet(np.column_stack(columns))[1])


FAR = np.array([-700.0, -200.0, -38.0, -20.0, -6.0, 6.0, 20.0, 38.0, 200.0, 700.0])


def tails(family: str, link: str, y: list[int], eta: Array) -> tuple[Array, Array]:
    """Return the log likelihood of single outcomes y and its derivative in η, shapes (eta, y)."""
    lhs = "p(y, n)" if family == "binomial" else "y"
    model = glmm(f"{lhs} ~ 1", {"y": y, "n": [1] * len(y)}, family, link=link)
    graph = build(model)
    rows = graph.logp(vars=graph["y"], sum=False)[0]
    (value,) = (value for value in graph.value_vars if value.name == "intercept")
    compiled = pytensor.function([value], [rows, pytensor.gradient.jacobian(rows, value)], mode=REWRITTEN)
    logp, gradient = zip(*(compiled(point) for point in eta), strict=True)
    return np.array(logp), np.array(gradient)


@pytest.mark.parametrize("link", [name for name, row in LINK_ROWS.items() if row.tails is not None])
@pytest.mark.parametrize("family", ["bernoulli", "binomial"])
def test_probability_links_keep_both_tails(family: str, link: str) -> None:
    logp, gradient = tails(family, link, [0, 1], FAR)
    with mpmath.workdps(340):
        exact = [[float(tail) for tail in LINK_ROWS[link].tails(mpmath.mpf(eta))] for eta in FAR]
    np.testing.assert_allclose(logp, np.fliplr(exact), rtol=1e-10, atol=1e-300)
    assert np.isfinite(gradient).all()
    assert (np.sign(gradient) * [-1, 1] >= 0).all()


def test_the_log_link_of_counts_keeps_its_lower_tail() -> None:
    eta, y = -np.abs(FAR), [0, 3]
    logp, gradient = tails("poisson", "log", y, eta)
    mu = np.exp(eta)[:, None]
    np.testing.assert_allclose(logp, np.outer(eta, y) - mu - special.gammaln(np.add(y, 1)), rtol=1e-10)
    np.testing.assert_allclose(gradient, y - mu, rtol=1e-10)


def test_pairs_are_named_row_by_row() -> None:
    (block,) = model_of("x + (1 + x + w | g)").design.blocks
    assert pair_names(block) == tuple(f"{a},{b}" for b, a in [("x", "Intercept"), ("w", "Intercept"), ("w", "x")])
    assert len(pair_names(block)) == len(list(combinations(block.columns, 2)))


@pytest.mark.parametrize(
    ("formula", "family"), [("y ~ z", "poisson"), ("y ~ z", "negative_binomial"), ("p(y, n) ~ z", "binomial")]
)
def test_the_graph_says_that_it_cannot_hold_counts_beyond_32_bits(formula: str, family: str) -> None:
    y = np.full(8, 2**32) + np.arange(8) % 3
    model = glmm(formula, {"y": y, "z": np.arange(8) % 2, "n": np.full(8, 2**40)}, family)
    with pytest.raises(DataError, match=r"32 bits.*backend=\"density\""):
        build(model)
