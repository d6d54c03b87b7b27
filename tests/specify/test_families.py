"""One row a family: its density is scipy's, its draws have its moments, its support is what it says."""

import re
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from by_hand import FAMILY_LINKS, FAMILY_ROWS
from scipy import stats

from bayesglmm.errors import FamilyError, ResponseError
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.specify.families import FAMILIES, Family, get_family
from bayesglmm.specify.families.links import LINKS

STANDARD_ERRORS = 5
"""How far a Monte Carlo moment may lie from the exact one: a chance below one in a million each."""


MEANS = {"real": [-3.0, 0.4, 8.0], "positive": [0.3, 2.0, 11.0], "unit": [0.05, 0.5, 0.9]}

every_family = pytest.mark.parametrize("name", FAMILY_ROWS)
every_link = pytest.mark.parametrize(("name", "link"), FAMILY_LINKS)


def means(family: Family) -> np.ndarray:
    return np.array(MEANS[family.link.range])


def trials(name: str, like: np.ndarray) -> np.ndarray | None:
    return None if FAMILY_ROWS[name].trials is None else np.full(like.shape, FAMILY_ROWS[name].trials)


def counted(name: str, like: np.ndarray) -> np.ndarray:
    return np.full(like.shape, FAMILY_ROWS[name].trials or 1.0)


def drawn(name: str, mu: np.ndarray, link: str | None = None) -> np.ndarray:
    parameters = {key: np.array(value) for key, value in FAMILY_ROWS[name].parameters.items()}
    return get_family(name, link).draw(np.random.default_rng(20), mu, parameters, counted(name, mu))


def test_every_family_has_a_row() -> None:
    for name in set(FAMILIES) ^ set(FAMILY_ROWS):
        pytest.fail(
            f"FAMILY_ROWS of tests/by_hand.py and bayesglmm/specify/families/ differ in '{name}': write the row "
            f'"{name}": FamilyRow(links, distribution, exact, outcomes, extremes, refused, parameters), see '
            "docs/extending.md"
        )


@every_family
def test_links_and_parameters_are_those_of_the_table(name: str) -> None:
    family, row = get_family(name), FAMILY_ROWS[name]
    assert family.links == row.links
    assert family.link.name == row.links[0]
    assert {parameter.name for parameter in family.parameters} == set(row.parameters)
    assert set(family.links) <= set(LINKS)
    assert set(family.effect) <= set(family.links)


@every_family
def test_variance_is_exact(name: str) -> None:
    mu, row = means(get_family(name)), FAMILY_ROWS[name]
    expected = row.distribution(mu, row.trials, **row.parameters)
    np.testing.assert_allclose(expected.mean(), mu * (row.trials or 1), rtol=1e-12)
    variance = get_family(name).variance(mu, row.parameters, counted(name, mu))
    np.testing.assert_allclose(variance, expected.var(), rtol=1e-12)


@every_family
def test_draws_have_the_mean_and_the_variance(name: str) -> None:
    row, size = FAMILY_ROWS[name], 200_000
    mu = np.broadcast_to(means(get_family(name)), (size, 3))
    y = drawn(name, mu)
    assert y.shape == mu.shape
    exact = row.distribution(mu[0], row.trials, **row.parameters)
    squared = (y - exact.mean()) ** 2
    for sample, expected in ((y, exact.mean()), (squared, exact.var())):
        error = sample.std(axis=0) / np.sqrt(size)
        assert (np.abs(sample.mean(axis=0) - expected) <= STANDARD_ERRORS * error + 1e-12).all()


@every_link
def test_the_pymc_density_is_scipys(name: str, link: str) -> None:
    family, row = get_family(name, link), FAMILY_ROWS[name]
    mu = means(family if family.link.range == "real" else get_family(name, link))
    y = drawn(name, mu, link)
    n = None if row.trials is None else pt.constant(counted(name, mu).astype(int))
    parameters = {key: np.float64(value) for key, value in row.parameters.items()}
    arguments = family.distribution(pt.constant(family.link.link(mu)), family.link, parameters, n)
    observed = y if family.outcome_type == "continuous" else y.astype(int)
    logp = pm.logp(getattr(pm, family.pymc).dist(**arguments), observed).eval(mode="FAST_COMPILE")
    expected = row.logpdf(y, mu, row.parameters, counted(name, mu))
    np.testing.assert_allclose(logp, expected, rtol=1e-10)


@every_link
def test_draws_at_extreme_means_are_outcomes_too(name: str, link: str) -> None:
    family = get_family(name, link)
    eta = np.array([-700.0, -40.0, 40.0, 700.0] if family.link.increasing else [1e-12, 40.0, 700.0])
    mu = np.repeat(family.link.inverse(eta)[:, None], 50, axis=1)
    y = drawn(name, mu, link)
    assert not np.isnan(y).any()
    y = np.minimum(y, 2.0**53) if family.outcome_type == "count" else y
    family.check("y", y.ravel(), trials(name, y.ravel()), None, np.arange(y.size))


@pytest.mark.parametrize(
    ("name", "value", "reason"), [(name, *case) for name, row in FAMILY_ROWS.items() for case in row.refused]
)
def test_a_value_off_the_support_is_named_with_its_row(name: str, value: float, reason: str) -> None:
    y = drawn(name, np.full(5, means(get_family(name))[1]))
    rows = np.arange(10, 15)
    get_family(name).check("out", y, trials(name, y), None, rows)
    y[3] = value
    with pytest.raises(
        ResponseError, match=rf"{name} response 'out'.*{reason}.*found {re.escape(f'{value:.15g}')}.* in row 13"
    ):
        get_family(name).check("out", y, trials(name, y), None, rows)


def test_many_values_off_the_support_are_counted() -> None:
    with pytest.raises(ResponseError, match=r"in rows 0, 1, 2, 3, 4 … \(35 more\)"):
        get_family("poisson").check("y", np.full(40, 0.5), None, None, np.arange(40))


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_a_row_without_trials_is_refused(size: float) -> None:
    with pytest.raises(ResponseError, match="at least one trial; drop the rows"):
        get_family("binomial").check("y", np.zeros(2), np.array([3.0, size]), None, np.arange(2))


@every_family
def test_trials_labels_and_categories_are_for_the_families_that_have_them(name: str) -> None:
    family, y = get_family(name), np.array([0.0, 1.0])
    if family.outcome_type == "trials":
        with pytest.raises(ResponseError, match=r"write p\(y, trials\).*bernoulli"):
            family.check("y", y, None, None, np.arange(2))
    else:
        with pytest.raises(ResponseError, match=f'{name} family has not; use family="binomial"'):
            family.check("y", y, np.ones(2), None, np.arange(2))
    if family.outcome_type == "binary":
        family.check("y", y, None, ("no", "yes"), np.arange(2))
        with pytest.raises(ResponseError, match=r"3 categories \(a, b, c\).*recode"):
            family.check("y", y, None, ("a", "b", "c"), np.arange(2))
    else:
        with pytest.raises(ResponseError, match=r"labels \(no, yes\).*needs numbers.*bernoulli"):
            family.check("y", y, trials(name, y), ("no", "yes"), np.arange(2))


@pytest.mark.parametrize(
    ("family", "link", "expected"),
    [
        ("poison", None, "did you mean 'poisson'.*known: .*student"),
        ("Normal", None, "is called 'gaussian' here"),
        ("nbinom2", None, "is called 'negative_binomial' here"),
        (["poisson"], None, "a name such as 'poisson', not list"),
        (stats.norm, None, "a name such as 'poisson'"),
        ("poisson", "logit", "poisson family has no link 'logit'.*log, sqrt"),
        ("bernoulli", "probt", "did you mean 'probit'"),
        ("gaussian", ["log"], "gaussian family has no link"),
        (FAMILIES["beta"], "probit", "beta family has no link 'probit'"),
    ],
)
def test_an_unknown_family_or_link_is_refused_with_the_known_ones(family: Any, link: Any, expected: str) -> None:
    with pytest.raises(FamilyError, match=expected):
        get_family(family, link)


def test_a_family_with_another_link_is_a_changed_copy() -> None:
    probit = get_family("bernoulli", "probit")
    assert probit.link is LINKS["probit"]
    assert get_family(probit) is probit
    assert get_family("bernoulli").link is LINKS["logit"]
    assert repr(probit) == "Family('bernoulli', link='probit')"


@every_link
def test_the_compiled_rows_and_the_constant_are_scipys_density(name: str, link: str) -> None:
    """Each row a group whose effects do not vary: what is left is the density of the row, nothing missing."""
    family, row = get_family(name, link), FAMILY_ROWS[name]
    mu = means(family)
    y = drawn(name, mu, link)
    parameters = {parameter.name: np.array([[row.parameters[parameter.name]]]) for parameter in family.parameters}
    eta, g = family.link.link(mu)[None], np.zeros((1, 1, 1))
    rows = Groups(family, y, counted(name, mu), np.ones(3), np.ones((3, 1)), np.arange(3), eta, g, parameters)
    expected = row.logpdf(y, mu, row.parameters, counted(name, mu))
    np.testing.assert_allclose(over_effects(rows).log[0], expected, rtol=1e-10, atol=1e-12)
