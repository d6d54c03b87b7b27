"""Links against mpmath: inverses, slopes, both tails, and the tensors against the arrays."""

from collections.abc import Callable

import mpmath
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from by_hand import LINK_ROWS
from mpmath import mpf

from bayesglmm.errors import FamilyError
from bayesglmm.specify.families.links import LINKS, Link, get_link

DIGITS = 60
EXTREMES = np.array([0.0, 1e-3, 1.0, 30.0, 700.0])
GRID = np.array([1e-3, 0.1, 0.5, 1.0, 2.5, 5.0, 8.0, 14.9, 15.1, 20.0, 30.0])
EITHER_SIDE = np.concatenate([-GRID[::-1], [0.0], GRID])

every_link = pytest.mark.parametrize("link", [LINKS[name] for name in LINK_ROWS], ids=LINK_ROWS)
unit_link = pytest.mark.parametrize("name", [name for name, row in LINK_ROWS.items() if row.tails is not None])


def allowed(link: Link, eta: np.ndarray) -> np.ndarray:
    """Keep the η that a mean can have: above zero where g⁻¹ is not one-to-one or not positive below."""
    return eta if link.increasing else eta[eta > 0]


def exactly(function: Callable[[mpf], mpf], eta: np.ndarray) -> np.ndarray:
    with mpmath.workdps(DIGITS):
        return np.array([float(function(mpf(float(value)))) for value in eta])


def evaluated(expression: Callable[[pt.TensorVariable], pt.TensorVariable], eta: np.ndarray) -> np.ndarray:
    """Return the values and the gradients of an expression, shape (2, n)."""
    x = pt.dvector()
    y = expression(x) + 0 * x
    return np.array(pytensor.function([x], [y, pytensor.grad(y.sum(), x)], mode="FAST_COMPILE")(eta))


def test_every_link_has_a_row() -> None:
    for name in set(LINKS) ^ set(LINK_ROWS):
        pytest.fail(
            f"LINK_ROWS of tests/by_hand.py and bayesglmm/specify/families/links/ differ in '{name}': write the row "
            f'"{name}": LinkRow(mean), or LinkRow(tails=…) for a link to probabilities, see docs/extending.md'
        )
    assert {name for name, row in LINK_ROWS.items() if row.tails} == {
        link.name for link in LINKS.values() if link.range == "unit"
    }


@every_link
def test_inverse_undoes_link(link: Link) -> None:
    mu = np.array([1e-300, 1e-12, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-12])
    if link.range != "unit":
        mu = np.append(mu[1:], [3.0, 1e6])
    eta = link.link(mu)
    with np.errstate(over="ignore"):
        slope = np.abs(link.slope(eta))
    rounding = np.spacing(np.abs(eta)) / 2 * slope  # of η, as μ has it: loglog's is 3e-313 at 1e-300
    assert (np.abs(link.inverse(eta) - mu) <= np.maximum(2e-13 * mu, rounding)).all()


@every_link
def test_inverse_is_exact_in_both_tails(link: Link) -> None:
    eta = allowed(link, np.append(EITHER_SIDE, [-37.0, -700.0, 37.0, 700.0]))
    expected = exactly(LINK_ROWS[link.name].mu, eta)
    np.testing.assert_allclose(link.inverse(eta), expected, rtol=1e-12, atol=1e-307)


@every_link
def test_inverse_is_finite_and_in_range_wherever_a_mean_may_be(link: Link) -> None:
    mu = link.inverse(allowed(link, np.concatenate([-EXTREMES, EXTREMES])))
    assert np.isfinite(mu).all()
    assert (mu >= {"real": -np.inf, "positive": 0, "unit": 0}[link.range]).all()
    assert (mu <= {"real": np.inf, "positive": np.inf, "unit": 1}[link.range]).all()


@every_link
def test_slope_is_the_derivative_of_the_inverse(link: Link) -> None:
    eta = allowed(link, EITHER_SIDE)
    expected = exactly(lambda value: mpmath.diff(LINK_ROWS[link.name].mu, value), eta)
    np.testing.assert_allclose(link.slope(eta), expected, rtol=1e-11, atol=1e-30)


@every_link
def test_tensor_and_its_gradient_agree_with_the_arrays(link: Link) -> None:
    eta = allowed(link, np.random.default_rng(1).normal(0, 5, 200))
    values, gradients = evaluated(link.tensor, eta)
    np.testing.assert_allclose(values, link.inverse(eta), rtol=1e-12)
    np.testing.assert_allclose(gradients, link.slope(eta), rtol=1e-9, atol=1e-15)


@unit_link
def test_log_odds_are_exact_in_both_tails(name: str) -> None:
    far = [] if name == "probit" else [100.0, 700.0]
    eta = np.concatenate([EITHER_SIDE, far, np.negative(far)])
    values, gradients = evaluated(LINKS[name].tensor_log_odds, eta)

    def log_odds(value: mpf) -> mpf:
        success, failure = LINK_ROWS[name].tails(value)
        return success - failure

    def slope(value: mpf) -> mpf:
        return mpmath.diff(log_odds, value, h=mpf("1e-20"))

    np.testing.assert_allclose(values, exactly(log_odds, eta), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(gradients, exactly(slope, eta), rtol=1e-11)


@every_link
def test_tensors_and_their_gradients_are_finite_far_out(link: Link) -> None:
    eta = allowed(link, np.concatenate([-EXTREMES, EXTREMES]))
    assert np.isfinite(evaluated(link.tensor, eta)).all()
    if link.range == "unit":
        assert np.isfinite(evaluated(link.tensor_log_odds, eta)).all()


def test_only_links_to_probabilities_have_log_odds() -> None:
    with pytest.raises(FamilyError, match="only a link to probabilities"):
        LINKS["log"].tensor_log_odds(0.0)


@every_link
def test_text_and_repr_name_the_link(link: Link) -> None:
    assert "μ" in link.text.format("μ")
    assert repr(link) == f"Link('{link.name}')"


@pytest.mark.parametrize(
    ("given", "expected"), [("Logit", "did you mean 'logit'"), (3, "known: cauchit"), ([], "known")]
)
def test_an_unknown_link_is_refused_with_the_known_ones(given: object, expected: str) -> None:
    with pytest.raises(FamilyError, match=expected):
        get_link(given)  # type: ignore[arg-type]
