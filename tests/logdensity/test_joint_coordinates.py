"""Coordinates of coefficients and effects together: a change of variables, exact where the pseudo-data are."""

import numpy as np
import pytest
from by_hand import table
from compiled_density import WHITENED, density

from bayesglmm.logdensity.compile import find_coordinates, variables
from bayesglmm.logdensity.header import Bound, Coordinates
from bayesglmm.specify.model import Model, glmm

NESTED = "y ~ x + (1 | h) + (1 | h:g)"
BLOCKS = {name: case for name, case in WHITENED.items() if name != "no block"}
BLOCKS["nested"] = (NESTED, "gaussian")
BLOCKS["no coefficients"] = ("y ~ 0 + (1 | g) + (1 | h)", "poisson")
BLOCKS["a bounded coefficient"] = ("y ~ x + (1 | g)", "poisson")


def model_of(name: str) -> Model:
    formula, family = BLOCKS[name]
    priors = {"x": "uniform(-2, 2)"} if name == "a bounded coefficient" else None
    return glmm(formula, table(family), family, priors=priors)


def joint(model: Model) -> Coordinates:
    found = find_coordinates(model, {}, joint=True)
    assert isinstance(found, Coordinates)
    assert found.joint is not None
    return found


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_the_gradient_is_that_of_differences(name, signed):
    model = model_of(name)
    found = joint(model)
    if signed:
        first = len(model.priors.slopes) + int(model.design.has_intercept)
        found = Coordinates(found.information, found.linear, found.whitening, found.joint, {first: 0.7})
    bound, rng = Bound.of(model, found), np.random.default_rng(4)
    w = 0.5 * rng.normal(size=bound.dim)
    _, gradient, code = density(bound, w)
    assert code == 0
    for i in range(bound.dim):
        step = np.zeros(bound.dim)
        step[i] = 1e-5
        slope = (density(bound, w + step)[0] - density(bound, w - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def dense(model: Model, found: Coordinates) -> tuple[np.ndarray, np.ndarray]:
    """Return K of coefficients and effects (in the order of the density's coordinates), and r, as dense arrays."""
    pattern, plain = found.joint.pattern, []
    c = len(found.joint.where)
    for first, block in zip(pattern.first, model.design.blocks, strict=True):
        plain.append(np.arange(first, first + block.size * len(block.levels)))
    order = np.concatenate([np.arange(c), *plain])
    whole, at = np.zeros((pattern.size, pattern.size)), 0
    for part in pattern.parts:
        i, j = part.entries()
        own = found.joint.information[at : at + len(i)]
        np.add.at(whole, (i, j), own)
        off = i != j
        if part.blocks[0] != part.blocks[1] or (part.blocks == (-1, -1) and off.all()):
            np.add.at(whole, (j[off], i[off]), own[off])
        at += len(i)
    return whole[np.ix_(order, order)], found.joint.pull[order]


@pytest.mark.parametrize("name", BLOCKS)
def test_it_is_a_change_of_variables(name):
    """The same variables have the same density, but for the Jacobian of v = C⁻¹(u + C⁻ᵀTᵀr), CᵀC = P + TᵀKT."""
    model = model_of(name)
    chosen = joint(model)
    chosen = Coordinates(chosen.information, chosen.linear, joint=chosen.joint)
    plain, other = Bound.of(model), Bound.of(model, chosen)
    k, r = dense(model, chosen)
    g, where, c, rng = len(plain.priors), chosen.joint.where, len(chosen.joint.where), np.random.default_rng(3)
    places = np.concatenate([where, np.arange(g, plain.dim)])
    by_size = np.argsort([len(block.levels) for block in model.design.blocks], kind="stable")
    differences = []
    for _ in range(4):
        u = 0.5 * rng.normal(size=plain.dim)
        shown, root, start = variables(model, other, u), np.eye(len(places)), c
        ends = []
        for block in model.design.blocks:
            size, levels = block.size, len(block.levels)
            correlation = np.eye(size)
            if block.correlated:
                correlation[np.tril_indices(size, -1)] = shown[f"corr_{block.name}"]
                correlation += np.tril(correlation, -1).T
            own = shown[f"sd_{block.name}"][:, None] * np.linalg.cholesky(correlation)
            root[start : start + size * levels, start : start + size * levels] = np.kron(np.eye(levels), own)
            ends.append(np.arange(start, start + size * levels))
            start += size * levels
        q = np.diag(np.r_[chosen.joint.precision[:c], np.ones(len(places) - c)]) + root.T @ k @ root
        order = np.concatenate([np.arange(c), *(ends[number] for number in by_size)])
        flipped = q[np.ix_(order, order)][::-1, ::-1]  # CᵀC with C lower is LLᵀ from the other end
        factor = np.linalg.cholesky(flipped)[::-1, ::-1].T
        v = np.empty(len(places))
        v[order] = np.linalg.solve(factor, u[places][order] + np.linalg.solve(factor.T, (root.T @ r)[order]))
        z = u.copy()
        z[places] = v
        for ours, theirs in zip(shown.values(), variables(model, plain, z).values(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-9)
        differences.append(density(other, u)[0] + np.log(np.diag(factor)).sum() - density(plain, z)[0])
    assert np.ptp(differences) < 1e-8


@pytest.mark.parametrize("name", ["crossed", "nested", "two on one factor", "diagonal"])
def test_of_a_gaussian_model_they_are_standard_normal_whatever_the_sds_are(name):
    """At the residual sd of the pseudo-data the density is −|u|²/2 beside its value at u = 0, for all sds."""
    formula, _ = BLOCKS[name]
    model = glmm(formula, table("gaussian"), "gaussian")
    found = joint(model)
    chosen = Coordinates(found.information, found.linear, joint=found.joint)
    bound, rng = Bound.of(model, chosen), np.random.default_rng(2)
    g = len(bound.priors)
    free = np.concatenate([found.joint.where, np.arange(g, bound.dim)])
    prior = model.priors.slopes[0].prior.numbers()[1] if model.priors.slopes else 1.0
    assert np.isfinite(prior)
    for _ in range(5):
        x = np.zeros(bound.dim)
        x[np.setdiff1d(np.arange(g), found.joint.where)] = 2 * rng.normal(size=g - len(found.joint.where))
        x[g - 1] = found.whitening.middle[g - 1]  # log σ
        u = rng.normal(size=len(free))
        moved = x.copy()
        moved[free] = u
        assert density(bound, moved)[0] - density(bound, x)[0] == pytest.approx(-0.5 * u @ u, abs=1e-4)


def test_a_sign_of_an_sd_changes_nothing():
    """(sd, z) and (−sd, −z) are the same effects: the density is even, and what is reported does not change."""
    model = glmm("y ~ x + (1 + x | g)", table("poisson"), "poisson")
    found = joint(model)
    first = 2
    chosen = Coordinates(found.information, found.linear, joint=found.joint, signed={first: 0.5, first + 1: 0.8})
    bound, rng = Bound.of(model, chosen), np.random.default_rng(1)
    g, levels = len(bound.priors), len(model.design.blocks[0].levels)
    x = 0.5 * rng.normal(size=bound.dim)
    x[g - 1] = 0.3
    both = x.copy()
    both[[first, first + 1]] *= -1
    both[g:] *= -1
    assert density(bound, both)[0] == pytest.approx(density(bound, x)[0], abs=1e-9)
    for ours, theirs in zip(variables(model, bound, both).values(), variables(model, bound, x).values(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    one = x.copy()
    one[first + 1] *= -1  # the slope's alone: its effects and their correlation with the intercept's change sign
    ours, theirs = variables(model, bound, one), variables(model, bound, x)
    np.testing.assert_allclose(ours["sd_g"], theirs["sd_g"])
    assert ours["corr_g"] == pytest.approx(-theirs["corr_g"])
    assert levels * 2 == bound.dim - g
