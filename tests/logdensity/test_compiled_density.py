"""The compiled density against the PyMC graph: equal up to one constant, gradients to 1e-8, for everything there is."""

import mpmath
import numpy as np
import pytest
from by_hand import FAMILY_LINKS, PRIOR_ROWS, table
from compiled_density import WHITENED, agree, density
from conftest import SEIZURE, reference
from scipy import special
from structures import STRUCTURES

import bayesglmm as bg
from bayesglmm.logdensity import compile as compile_module
from bayesglmm.logdensity import evaluator as evaluator_module
from bayesglmm.logdensity import laplace
from bayesglmm.logdensity.compile import find_coordinates, variables
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.header import Bound, Coordinates
from bayesglmm.logdensity.layout import Header
from bayesglmm.specify.families import FAMILIES
from bayesglmm.specify.families.special import exp, log, log_ndtr, mills, twice_artanh
from bayesglmm.specify.model import Model, glmm


@pytest.mark.parametrize(("family", "link"), FAMILY_LINKS)
def test_every_family_and_link(family, link):
    response = "p(y, n)" if FAMILIES[family].outcome_type == "trials" else "y"
    model = glmm(f"{response} ~ x + (1 | g)", table(family), family, link=link)
    positive = not model.family.link.increasing
    agree(model, centre=6.0 if positive else 0.0, spread=0.3 if positive else 0.7)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure(name):
    agree(glmm(f"y ~ {STRUCTURES[name].rhs}", table("poisson"), "poisson"))


@pytest.mark.parametrize("name", [name for name in PRIOR_ROWS if name != "lkj"])
def test_every_prior(name):
    prior = PRIOR_ROWS[name].prior
    priors = {"sd": prior} if prior.domain == "positive" else {"slopes": prior, "intercept": prior}
    agree(glmm("y ~ x + w + (1 + x | g)", table("gaussian"), "gaussian", priors=priors))


def test_data_sizes_and_constants_are_arguments():
    """Other data, groups and constants of a prior reach the same compiled functions through another header."""
    one = Bound.of(glmm("y ~ x + (1 | g)", table("poisson"), "poisson"))
    other = Bound.of(glmm("y ~ x + w + (1 | g)", table("poisson"), "poisson", priors={"slopes": "normal(0, 9)"}))
    for entry in (Header.FAMILY, Header.LINK):
        assert one.header[entry] == other.header[entry]
    assert other.dim == one.dim + 1


def conditioned(model: Model, rng: np.random.Generator) -> Coordinates:
    """Coordinates given arbitrary pseudo-data, none for every third level."""
    known, pull = [], []
    for block in model.design.blocks:
        k, m = block.size, len(block.levels)
        root = 2 * rng.normal(size=(m, k, k)) * (np.arange(m) % 3 > 0)[:, None, None]
        known.append(np.moveaxis(root @ root.swapaxes(1, 2), 0, -1))
        pull.append(3 * rng.normal(size=(k, m)) * (np.arange(m) % 3 > 0))
    return Coordinates(tuple(known), tuple(pull))


@pytest.mark.parametrize("name", WHITENED)
def test_conditioning_is_a_change_of_variables(name):
    """The same posterior variables have the same density, but for the Jacobian of z = C⁻¹(u + C⁻ᵀMᵀh)."""
    formula, family = WHITENED[name]
    model = glmm(formula, table(family), family)
    rng = np.random.default_rng(3)
    chosen = conditioned(model, rng)
    plain, other = Bound.of(model), Bound.of(model, chosen)
    g = len(plain.priors)
    differences = []
    for _ in range(4):
        u = 0.5 * rng.normal(size=plain.dim)
        z, shown, jacobian, at = u.copy(), variables(model, other, u), 0.0, g
        for block, known, pull in zip(model.design.blocks, chosen.information, chosen.linear, strict=True):
            k = block.size
            correlation = np.eye(k)
            if block.correlated:
                correlation[np.tril_indices(k, -1)] = shown[f"corr_{block.name}"]
                correlation += np.tril(correlation, -1).T
            root = shown[f"sd_{block.name}"][:, None] * np.linalg.cholesky(correlation)
            for level in range(len(block.levels)):
                place = slice(at + level * k, at + (level + 1) * k)
                covariance = np.linalg.inv(np.eye(k) + root.T @ known[:, :, level] @ root)
                factor = np.linalg.inv(np.linalg.cholesky(covariance))
                z[place] = covariance @ root.T @ pull[:, level] + np.linalg.solve(factor, u[place])
                jacobian -= np.log(np.diag(factor)).sum()
            at += k * len(block.levels)
        for ours, theirs in zip(shown.values(), variables(model, plain, z).values(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)
        differences.append(density(other, u)[0] - jacobian - density(plain, z)[0])
    assert np.ptp(differences) < 1e-9


@pytest.mark.parametrize("name", WHITENED)
def test_the_gradient_in_chosen_coordinates_is_that_of_differences(name):
    formula, family = WHITENED[name]
    model = glmm(formula, table(family), family)
    found = find_coordinates(model, {}, joint=False)
    rng = np.random.default_rng(4)
    chosen = conditioned(model, rng)
    for coordinates in (chosen, Coordinates(chosen.information, chosen.linear, found.whitening), found):
        bound = Bound.of(model, coordinates)
        w = 0.5 * rng.normal(size=bound.dim)
        _, gradient, _ = density(bound, w)
        for i in range(bound.dim):
            step = np.zeros(bound.dim)
            step[i] = 1e-5
            slope = (density(bound, w + step)[0] - density(bound, w - step)[0]) / 2e-5
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", WHITENED)
def test_whitening_makes_the_leaves_standard_and_frees_them_of_the_core(name):
    formula, family = WHITENED[name]
    model = glmm(formula, table(family), family)
    found = find_coordinates(model, {}, joint=False)
    bound = Bound.of(model, found)
    hessian = np.empty((bound.dim, bound.dim))
    for i in range(bound.dim):
        step = np.zeros(bound.dim)
        step[i] = 1e-4
        hessian[i] = -(density(bound, step)[1] - density(bound, -step)[1]) / 2e-4
    c = len(found.whitening.core_root)
    in_core = sum(len(block.levels) for block in model.design.blocks if block.factor == "h")
    assert c == len(bound.priors) + in_core
    np.testing.assert_allclose(hessian[:c, c:], 0, atol=1e-3)
    np.testing.assert_allclose(hessian[c:, c:], np.eye(bound.dim - c), atol=1e-3)


def test_the_mode_is_that_of_quadrature():
    """Seizure, under flat priors but on the sds: the globals at the mode are near the quadrature estimates."""
    model = bg.glmm(SEIZURE, bg.datasets.load("seizure"), "poisson", priors={"slopes": "normal(0, 100)"})
    mode = find_coordinates(model, {"intercept": 1.4}).whitening.middle
    shown = variables(model, Bound.of(model), mode)
    expected = reference("seizure_ml")
    np.testing.assert_allclose(shown["beta"], list(expected["fixef"].values()), atol=0.02)
    np.testing.assert_allclose(shown["sd_id"], expected["re_sd"], rtol=0.03)


EXTREMES = {
    "no variance between groups": {"y": np.tile([0, 1], 60), "g": np.repeat(np.arange(10), 12)},
    "groups all zero or all one": {"y": np.repeat(np.arange(10) % 2, 12), "g": np.repeat(np.arange(10), 12)},
    "one outcome only": {"y": np.r_[np.zeros(119, int), 1], "g": np.repeat(np.arange(10), 12)},
    "two rows a group": {"y": np.tile([0, 1], 60), "g": np.arange(120) // 2},
    "two groups": {"y": np.tile([0, 1, 1], 40), "g": np.arange(120) % 2},
}


@pytest.mark.parametrize("case", EXTREMES)
def test_a_mode_is_found_at_the_extremes(case):
    model = glmm("y ~ 1 + (1 | g)", EXTREMES[case], "bernoulli")
    found = find_coordinates(model, {"intercept": 0.1}, joint=False)
    assert isinstance(found, Coordinates)
    value, gradient, code = density(Bound.of(model, found), np.zeros(found.whitening.middle.size))
    assert code == 0
    assert np.isfinite([value, *gradient]).all()


def test_many_groups():
    n = 20_000
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(n), 3)
    y = rng.poisson(np.exp(0.5 + 0.7 * rng.normal(size=n)[g]))
    found = find_coordinates(glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "poisson"), {"intercept": 0.5})
    assert np.exp(found.whitening.middle[1]) == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("blocks", ["(1 + x | g)", "(1 + x | g) + (1 | h)", "(1 | g) + (0 + x | g) + (1 | h)"])
def test_the_search_has_the_gradient_of_its_objective(blocks):
    model = glmm(f"y ~ x + {blocks}", table("poisson"), "poisson")
    bound = Bound.of(model)
    evaluator = compile_module._evaluator(model, bound, Rows.of(model))
    g = len(bound.priors)
    search = laplace._Search(evaluator, np.ones(g))
    theta = np.zeros(bound.dim)
    theta[:g] = [1.0, 0.1, -0.7, -0.9, 0.2, -0.6][:g]
    gradient = search.place(theta).slope
    for i in range(g):
        step = 1e-2 * np.eye(bound.dim)[i]
        slope = (search.place(theta + step).value - search.place(theta - step).value) / 2e-2
        assert gradient[i] == pytest.approx(slope, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", [name for name in WHITENED if name != "no block"])
def test_the_curvature_of_the_effects_is_that_of_differences(name):
    formula, family = WHITENED[name]
    model = glmm(formula, table(family), family)
    bound = Bound.of(model)
    evaluator = compile_module._evaluator(model, bound, Rows.of(model))
    shape, g = evaluator.shape, len(bound.priors)
    x = 0.3 * np.random.default_rng(6).normal(size=bound.dim)
    arrow, whole = evaluator.effects(x), evaluator_module.curvature(evaluator, x, np.ones(g))
    np.testing.assert_allclose(arrow.leaves, whole.leaves, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(arrow.core, whole.core[g:, g:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(arrow.cross, whole.cross[:, :, g:], rtol=1e-5, atol=1e-5)
    dense = np.zeros((bound.dim - g,) * 2)
    for i in range(bound.dim - g):
        step = np.zeros(bound.dim)
        step[shape.places[g + i]] = 1e-4
        dense[i] = evaluator.slope(x, step)[shape.places][g:] / 1e-4
    assert arrow.log_determinant(0.0) == pytest.approx(np.linalg.slogdet(dense)[1], abs=1e-5)
    right = np.arange(bound.dim - g, dtype=float)
    core, leaves = arrow.solve(right[: shape.core - g], right[shape.core - g :].reshape(shape.leaves), 0.0)
    np.testing.assert_allclose(np.r_[core, leaves.ravel()], np.linalg.solve(dense, right), rtol=1e-4, atol=1e-4)


def test_without_a_mode_the_coordinates_are_plain(monkeypatch):
    monkeypatch.setattr(compile_module, "marginal_mode", lambda *_: "no mode was found")
    fit = bg.fit(SEIZURE, bg.datasets.load("seizure"), "poisson", draws=20, tune=50, seed=1, progress=False)
    assert fit.draws.attrs["parameterization"] == "plain"
    assert "plain coordinates" in str(fit)


@pytest.mark.parametrize("eta", [-700.0, -40.0, 0.0, 40.0, 700.0])
@pytest.mark.parametrize(("family", "link"), [c for c in FAMILY_LINKS if c[0] in ("bernoulli", "binomial", "poisson")])
def test_the_tails_are_finite(family, link, eta):
    if (link, eta) in (("cloglog", 700.0), ("loglog", -700.0)):
        pytest.skip("exp(700) is finite, its square is not: the density of a success there is 1 to the last digit")
    if link == "sqrt" and eta == 0:
        pytest.skip("√ has no derivative of log μ at 0")
    response = "p(y, n)" if FAMILIES[family].outcome_type == "trials" else "y"
    bound = Bound.of(glmm(f"{response} ~ 1", table(family), family, link=link, priors={"intercept": "normal(0, 1000)"}))
    value, gradient, code = density(bound, np.array([eta]))
    assert code == 0
    assert np.isfinite([value, *gradient]).all()


@pytest.mark.parametrize(("family", "link"), FAMILY_LINKS)
def test_no_point_raises(family, link):
    """Far out the density may be beyond the range of doubles: then it says so by its code, and nothing else."""
    response = "p(y, n)" if FAMILIES[family].outcome_type == "trials" else "y"
    bound = Bound.of(glmm(f"{response} ~ x + (1 + x | g)", table(family), family, link=link))
    rng = np.random.default_rng(2)
    for scale in (0.0, 1.0, 30.0, 800.0):
        value, gradient, code = density(bound, scale * rng.normal(size=bound.dim))
        assert code == int(not np.isfinite([value, *gradient]).all())


@pytest.mark.parametrize(
    ("ours", "theirs", "where"),
    [
        (log_ndtr, special.log_ndtr, np.linspace(-900, 8, 60)),
        (
            mills,
            lambda x: np.exp(-(x**2) / 2 - np.log(2 * np.pi) / 2 - special.log_ndtr(x)),
            np.linspace(-25, 8, 60),
        ),
    ],
)
def test_special_functions(ours, theirs, where):
    np.testing.assert_allclose([ours(float(x)) for x in where], theirs(where), rtol=2e-13, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "exactly", "where"),
    [
        (exp, mpmath.exp, np.concatenate([np.linspace(-708, 709, 800), np.linspace(-1, 1, 801)])),
        (log, mpmath.log, np.concatenate([np.geomspace(1e-307, 1e308, 800), np.linspace(0.5, 2, 801)])),
        (twice_artanh, lambda s: 2 * mpmath.atanh(s), np.linspace(-1, 1, 801) / 3),
    ],
)
def test_functions_without_branches_are_right_to_the_last_digits(ours, exactly, where):
    with mpmath.workdps(40):
        expected = [float(exactly(mpmath.mpf(float(x)))) for x in where]
    np.testing.assert_allclose([ours(float(x)) for x in where], expected, rtol=5e-16, atol=0)


def test_exp_beyond_the_range_of_doubles():
    with np.errstate(over="ignore"):
        assert [exp(x) for x in (-np.inf, -750.0, 710.0, np.inf)] == [0.0, 0.0, np.inf, np.inf]
    np.testing.assert_allclose(exp(-740.0), np.exp(-740.0), rtol=0.01)
