"""Covariances of means over shared effects agree with a dense rule, and with the variance where all is shared."""

import numpy as np
import pytest

from bayesglmm.errors import OptionError
from bayesglmm.marginalize.covariance import shared_covariance
from bayesglmm.marginalize.mean import mean_over_b
from bayesglmm.specify.families.links import LINKS

AVERAGED = tuple(name for name, link in LINKS.items() if link.averages)
Z = np.linspace(-12, 12, 24_001)
WEIGHT = np.exp(-np.square(Z) / 2) / np.exp(-np.square(Z) / 2).sum()


@pytest.mark.parametrize("name", AVERAGED)
@pytest.mark.parametrize("own", [0.0, 1.5])
def test_covariance_against_a_dense_rule(name: str, own: float) -> None:
    for eta in (-6.0, -0.7, 0.5, 3.0):
        for s in (0.1, 0.8, 2.0) if name == "log" else (0.1, 0.8, 2.0, 5.0, 20.0):
            mean = mean_over_b(LINKS[name], eta + s * Z, own)
            expected = np.square(mean - mean @ WEIGHT) @ WEIGHT
            found = shared_covariance(LINKS[name], eta, s * s, own)
            assert found == pytest.approx(expected, abs=1e-9, rel=1e-8)


@pytest.mark.parametrize("name", AVERAGED)
def test_nothing_shared_is_no_covariance_and_shapes_broadcast(name: str) -> None:
    eta, own = np.array([[-1.0], [0.0], [2.0]]), np.array([0.0, 1.0])
    found = shared_covariance(LINKS[name], eta, 0.0, own)
    assert found.shape == (3, 2)
    np.testing.assert_array_equal(found, 0.0)


def test_the_inverse_link_has_none() -> None:
    with pytest.raises(OptionError, match="inverse link has no average"):
        shared_covariance(LINKS["inverse"], 1.0, 1.0)
