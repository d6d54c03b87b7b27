"""Every family's distribution function is scipy's, and mpmath's where scipy's loses digits."""

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from by_hand import FAMILY_ROWS
from extremes import Case
from mpmath import mpf
from scipy import stats

from bayesglmm.specify.families import FAMILIES, Family
from bayesglmm.specify.families.links import get_link

every_family = pytest.mark.parametrize("name", FAMILY_ROWS)


def cdf(family: Family, y: Any, mu: Any, parameters: tuple[float, ...], trials: Any = 1.0) -> Any:
    named = {p.name: np.asarray(value) for p, value in zip(family.parameters, parameters, strict=True)}
    assert family.cdf is not None
    with np.errstate(all="ignore"):
        return family.cdf(np.asarray(y, dtype=float), np.asarray(mu, dtype=float), named, np.asarray(trials))


def known(name: str, y: float, n: float, mu: float, parameters: tuple[float, ...]) -> float:
    """Return P(Y ≤ y) by scipy; of the two distributions whose functions lose digits there, by mpmath."""
    if name == "inverse_gaussian":
        with mpmath.workdps(60):
            y, mu, shape = mpf(y), mpf(mu), mpf(parameters[0])
            root = mpmath.sqrt(shape / y)
            second = mpmath.log(mpmath.erfc(root * (y / mu + 1) / mpmath.sqrt(2)) / 2) + 2 * shape / mu
            return float(mpmath.ncdf(root * (y / mu - 1)) + mpmath.exp(second))
    if name.startswith("negative"):
        size = parameters[0] if name == "negative_binomial" else mu / parameters[0]
        if size > 1e13 * max(mu, 1):
            return float(stats.poisson.cdf(y, mu))
        odds = mu / size if name == "negative_binomial" else parameters[0]
        return _upper_beta(y, size, odds)
    named = dict(zip((p.name for p in FAMILIES[name].parameters), parameters, strict=True))
    return float(FAMILY_ROWS[name].distribution(mu, n, **named).cdf(y))


def _upper_beta(y: float, size: float, odds: float) -> float:
    """The upper tail at odds/(1 + odds) of a beta distribution of 1 + y and the size."""
    share = odds / (1 + odds)
    return float(stats.beta.sf(share, y + 1, size) if share < 0.5 else stats.beta.cdf(1 / (1 + odds), size, y + 1))


def cases(name: str) -> Iterator[Case]:
    for case in FAMILY_ROWS[name].extremes():
        mu = float(get_link(case[0]).inverse(np.array(case[3])))
        if 1e-280 < mu < 1e280:
            yield case


@every_family
def test_at_the_ends_of_what_it_takes(name: str) -> None:
    family = FAMILIES[name]
    for link, y, n, eta, parameters in cases(name):
        mu = float(get_link(link).inverse(np.array(eta)))
        value = float(cdf(family, y, mu, parameters, n))
        assert value == pytest.approx(known(name, y, n, mu, parameters), rel=1e-6, abs=2e-11), (y, mu, parameters)


@every_family
def test_broadcasts_and_increases_from_0_to_1(name: str) -> None:
    family, row = FAMILIES[name], FAMILY_ROWS[name]
    mu = {"real": [-1.0, 2.0], "positive": [0.4, 7.0], "unit": [0.2, 0.7]}[family.link.range]
    y = np.append(np.linspace(-20, 60, 801), 1e6)[:, None]
    values = cdf(family, y, mu, tuple(row.parameters.values()), row.trials or 1.0)
    assert values.shape == (802, 2)
    assert (np.diff(values, axis=0) >= -1e-15).all()
    np.testing.assert_allclose(values[[0, -1]], [[0, 0], [1, 1]], atol=1e-6)


@every_family
def test_is_the_share_of_its_own_draws(name: str) -> None:
    family, row, rng = FAMILIES[name], FAMILY_ROWS[name], np.random.default_rng(20)
    mu = np.full(20_000, {"real": 2.0, "positive": 3.0, "unit": 0.3}[family.link.range])
    named = {key: np.asarray(value) for key, value in row.parameters.items()}
    drawn = family.draw(rng, mu, named, np.full(mu.shape, row.trials or 1.0))
    points = np.quantile(drawn, [0.1, 0.4, 0.7, 0.95])
    share = (drawn <= points[:, None]).mean(axis=1)
    values = cdf(
        family,
        points,
        2.0 if family.link.range == "real" else mu[:4],
        tuple(row.parameters.values()),
        row.trials or 1.0,
    )
    np.testing.assert_allclose(values, share, atol=5 * 0.5 / 20_000**0.5)


@pytest.mark.parametrize("name", ["negative_binomial", "negative_binomial1"])
@pytest.mark.parametrize("parameter", [1e-6, 0.5, 30.0, 1e6])
def test_negative_binomial_tails_by_summation(name: str, parameter: float) -> None:
    """P(Y ≤ y) as a sum of probabilities, in arithmetic of 40 digits."""
    exact, mu = FAMILY_ROWS[name].exact, 4.0
    with mpmath.workdps(40):
        total = mpf(0)
        for y in range(30):
            total += mpmath.exp(exact(mpf(y), mpf(1), mpf(mu), mpf(parameter)))
            assert float(cdf(FAMILIES[name], y, mu, (parameter,))) == pytest.approx(float(total), rel=1e-9)
