"""Full rank is accepted whatever the level and the scale; dependence is refused with the columns that make it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayesglmm as bg
from bayesglmm.errors import DataError
from bayesglmm.specify.design.rank import check_rank

N = 200
RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(2, N))
ONE = np.ones(N)

INDEPENDENT = {
    "far from zero": (ONE, X + 1e9),
    "two far from zero": (ONE, X + 1e9, Z - 1e8),
    "tiny and huge": (ONE, 1e-50 * X, 1e50 * Z),
    "nearly a copy": (ONE, X, X + 1e-6 * Z),
    "very nearly a copy": (ONE, X, X + 1e-8 * Z),
    "seconds since 1970": (ONE, 1.7e9 + np.arange(N), (1.7e9 + np.arange(N)) % 7),
    "no constant": (X, Z),
}

DEPENDENT = {
    "constant": ((ONE, X, 3 * ONE), "Intercept, b"),
    "constant but for rounding": ((ONE, X, 0.3 + np.where(X > 0, 6e-17, 0)), "Intercept, b"),
    "copy": ((ONE, X, 2 * X, Z), "a, b"),
    "copy far from zero": ((ONE, X + 1e9, 2 * (X + 1e9), Z), "a, b"),
    "shifted copy": ((ONE, X, X + 3, Z), "Intercept, a, b"),
    "shifted far": ((ONE, X, X + 1e9, Z), "Intercept, a, b"),
    "sum far from zero": ((ONE, X + 1e6, Z, X + Z), "Intercept, a, b, c"),
    "no constant": ((X, Z, X - Z), "Intercept, a, b"),
    "two sets": ((ONE, X, Z, 2 * X, 3 * Z), "a, b, c, d"),
}


def check(columns) -> None:
    check_rank(np.column_stack(columns), ("Intercept", "a", "b", "c", "d")[: len(columns)], "it")


@pytest.mark.parametrize("columns", INDEPENDENT.values(), ids=INDEPENDENT)
def test_independent_columns_pass(columns):
    check(columns)


@pytest.mark.parametrize(("columns", "named"), DEPENDENT.values(), ids=DEPENDENT)
def test_dependent_columns_are_named(columns, named):
    with pytest.raises(DataError, match=f"in it the columns {named} are linearly dependent"):
        check(columns)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(-1e6, 1e6))
def test_a_combination_is_found_at_any_level(seed, k, level):
    """A combination of some columns and the constant is refused, and passes once moved by a thousandth."""
    rng = np.random.default_rng(seed)
    columns = level + rng.normal(size=(k, 50))
    copy = rng.uniform(0.5, 2, k) @ columns - 7
    names = ["one", *(f"x{j}" for j in range(k)), "copy"]
    matrix = np.column_stack([np.ones(50), *columns, copy])
    with pytest.raises(DataError, match="copy are linearly dependent"):
        check_rank(matrix, names, "it")
    matrix[:, -1] += rng.normal(size=50) * 1e-3
    check_rank(matrix, names, "it")


def test_many_rows_are_judged_as_few_are():
    """A level in one row of 100,000, a slope that only three rows show, and a copy that one row distinguishes."""
    n = 100_000
    f = np.arange(n) % 7
    columns = [np.ones(n), *(f == level for level in range(1, 7))]
    rare = np.zeros(n)
    rare[12_347] = 1
    matrix = np.column_stack([*columns, rare]).astype(float)
    check_rank(matrix, [f"c{j}" for j in range(8)], "it")
    close = np.column_stack([matrix, rare + matrix[:, 1]])
    with pytest.raises(DataError, match="c1, c7, c8 are linearly dependent"):
        check_rank(close, [f"c{j}" for j in range(9)], "it")
    close[54_321, 8] += 1
    check_rank(close, [f"c{j}" for j in range(9)], "it")


def test_a_predictor_far_from_zero_has_the_slope_of_one_near_it():
    rng = np.random.default_rng(3)
    data = {"x": X, "y": 1 + 0.5 * X + rng.normal(size=N), "g": np.arange(N) % 10, "far": X + 1e9}
    settings = {"seed": 2, "draws": 500, "progress": False}
    near = bg.fit("y ~ x + (1 | g)", data, **settings).summary().loc["beta[x]"]
    far = bg.fit("y ~ far + (1 | g)", data, **settings).summary().loc["beta[far]"]
    assert abs(near["mean"] - far["mean"]) < 5 * np.hypot(
        *(one["sd"] / np.sqrt(one["ess_bulk"]) for one in (near, far))
    )
    assert abs(near["sd"] / far["sd"] - 1) < 0.1
