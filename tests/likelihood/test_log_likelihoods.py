"""The log likelihood of every family, link and structure: its value by other integrals, its gradient by differences."""

import numpy as np
import pandas as pd
import pytest
from by_hand import FAMILY_ROWS, N
from structures import STRUCTURES

import bayesglmm as bg
from bayesglmm.likelihood.objective import Objective
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.specify.families import FAMILIES

COMBINATIONS = [(family.name, link) for family in FAMILIES.values() for link in family.links]
AWAY = {"sqrt": 3.0, "inverse": 8.0, "inverse_squared": 8.0}
"""Intercepts away from η = 0, where these links end."""


def some_model(family: str, link: str | None, rhs: str, seed: int = 6):
    rng = np.random.default_rng(seed)
    y = FAMILY_ROWS[family].outcomes(rng, N).astype(float)
    data = pd.DataFrame({name: 0.3 * rng.normal(size=N) for name in ("x", "w", "v", "o")} | {"y": y, "n": 7.0})
    data["g"], data["h"] = rng.permutation(np.arange(N) % 6), rng.permutation(np.arange(N) % 4)
    response = "p(y, n)" if FAMILIES[family].outcome_type == "trials" else "y"
    return bg.glmm(f"{response} ~ {rhs}", data, family, link=link)


def some_theta(objective: Objective, intercept: float) -> np.ndarray:
    """Coefficients near 0, factors of covariances of both signs, family parameters off 1."""
    names = objective.coordinates.names
    theta = 0.3 * np.random.default_rng(2).normal(size=len(names))
    if "Intercept" in names:
        theta[names.index("Intercept")] += intercept
    theta[objective.coordinates.first_parameter :] += 0.5
    return theta


def differences(objective: Objective, theta: np.ndarray) -> np.ndarray:
    """The gradient by differences of fourth order."""
    result = []
    for step in 1e-3 * np.eye(len(theta)):
        up, down, up2, down2 = (objective.value(theta + times * step) for times in (1, -1, 2, -2))
        result.append((8 * (up - down) - (up2 - down2)) / 12e-3)
    return np.array(result)


def agree(objective: Objective, intercept: float) -> None:
    theta = some_theta(objective, intercept)
    value, gradient = objective.value_and_gradient(theta)
    assert np.isfinite(value)
    expected = differences(objective, theta)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_the_gradient_of_few_points_of_every_family_and_link(family, link):
    agree(Objective(some_model(family, link, "x + (1 + x | g)"), 3), AWAY.get(link, 0.3))


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_the_gradient_of_joint_laplace_of_every_family_and_link(family, link):
    agree(Objective(some_model(family, link, "x + (1 + x | g) + (1 | h)")), AWAY.get(link, 0.3))


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_gradient_of_every_structure(structure, restricted):
    model = some_model("negative_binomial", None, STRUCTURES[structure].rhs)
    agree(Objective(model, restricted=restricted), 0.3)


@pytest.mark.parametrize(("family", "link"), COMBINATIONS)
def test_many_points_are_the_integral_by_a_lattice(family, link):
    """`over_effects` sums over a lattice to about 1e-10, of one mode: under the sqrt link η and −η are alike, so that
    the prior is put far from 0."""
    model = some_model(family, link, "x + (1 + x | g)")
    objective = Objective(model, 40)
    theta = some_theta(objective, {**AWAY, "sqrt": 6.0}.get(link, 0.3))
    at, design = objective.coordinates.split(theta), model.design
    block, outcome, root = design.blocks[0], design.outcome, at.roots[0]
    names = [parameter.name for parameter in model.family.parameters]
    groups = Groups(
        family=model.family,
        y=outcome.y,
        trials=outcome.trials_or_ones,
        weights=outcome.weights_or_ones,
        z=block.z,
        index=block.index,
        eta=(design.offset + design.x @ at.beta)[None],
        g=(root @ root.T)[None],
        parameters={name: np.array([[value]]) for name, value in zip(names, at.parameters, strict=True)},
    )
    assert objective.value(theta) == pytest.approx(over_effects(groups).log.sum(), rel=1e-8, abs=1e-7)


def test_values_do_not_depend_on_the_sign_of_a_column_of_a_factor():
    objective = Objective(some_model("poisson", None, "x + (1 + x | g) + (1 | h)"))
    theta = some_theta(objective, 0.3)
    turned = theta * np.where(np.char.endswith(objective.coordinates.names, ",x]"), -1.0, 1.0)
    assert objective.value(turned) == pytest.approx(objective.value(theta), abs=1e-10)
    assert (turned != theta).any()


def test_where_it_is_not_defined_it_is_minus_infinity():
    objective = Objective(some_model("gamma", "inverse", "x + (1 | g)"))
    theta = some_theta(objective, -8.0)
    value, gradient = objective.value_and_gradient(theta)
    assert value == -np.inf
    assert not gradient.any()
