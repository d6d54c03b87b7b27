"""Every family at the ends of its parameters, its counts and its linear predictor, against 340-digit arithmetic."""

import ctypes
import math

import mpmath
import numpy as np
import pytest
from by_hand import FAMILY_ROWS
from exactly import DIGITS, derivatives
from extremes import Case
from scipy import stats

from bayesglmm.compiled.kernels import family_address, link_address
from bayesglmm.compiled.workspace import CHUNK, WORK, Work
from bayesglmm.specify.families import Family, get_family
from bayesglmm.specify.families.special import log1p, log1p_less, stirling, stirlings

DIGITS_KEPT = 1e-10
"""Of the value and of derivatives, each against the larger of itself and its natural scale."""

SHARE = 40
"""Cases of a family that are tried by default: every so many-th of them."""


def evaluated(family: Family, y: float, n: float, eta: float, parameters: tuple[float, ...]) -> list[float]:
    """The compiled log density of one row with its constant, and its derivatives by η and the logs of parameters."""
    link = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(link_address(family.link.rows))
    rows = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 4)(family_address(family))
    work, own = np.zeros((WORK + len(parameters), CHUNK)), np.array([*parameters, 0.0])
    work[Work.ETA, 0] = eta
    outcome, counted = np.array([y]), np.array([n])
    link(1, work.ctypes.data)
    rows(1, *(array.ctypes.data for array in (outcome, counted, work, own)))
    value = float(work[Work.LL, 0]) + float(family.constant(outcome, counted)[0])
    by_parameters = [float(slope) * p for slope, p in zip(work[WORK:, 0], parameters, strict=True)]
    return [value, float(work[Work.D_ETA, 0]), *by_parameters]


def differences(name: str, cases: list[Case]) -> dict[Case, list[float]]:
    """The relative errors of the cases in which one is above the limit."""
    wrong = {}
    with mpmath.workdps(DIGITS):
        for case in cases:
            link, y, n, eta, parameters = case
            value, slopes = derivatives(name, link, y, n, eta, parameters)
            found = evaluated(get_family(name, link), y, n, eta, parameters)
            errors = [abs(found[0] - value) / max(1, abs(value))]
            for number, (ours, (slope, curvature)) in enumerate(zip(found[1:], slopes, strict=True)):
                least = mpmath.mpf(10) ** -290 if number == 0 else mpmath.mpf(10) ** -5
                errors.append(abs(ours - slope) / max(abs(slope), mpmath.sqrt(abs(curvature)), least))
            beyond = abs(value) > mpmath.mpf(10) ** 300  # the range of doubles
            if not beyond and not max(errors) < DIGITS_KEPT:
                wrong[case] = [float(error) for error in errors]
    return wrong


@pytest.mark.parametrize("name", FAMILY_ROWS)
def test_log_densities_keep_ten_digits(name):
    cases = list(FAMILY_ROWS[name].extremes())
    assert differences(name, cases[:: max(1, len(cases) // SHARE)]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY_ROWS)
def test_log_densities_keep_ten_digits_everywhere(name):
    assert differences(name, list(FAMILY_ROWS[name].extremes())) == {}


LARGEST = (
    ("poisson", "log", 1e15, 1.0, math.log(1e15), ()),
    ("poisson", "log", 2.0**53, 1.0, math.log(2.0**53), ()),
    ("binomial", "logit", 2.0**52, 2.0**53, 1e-9, ()),
    ("binomial", "probit", 1e15, 2.0**53, -1.2, ()),
    ("negative_binomial", "log", 1e15, 1.0, math.log(1.1e15), (1e12,)),
    ("negative_binomial1", "log", 1e15, 1.0, math.log(1e15), (1e-13,)),
)


@pytest.mark.parametrize("case", LARGEST)
def test_the_largest_counts_are_limited_by_the_last_digit_of_the_mean_alone(case):
    """At 2^53 a unit in the last place of the mean is 1e-8 of a standard deviation."""
    name, link, y, n, eta, parameters = case
    with mpmath.workdps(DIGITS):
        value, slopes = derivatives(name, link, y, n, eta, parameters)
        found = evaluated(get_family(name, link), y, n, eta, parameters)
        assert abs(found[0] - value) < 1e-7 * max(1, abs(value))
        slope, curvature = slopes[0]
        assert abs(found[1] - slope) < 1e-7 * max(abs(slope), mpmath.sqrt(curvature))


@pytest.mark.parametrize("name", [name for name in FAMILY_ROWS if name not in ("bernoulli", "binomial")])
def test_constants_of_many_rows_are_those_of_each(name):
    """The constant is of a row alone: rows of both forms stand beside each other."""
    family = get_family(name)
    y = np.array([0.2, 0.7]) if name == "beta" else np.array([1.0, 7.0, 8192.0, 8193.0, 1e9])
    ones = np.ones_like(y)
    together = family.constant(y, ones)
    np.testing.assert_array_equal(together, [family.constant(y[[i]], ones[[i]])[0] for i in range(len(y))])


def test_few_and_many_trials_are_of_one_density():
    """Across the limit from which rows are taken less their height the density of scipy goes on."""
    family = get_family("binomial")
    n = np.array([8191.0, 8192.0, 8193.0, 20000.0, 8193.0, 8193.0])
    y = np.array([3000.0, 3000.0, 3000.0, 19999.0, 0.0, 8193.0])
    found = [evaluated(family, float(a), float(b), 0.3, ())[0] for a, b in zip(y, n, strict=True)]
    np.testing.assert_allclose(found, stats.binom(n, 1 / (1 + np.exp(-0.3))).logpmf(y), rtol=1e-9)


def test_stirlings_remainder_and_its_slope():
    where = np.concatenate([np.geomspace(1e-300, 1e-3, 30), np.geomspace(1e-3, 40, 200), np.geomspace(40, 1e18, 30)])
    with mpmath.workdps(60):
        for x in where:
            exactly = mpmath.mpf(float(x))
            value = mpmath.loggamma(exactly) - (exactly - 0.5) * mpmath.log(exactly) + exactly
            value -= mpmath.log(2 * mpmath.pi) / 2
            slope = mpmath.digamma(exactly) - mpmath.log(exactly) + 1 / (2 * exactly)
            least = 1 if x < 8 else 0
            ours, by_x = stirling(float(x))
            assert abs(ours - value) < 2e-14 * max(abs(value), least)
            assert abs(by_x - slope) < 2e-13 * max(abs(slope), least)
            assert abs(stirlings(np.array([x]))[0] - value) < 2e-14 * max(abs(value), least)


def test_logarithms_less_their_argument():
    with mpmath.workdps(DIGITS):
        for x in np.concatenate([-np.geomspace(1e-200, 0.5, 200), np.geomspace(1e-200, 1.0, 200)]):
            exactly = mpmath.log1p(mpmath.mpf(float(x)))
            if abs(x) > 1e-150:  # its square underflows below
                assert abs(log1p_less(float(x)) - (exactly - mpmath.mpf(float(x)))) < 1e-15 * abs(x) ** 2
            assert abs(log1p(float(x)) - exactly) < 1e-15 * abs(exactly)
        for x in (-0.999999, -0.7, 1.5, 1e9, 1e200):
            assert abs(log1p(x) - mpmath.log1p(mpmath.mpf(x))) < 1e-15 * abs(mpmath.log1p(mpmath.mpf(x)))
