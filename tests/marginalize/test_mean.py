"""E g⁻¹(η + N(0, v)) agrees with mpmath to 1e-10 for every link, and obeys the identities of an average."""

import tracemalloc

import mpmath as mp
import numpy as np
import pytest
from by_hand import LINK_ROWS
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from bayesglmm.errors import OptionError
from bayesglmm.marginalize.mean import REACH, link_of_mean, mean_over_b
from bayesglmm.specify.families.averaging import Latent
from bayesglmm.specify.families.links import LINKS

QUADRATURE = tuple(name for name, link in LINKS.items() if isinstance(link.averaging, Latent))
UNIT = (*QUADRATURE, "probit")
AVERAGED = tuple(name for name, link in LINKS.items() if link.averages)
EDGES = (0.5, 0.6, 0.75, 1.0, 1.2, 1.25, 1.5, 1.75, 1.8, 2.0, 2.4, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0)
TOLERANCE = 1e-10


def exact(name: str, eta: float, s: float) -> float:
    """Integrate to 20 digits, split where the normal density and the inverse link change."""
    inverse = LINK_ROWS[name].mu
    with mp.workdps(20):
        splits = {mp.mpf(k) for k in (-11, -5, 0, 5, 11)}
        splits |= {z for k in (-40, -10, -3, 0, 3, 10) if -11 < (z := mp.mpf(k - eta) / s) < 11}
        value, error = mp.quad(lambda z: mp.npdf(z) * inverse(eta + s * z), sorted(splits), error=True)
        assert error < 1e-14
        return float(value)


def dense(name: str, eta: np.ndarray, s: float) -> np.ndarray:
    """Average over 20,001 points of z: a step so small that the trapezoid is exact for √v up to 50."""
    z = np.linspace(-9, 9, 20_001)
    weight = np.exp(-np.square(z) / 2)
    with np.errstate(over="ignore"):
        return LINKS[name].inverse(eta[:, None] + s * z) @ (weight / weight.sum())


@pytest.mark.parametrize("name", QUADRATURE)
@pytest.mark.parametrize("s", [0.01, 0.6, 1.0, 1.001, 2.4, 2.401, 4.0, 4.001, 12.0, 50.0])
def test_error_against_mpmath_is_below_the_promise(name: str, s: float) -> None:
    for eta in (-40.0, -7.5 * min(s, 5), -0.7, 2.5):
        assert mean_over_b(LINKS[name], eta, s * s) == pytest.approx(exact(name, eta, s), abs=TOLERANCE, rel=0)


@pytest.mark.parametrize("name", QUADRATURE)
def test_error_on_a_grid_is_below_the_promise(name: str) -> None:
    eta = np.r_[np.linspace(-40, 40, 41), np.linspace(-4, 4, 40)]
    for s in np.r_[np.geomspace(1e-3, 50, 25), EDGES, np.array(EDGES) + 1e-6]:
        np.testing.assert_allclose(mean_over_b(LINKS[name], eta, s**2), dense(name, eta, s), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", QUADRATURE)
def test_error_at_random_places_is_below_the_promise(name: str) -> None:
    rng = np.random.default_rng(13)
    for eta, s in zip(rng.uniform(-40, 40, 25), np.r_[rng.uniform(0, 50, 10), rng.uniform(0, 6, 15)], strict=True):
        assert mean_over_b(LINKS[name], eta, s * s) == pytest.approx(exact(name, eta, s), abs=TOLERANCE, rel=0)


@pytest.mark.parametrize("name", QUADRATURE)
def test_rules_meet_where_one_takes_over_from_another(name: str) -> None:
    """Either side of each switch in √v, and of |η| = 7.5 √v, where the series for the Cauchy ends."""
    for edge in (*EDGES, 5.3):
        for s in (np.nextafter(edge, 0), edge, np.nextafter(edge, 9)):
            near = REACH * s * np.array([1 - 1e-9, 1, 1 + 1e-9])
            eta = np.r_[-near, -2.5, -s, 0.0, 1e-300, 0.7, near]
            np.testing.assert_allclose(mean_over_b(LINKS[name], eta, s**2), dense(name, eta, s), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("name", "inverse"), [("probit", mp.ncdf), ("log", mp.exp), ("sqrt", lambda x: x**2), ("identity", lambda x: x)]
)
def test_closed_forms_agree_with_mpmath(name: str, inverse) -> None:
    for eta, s in [(-40, 3), (-3.1, 0.2), (0, 5), (0.7, 1.3), (12, 6), (40, 0.01)]:
        with mp.workdps(40):
            value = mp.quad(lambda z, eta=eta, s=s: mp.npdf(z) * inverse(eta + s * z), range(-30, 31, 2))
        assert mean_over_b(LINKS[name], eta, s * s) == pytest.approx(float(value), rel=1e-10, abs=1e-40)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(UNIT), st.floats(-40, 40), st.floats(0, 50))
def test_error_anywhere_is_below_the_promise(name: str, eta: float, s: float) -> None:
    found = mean_over_b(LINKS[name], eta, s * s)
    assert 0 <= found <= 1
    assert abs(found - dense(name, np.array([eta]), s)[0]) < TOLERANCE


@pytest.mark.parametrize("name", AVERAGED)
def test_no_variance_returns_the_inverse_link_to_the_last_bit(name: str) -> None:
    eta = np.linspace(-40, 40, 81)
    np.testing.assert_array_equal(mean_over_b(LINKS[name], eta, 0.0), LINKS[name].inverse(eta))
    mixed = mean_over_b(LINKS[name], eta, np.where(eta > 0, 0.0, 1.0))
    np.testing.assert_array_equal(mixed[eta > 0], LINKS[name].inverse(eta[eta > 0]))


def test_closed_forms_are_those_of_the_textbook() -> None:
    eta, v = np.array([-2.0, 0.3, 1.5]), np.array([0.2, 1.0, 4.0])
    np.testing.assert_array_equal(mean_over_b(LINKS["identity"], eta, v), eta)
    np.testing.assert_allclose(mean_over_b(LINKS["log"], eta, v), np.exp(eta + v / 2))
    np.testing.assert_allclose(mean_over_b(LINKS["sqrt"], eta, v), eta**2 + v)
    np.testing.assert_allclose(mean_over_b(LINKS["probit"], eta, v), special.ndtr(eta / np.sqrt(1 + v)))


@pytest.mark.parametrize("name", AVERAGED)
def test_averaging_twice_is_averaging_once_over_the_sum_of_variances(name: str) -> None:
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    eta = np.linspace(-6, 6, 13)[:, None]
    for first, second in [(1.1, 0.4), (5.8, 0.5), (16.5, 4.0), (400.0, 30.0)]:
        twice = mean_over_b(LINKS[name], eta + np.sqrt(second) * z, first) @ (weight / weight.sum())
        np.testing.assert_allclose(mean_over_b(LINKS[name], eta[:, 0], first + second), twice, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["logit", "probit", "cauchit"])
def test_symmetric_links_stay_symmetric(name: str) -> None:
    eta = np.linspace(0, 40, 50)[:, None]
    v = np.square([0.0, 0.3, 1.0, 3.0, 9.0, 50.0])
    both = mean_over_b(LINKS[name], eta, v) + mean_over_b(LINKS[name], -eta, v)
    np.testing.assert_allclose(both, 1, atol=1e-13)


@pytest.mark.parametrize("name", UNIT)
def test_the_mean_is_a_probability_that_grows_with_eta(name: str) -> None:
    eta = np.linspace(-60, 60, 2_001)
    for s in (0.0, 0.7, 1.9, 3.0, 20.0):
        mean = mean_over_b(LINKS[name], eta, s**2)
        assert (mean >= 0).all()
        assert (mean <= 1).all()
        assert (np.diff(mean) >= -1e-13).all()


@pytest.mark.parametrize("name", [name for name in QUADRATURE if name != "loglog"])  # there they are of |z| > 7.5
def test_small_probabilities_keep_their_leading_digits(name: str) -> None:
    """Ratios of rare events are contrasts too: the terms are positive, so nothing cancels."""
    eta = np.array([-25.0, -15.0])
    for s in (0.2, 0.9, 2.0):
        np.testing.assert_allclose(mean_over_b(LINKS[name], eta, s**2), dense(name, eta, s), rtol=1e-7)


@pytest.mark.parametrize("name", UNIT)
def test_far_tails_and_huge_variances_give_no_warning(name: str) -> None:
    mean = mean_over_b(LINKS[name], np.array([-700.0, 700.0])[:, None], np.array([0.0, 1.0, 2500.0, 1e12]))
    assert ((mean >= 0) & (mean <= 1)).all()
    np.testing.assert_allclose(mean[:, -1], 0.5, atol=1e-3)


def test_a_mean_too_large_for_a_double_is_infinite() -> None:
    assert mean_over_b(LINKS["log"], 0.0, 2500.0) == np.inf


@pytest.mark.parametrize("name", AVERAGED)
def test_shapes_broadcast_and_order_does_not_matter(name: str) -> None:
    rng = np.random.default_rng(1)
    eta, v = rng.normal(0, 3, (200, 1, 150)), rng.gamma(1, 4, (1, 3, 150))
    mean = mean_over_b(LINKS[name], eta, v)
    assert mean.shape == (200, 3, 150)
    order = rng.permutation(150)
    np.testing.assert_allclose(mean_over_b(LINKS[name], eta[..., order], v[..., order]), mean[..., order], rtol=1e-13)
    np.testing.assert_allclose(mean_over_b(LINKS[name], eta[7, 0, 5], v[0, 2, 5]), mean[7, 2, 5], rtol=1e-13)
    assert mean_over_b(LINKS[name], np.empty((0, 4)), 1.0).shape == (0, 4)


def test_the_inputs_are_left_alone() -> None:
    eta, v = np.linspace(-3, 3, 7), np.linspace(0, 9, 7)
    copies = eta.copy(), v.copy()
    for name in AVERAGED:
        mean_over_b(LINKS[name], eta, v)
    np.testing.assert_array_equal(eta, copies[0])
    np.testing.assert_array_equal(v, copies[1])


def test_memory_is_the_result_and_a_few_chunks() -> None:
    eta, v = np.zeros(1_000_000), np.linspace(0, 30, 1_000_000)
    tracemalloc.start()
    mean = mean_over_b(LINKS["logit"], eta, v)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * mean.nbytes


def test_the_inverse_link_names_the_frames_that_are_defined() -> None:
    with pytest.raises(OptionError, match="'typical', 'group' and 'new_group'"):
        mean_over_b(LINKS["inverse"], 1.0, 0.5)


@pytest.mark.parametrize("v", [-1.0, np.nan, np.inf])
def test_a_variance_that_is_none_is_refused(v: float) -> None:
    with pytest.raises(OptionError, match="finite and not negative"):
        mean_over_b(LINKS["logit"], 0.0, v)


@pytest.mark.parametrize("name", AVERAGED)
def test_link_of_the_mean_is_the_link_of_the_mean(name: str) -> None:
    eta = np.array([-3.0, -0.4, 0.0, 0.9, 2.0])
    for v in (0.3, 4.0, 30.0):
        expected = LINKS[name].link(mean_over_b(LINKS[name], eta, v))
        np.testing.assert_allclose(link_of_mean(LINKS[name], eta, v), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["identity", "log", *UNIT])
def test_link_of_the_mean_without_variance_is_eta_however_far(name: str) -> None:
    eta = np.array([-600.0, -40.0, 0.5, 40.0, 600.0])
    np.testing.assert_array_equal(link_of_mean(LINKS[name], eta, 0.0), eta)


@pytest.mark.parametrize("s", [0.3, 1.0, 3.0, 15.0])
@pytest.mark.parametrize("eta", [2.0, 6.0, 20.0, 40.0])
def test_link_of_the_mean_keeps_digits_where_a_probability_rounds_to_one(s: float, eta: float) -> None:
    """The survival under cloglog, the Laplace transform of a log-normal, is as small as e^-3000 here."""
    with mp.workdps(40):
        w = mp.lambertw(s * s * mp.exp(eta)).real
        centre, width = -w / s, 1 / mp.sqrt(1 + w)
        splits = [centre + k * width for k in (-40, -20, -10, -5, -2.5, 0, 2.5, 5, 10, 20, 40)]
        survival = mp.quad(lambda z: mp.exp(-mp.exp(eta + s * z)) * mp.npdf(z), splits, maxdegree=8)
        exact = float(mp.log(-mp.log(survival)))
    assert link_of_mean(LINKS["cloglog"], eta, s * s) == pytest.approx(exact, rel=1e-8)
    assert link_of_mean(LINKS["loglog"], -eta, s * s) == pytest.approx(-exact, rel=1e-8)


@pytest.mark.parametrize("s", [0.5, 2.0])
def test_link_of_the_mean_in_the_tails_of_the_logit_is_log_normal(s: float) -> None:
    eta = np.array([-30.0, 30.0])
    expected = np.sign(eta) * (np.abs(eta) - s**2 / 2)
    np.testing.assert_allclose(link_of_mean(LINKS["logit"], eta, s**2), expected, rtol=1e-8)
