"""Averages over a random effect agree with SciPy's quadrature, attenuation with Zeger, Liang and Albert."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, special

import bayesglmm as bg
from bayesglmm.errors import FamilyError, OptionError
from bayesglmm.specify.families.links import get_link

LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit", "log", "identity")


def by_quadrature(inverse, eta, sd):
    """Integrate g⁻¹(η + sd z) φ(z), split where g⁻¹ is steep."""

    def integrand(z):
        return inverse(np.asarray(eta + sd * z)) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    steep = -eta / sd if sd > 0 else 0.0
    points = sorted({-12.0, 12.0, *np.clip([steep - 5 / sd, steep, steep + 5 / sd], -12, 12)})
    parts = [
        integrate.quad(integrand, low, high, epsabs=1e-13, epsrel=1e-12, limit=500)[0] for low, high in pairwise(points)
    ]
    return sum(parts)


@pytest.mark.parametrize("link", LINKS)
def test_means_over_a_normal_effect_are_those_of_quadrature(link):
    eta, sd = np.array([-4.0, -0.7, 0.0, 1.1, 3.0]), np.array([[0.3], [1.0], [2.5]])
    means = bg.population_mean(eta, sd, link=link)
    assert means.shape == (3, 5)
    inverse = get_link(link).inverse
    expected = [[by_quadrature(inverse, e, s) for e in eta] for s in sd[:, 0]]
    np.testing.assert_allclose(means, expected, rtol=1e-10 if link in ("log", "identity") else 0, atol=1e-10)


def test_the_mean_over_three_values_is_below_the_mean_at_zero():
    assert round(bg.population_mean(1, values=[-2, 0, 2]), 3) == 0.651
    assert round(bg.population_mean(1, 0), 3) == 0.731
    weighted = bg.population_mean([1.0, -1.0], values=[-2, 0, 2], probabilities=[0.2, 0.5, 0.3], link="probit")
    expected = special.ndtr(np.add.outer([1.0, -1.0], [-2, 0, 2])) @ [0.2, 0.5, 0.3]
    np.testing.assert_allclose(weighted, expected, rtol=1e-14)


def test_a_discrete_effect_on_the_nodes_of_hermite_is_the_normal_one():
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    discrete = bg.population_mean([-1.0, 0.5], values=1.3 * nodes, probabilities=weights)
    np.testing.assert_allclose(discrete, bg.population_mean([-1.0, 0.5], 1.3), atol=1e-10)


def test_attenuation_is_that_of_zeger_liang_and_albert():
    squared = (16 * np.sqrt(3) / (15 * np.pi)) ** 2
    assert round(squared, 3) == 0.346
    np.testing.assert_allclose(1.1 * bg.attenuation(2).factor, 1.1 / np.sqrt(1 + squared * 2))
    assert round(1.1 * bg.attenuation(2, "logit").factor, 2) == 0.85
    assert isinstance(bg.attenuation(2).factor, float)
    assert bg.attenuation([[0.5, 1], [2, 4]]).factor.shape == (2, 2)


@pytest.mark.parametrize("link", ["identity", "log", "probit"])
def test_exact_attenuation_is_the_link_of_the_mean(link):
    eta, v = np.linspace(-2, 2, 9), np.array([[0.0], [0.5], [4.0]])
    result = bg.attenuation(v, link)
    assert result.exact
    mean = bg.population_mean(eta, np.sqrt(v), link=link)
    np.testing.assert_allclose(get_link(link).link(mean), result.marginal(eta), atol=1e-10)


def test_the_logistic_factor_is_close_and_says_that_it_is_not_exact():
    eta = np.linspace(-3, 3, 25)
    result = bg.attenuation(2.0)
    error = special.expit(result.marginal(eta)) - bg.population_mean(eta, np.sqrt(2))
    assert not result.exact
    assert 1e-4 < np.abs(error).max() < 0.01


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"eta": 1}, "either sd= .* or values="),
        ({"eta": 1, "sd": 1, "values": [1]}, "either sd= .* or values="),
        ({"eta": 1, "sd": -1}, "not negative"),
        ({"eta": 1, "sd": np.inf}, "finite"),
        ({"eta": 1, "sd": 1, "probabilities": [1]}, "sd= alone"),
        ({"eta": 1, "values": []}, "list of finite numbers"),
        ({"eta": 1, "values": [1, 2], "probabilities": [0.5, 0.6]}, "2 numbers from 0 up that sum to 1"),
        ({"eta": 1, "values": [1, 2], "probabilities": [1]}, "2 numbers"),
        ({"eta": 1, "values": [1, 2], "probabilities": [np.nan, 1]}, "2 numbers"),
        ({"eta": 1, "sd": 1, "link": "inverse"}, "no average"),
        ({"eta": 1, "values": [-2, 0], "link": "inverse"}, "defined above 0"),
    ],
)
def test_what_is_no_random_effect_is_refused(arguments, text):
    with pytest.raises(OptionError, match=text):
        bg.population_mean(**arguments)


def test_links_and_variances_that_are_none_are_refused():
    with pytest.raises(OptionError, match="identity, log, probit and logit"):
        bg.attenuation(1, "cloglog")
    with pytest.raises(OptionError, match="not negative"):
        bg.attenuation([1, -1])
    with pytest.raises(FamilyError, match="did you mean 'logit'"):
        bg.attenuation(1, "logt")
    assert bg.population_mean(2.0, values=[-1, 1], link="inverse") == pytest.approx((1 + 1 / 3) / 2)
