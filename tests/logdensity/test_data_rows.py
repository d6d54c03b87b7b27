"""Merged rows have the likelihood and the gradient of the rows of the data, up to a constant."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from by_hand import FAMILY_LINKS, FAMILY_ROWS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bayesglmm.logdensity import data_rows as module
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.specify.families import FAMILIES
from bayesglmm.specify.families.gaussian import GAUSSIAN
from bayesglmm.specify.model import Model, glmm

type Array = np.ndarray[Any, Any]
type Point = dict[str, Any]

STRUCTURES = (
    "1",
    "x + w + offset(o)",
    "0 + x + offset(o)",
    "x * w + offset(o) + (1 | g)",
    "x + offset(o) + (1 + x | g)",
    "x + offset(o) + (1 + x + v || g) + (1 | h)",
    "0 + offset(o) + (1 | g)",
)
MERGING = [
    (name, link)
    for name in ("bernoulli", "binomial", "poisson", "gaussian", "negative_binomial")
    for link in FAMILIES[name].links
]


def table(family: str, n: int = 300, seed: int = 1, exposures: bool = False) -> pd.DataFrame:
    """Make rows with many ties; `exposures` makes the offset another one in every row."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.integers(0, 3, n) - 1.0,
            "w": rng.choice([-1.0, 0.5], n),
            "v": rng.choice([0.1, 0.3], n),
            "o": rng.normal(size=n) if exposures else rng.choice([-0.5, 0.1, 0.7], n),
            "g": rng.permutation(n) % 5,
            "h": rng.integers(0, 3, n),
            "trials": rng.integers(4, 9, n),
            "y": FAMILY_ROWS[family].outcomes(rng, n),
        }
    )


def model_of(rhs: str, data: pd.DataFrame, family: str, link: str | None = None) -> Model:
    return glmm(f"{'p(y, trials)' if family == 'binomial' else 'y'} ~ {rhs}", data, family, link=link)


def random_point(model: Model, seed: int) -> Point:
    rng = np.random.default_rng(seed)
    away = 8.0 if model.family.link.name.startswith("inverse") else 0.0  # from η = 0, where these links end
    return {
        "beta": away * (np.array(model.design.coef) == "Intercept") + 0.4 * rng.normal(size=len(model.design.coef)),
        "b": [0.4 * rng.normal(size=(len(block.levels), block.size)) for block in model.design.blocks],
        "parameters": rng.uniform(0.5, 2.0, len(model.family.parameters)),
    }


def likelihood(model: Model, rows: Rows, point: Point) -> tuple[float, list[Array]]:
    """Return the log likelihood and its derivatives by β, b and the parameters, by the plain kernels."""
    x = np.column_stack([np.ones(rows.n), rows.x]) if model.design.has_intercept else rows.x
    eta = rows.offset + x @ point["beta"]
    for index, z, b in zip(rows.index, rows.z, point["b"], strict=True):
        eta = eta + (z * b[index]).sum(axis=1)
    names = [parameter.name for parameter in model.family.parameters]
    values = dict(zip(names, point["parameters"], strict=True))
    each, slopes = model.family.log_density(rows.y, eta, values, rows.trials)
    d_eta, *d_parameters = [rows.weight * slope for slope in slopes]
    constant = model.family.constant(rows.y, rows.trials)
    d_b = [np.zeros_like(b) for b in point["b"]]
    for index, z, d in zip(rows.index, rows.z, d_b, strict=True):
        np.add.at(d, index, z * d_eta[:, None])
    sums = np.array([slope.sum() for slope in d_parameters])
    return float((rows.weight * (each - constant)).sum()), [x.T @ d_eta, *d_b, sums]


def agree(model: Model, some: Rows, other: Rows, points: int = 3) -> None:
    constants, largest = [], 1.0
    for seed in range(points):
        point = random_point(model, seed)
        (one, slopes), (two, others) = likelihood(model, some, point), likelihood(model, other, point)
        constants.append(one - two)
        largest = max(largest, abs(one), abs(two))
        for ours, theirs in zip(slopes, others, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10 * (1 + np.abs(theirs).max(initial=0)))
    assert np.ptp(constants) < 1e-11 * largest


@pytest.mark.parametrize("rhs", STRUCTURES)
@pytest.mark.parametrize(("family", "link"), MERGING)
def test_the_likelihood_is_that_of_the_data(family, link, rhs):
    model = model_of(rhs, table(family), family, link)
    given_, merged = Rows.of(model), Rows.merged(model)
    assert merged.n < given_.n == merged.merged_from == given_.merged_from == 300
    assert merged.weight @ merged.trials == pytest.approx(given_.trials.sum(), rel=1e-14)
    agree(model, merged, given_)


def test_poisson_rows_merge_across_exposures():
    model = model_of("x + offset(o) + (1 + x | g)", table("poisson", exposures=True), "poisson")
    merged = Rows.merged(model)
    assert merged.n == 15
    assert np.exp(merged.offset).sum() == pytest.approx(np.exp(model.design.offset).sum())
    agree(model, merged, Rows.of(model))


@pytest.mark.parametrize("family", ["bernoulli", "binomial", "gaussian"])
def test_others_do_not_merge_across_offsets(family):
    model = model_of("x + offset(o)", table(family, exposures=True), family)
    assert Rows.merged(model).n == 300


def test_far_exposures_neither_overflow_nor_vanish():
    data = table("poisson").assign(o=np.tile([99.0, -99.0], 150), x=np.repeat([0.0, 1.0, 2.0], 100))
    data.loc[data.x == 1, "o"] = -99.0
    merged = Rows.merged(model_of("x + offset(o)", data, "poisson"))
    expected = np.where(merged.x[:, 0] == 1, np.log(100) - 99, np.log(50) + 99)
    np.testing.assert_allclose(merged.offset, expected, rtol=1e-14)


def test_a_row_alone_stays_as_it_is():
    for family in ("bernoulli", "binomial", "poisson", "gaussian"):
        data = table(family, exposures=True).assign(x=np.random.default_rng(3).normal(size=300))
        model = model_of("x + offset(o) + (1 + x | g)", data, family)
        one, other = Rows.merged(model), Rows.of(model)
        for ours, theirs in zip(fields(one), fields(other), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def fields(rows: Rows) -> list[Array]:
    return [rows.x, rows.offset, rows.y, rows.trials, rows.weight, *rows.index, *rows.z]


def test_a_gaussian_cell_is_two_rows_at_most():
    data = table("gaussian")
    merged = Rows.merged(model_of("x + (1 | h)", data, "gaussian"))
    assert merged.n == 18
    cells = data.groupby(["h", "x"]).y
    ours = pd.DataFrame({"h": merged.index[0], "x": merged.x[:, 0], "w": merged.weight, "wy": merged.weight * merged.y})
    sums = ours.groupby(["h", "x"]).sum()
    np.testing.assert_allclose(sums.w, cells.count())
    np.testing.assert_allclose(sums.wy / sums.w, cells.mean())


def test_gaussian_rows_of_equal_outcomes_are_one():
    data = pd.DataFrame({"x": [0.0, 0, 0, 0, 1, 1, 2], "y": [2.0, 2, 2, 2, 5, 5, 1]})
    merged = Rows.merged(model_of("x", data, "gaussian"))
    assert sorted(zip(merged.x[:, 0], merged.y, merged.weight, strict=True)) == [(0, 2, 4), (1, 5, 2), (2, 1, 1)]


def test_a_gaussian_cell_far_from_zero_keeps_mean_and_spread():
    """A running sum of 10^5 numbers near 10^12 is off by more than their spread."""
    z = np.random.default_rng(4).normal(size=10**5)
    cell = np.zeros(len(z), dtype=np.int64)
    ones = np.ones(len(z))
    _, (low, high), _, weight = GAUSSIAN.merge.rows(cell, 1e12 + z, ones, ones)
    assert weight.tolist() == [5e4, 5e4]
    assert (low + high) / 2 - 1e12 == pytest.approx(z.mean(), abs=5e-4)
    assert (high - low) / 2 == pytest.approx(z.std(), rel=1e-3)


@pytest.mark.parametrize(("family", "link"), MERGING)
def test_the_order_of_the_rows_is_irrelevant(family, link):
    rhs = "x + offset(o) + (1 + x | g) + (1 | h)"
    data = table(family)
    model = model_of(rhs, data, family, link)
    shuffled = model_of(rhs, data.sample(frac=1, random_state=4), family, link)
    for make in (Rows.of, Rows.merged, Rows.best):
        one, other = make(model), make(shuffled)
        assert one.n == other.n
        agree(model, one, other)


def in_turn(values):
    """Take one of each eighth in turn."""
    each = -(-len(values) // 8)
    parts = [values[each * i : each * (i + 1)] for i in range(8)]
    return np.array([part[j] for j in range(each) for part in parts if j < len(part)])


@pytest.mark.parametrize("make", [Rows.of, Rows.merged])
def test_rows_lie_in_the_order_of_the_block_with_most_levels(make):
    index = make(model_of("x + (1 | h) + (1 | g)", table("poisson"), "poisson")).index[1]
    np.testing.assert_array_equal(index, in_turn(np.sort(index)))


def test_rows_of_a_small_group_do_not_follow_one_another():
    data = pd.DataFrame({"y": np.arange(207) % 3, "g": np.arange(207) // 9})
    assert np.diff(Rows.of(model_of("1 + (1 | g)", data, "poisson")).index[0]).all()


def test_rows_as_they_are_keep_their_order_within_a_group():
    data = table("gaussian")
    rows = Rows.of(model_of("x + (1 | h) + (1 | g)", data, "gaussian"))
    np.testing.assert_array_equal(rows.y, in_turn(data.sort_values("g", kind="stable").y.to_numpy()))
    np.testing.assert_array_equal(Rows.of(model_of("x", data, "gaussian")).y, data.y)


OTHERS = FAMILY_LINKS
OTHERS = [pair for pair in OTHERS if pair not in MERGING]


@pytest.mark.parametrize(("family", "link"), OTHERS)
def test_rows_of_other_families_merge_where_their_outcomes_are_equal(family, link):
    data = table(family)
    model = model_of("x + (1 | g)", data, family, link)
    merged = Rows.merged(model)
    assert merged.n == len(data[["x", "g", "y"]].drop_duplicates())
    assert merged.weight.sum() == 300
    agree(model, merged, Rows.of(model))


BASE = pd.DataFrame({"x": [0, 1, 2, 0, 1, 2], "o": 0, "g": [0, 1, 2, 1, 2, 0], "y": [0, 1, 2, 1, 2, 0], "trials": 3})
"""Rows that make any table a model: x varies, there are three groups."""


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(*[st.integers(0, 2)] * 4), max_size=12),
    st.sampled_from(["binomial", "poisson", "gaussian"]),
    st.sampled_from(["x + offset(o)", "x + offset(o) + (1 + x | g)"]),
)
@example([(0, 0, 0, 0)] * 12, "gaussian", "x + offset(o)")
def test_any_small_table(more, family, rhs):
    data = pd.concat([BASE, pd.DataFrame(more, columns=["x", "o", "g", "y"]).assign(trials=3)], ignore_index=True)
    model = model_of(rhs, data.astype(float).astype({"g": int}), family)
    merged = Rows.merged(model)
    names = ["x", "g"] if "|" in rhs else ["x"]
    cells = len(data[names if family == "poisson" else [*names, "o"]].drop_duplicates())
    assert cells <= merged.n <= (2 * cells if family == "gaussian" else cells)
    agree(model, merged, Rows.of(model))


VALUES = st.sampled_from([0.0, -0.0, 1.0, np.nextafter(1.0, 2.0), -1.0, 5e-324, 1e300, np.pi])


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.tuples(*[VALUES] * k), min_size=1, max_size=30)), st.booleans())
def test_cells_are_the_distinct_rows(values, often):
    """Whether or not the numbers are made anew at every column; the signs of zero are one value."""
    with pytest.MonkeyPatch.context() as patch:
        if often:
            patch.setattr(module, "_MOST_CODES", 1)
        cell, cells = module._cells(list(np.array(values).T), len(values))
    numbers: dict[Any, int] = {}
    assert [numbers.setdefault(row, len(numbers)) for row in values] == cell.tolist()
    assert cells == len(numbers)


def test_many_columns_do_not_overflow_the_number_of_a_cell():
    """Nine columns of 256 values take 72 bits: in 64 the first would be lost, and rows that differ fall together."""
    first, others = np.divmod(np.arange(256.0**2), 256.0)
    cell, cells = module._cells([first, *[others] * 8], 256**2)
    assert cells == 256**2
    np.testing.assert_array_equal(cell, np.arange(256**2))


def test_best_merges_from_a_factor_of_one_and_a_half():
    def rows(singles: int, pairs: int) -> Rows:
        x = np.concatenate([np.arange(singles), -1.0 - np.repeat(np.arange(pairs), 2)])
        return Rows.best(model_of("x", pd.DataFrame({"x": x, "y": np.arange(len(x)) % 2}), "bernoulli"))

    assert rows(10, 10).n == 20
    assert rows(11, 10).n == 31
    assert rows(11, 10).merged_from == 31


def test_best_counts_the_two_rows_of_a_gaussian_cell():
    rng = np.random.default_rng(9)
    for repeats, expected in ((2, 200), (3, 200), (4, 200), (1, 100)):
        data = pd.DataFrame({"x": np.repeat(np.arange(100.0), repeats), "y": rng.normal(size=100 * repeats)})
        assert Rows.best(model_of("x", data, "gaussian")).n == expected


@pytest.mark.parametrize(("repeats", "gives_up"), [(1, True), (2, False)])
def test_best_gives_up_on_a_sample_without_ties(monkeypatch, repeats, gives_up):
    seen = []
    real = module._cells
    monkeypatch.setattr(module, "_SAMPLE", 500)
    monkeypatch.setattr(module, "_cells", lambda keys, n: seen.append(n) or real(keys, n))
    n = 6000
    x = np.tile(np.arange(n // repeats) / n, repeats)
    rows = Rows.best(model_of("x", pd.DataFrame({"x": x, "y": np.arange(n) % 2}), "bernoulli"))
    assert rows.n == n // repeats
    assert seen == ([770] if gives_up else [770, n])


def test_a_million_rows_in_few_cells():
    rng = np.random.default_rng(12)
    n = 10**6
    data = pd.DataFrame({name: rng.integers(0, size, n) for name, size in (("u", 8), ("v", 8), ("g", 64), ("y", 2))})
    rows = Rows.best(glmm("y ~ u + v + (1 + u | g)", data, "bernoulli"))
    assert (rows.n, rows.merged_from, rows.trials.sum()) == (4096, n, n)
    cells = data.groupby(["g", "u", "v"]).y.agg(["sum", "count"])
    order = np.lexsort([rows.x[:, 1], rows.x[:, 0], rows.index[0]])
    np.testing.assert_array_equal(rows.y[order], cells["sum"])
    np.testing.assert_array_equal(rows.trials[order], cells["count"])
