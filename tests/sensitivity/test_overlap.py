"""The proof of overlap against the linear programme that it spares, written from the definition."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

from bayesglmm.sensitivity.separation.overlap import overlaps


def rises(turned, free) -> bool:
    """Whether some direction makes a row rise and none fall: the largest Σ t_i, 0 ≤ t_i ≤ 1, t_i ≤ w_i·d."""
    n, columns = turned.shape
    cost = np.concatenate([np.zeros(columns), -np.ones(n)])
    above = np.hstack([-turned, np.eye(n)])
    still = np.hstack([free, np.zeros((len(free), n))])
    ends = [(None, None)] * columns + [(0, 1)] * n
    found = linprog(cost, A_ub=above, b_ub=np.zeros(n), A_eq=still, b_eq=np.zeros(len(free)), bounds=ends)
    return -found.fun > 0.5


def table(seed: int):
    """Few rows of whole halves, or of normal numbers; some rows that stay."""
    rng = np.random.default_rng(seed)
    n, columns, still = rng.integers(2, 5 if seed % 3 else 40), rng.integers(1, 5), rng.integers(0, 3)
    turned = rng.integers(-2, 3, (n, columns)) / 2 if seed % 2 else rng.normal(size=(n, columns))
    return turned / max(1.0, np.abs(turned).max()), rng.integers(-1, 2, (still, columns)).astype(float)


def proved(turned, free) -> bool:
    return overlaps(sp.csc_matrix(turned.T), sp.csc_matrix(free.T))


def test_what_is_proved_is_so_and_most_of_what_is_so_is_proved():
    tables = [table(seed) for seed in range(300)]
    truth = np.array([not rises(*one) for one in tables])
    found = np.array([proved(*one) for one in tables])
    assert 50 < truth.sum() < 250
    assert not (found & ~truth).any()
    assert found.sum() > 0.9 * truth.sum()


def test_directions_that_no_row_depends_on_are_no_separation():
    x = np.array([[1.0, 1.0], [-1.0, -1.0], [0.5, 0.5]])
    assert proved(x, np.zeros((0, 2)))


def test_rows_that_stay_can_leave_no_direction():
    assert not proved(np.array([[1.0, 0.0]]), np.zeros((0, 2)))
    assert proved(np.array([[1.0, 0.0]]), np.eye(2))


@pytest.mark.parametrize("near", [1e-3, 1e-7])
def test_near_separation_is_left_to_the_programme(near):
    """One row of a thousand turned the other way, by a hair: weights that balance are as small as that."""
    rows = np.concatenate([np.ones((1000, 1)), [[-near]]])
    assert not rises(rows, np.zeros((0, 1))) or near < 1e-6
    assert not proved(rows, np.zeros((0, 1)))
