"""Designs: the numbers of a formula on data, and the same numbers again on new data."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bayesglmm.errors import BayesGLMMError, DataError, OptionError
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.formula import parse

N = 24
RNG = np.random.default_rng(7)
ROW = np.arange(N)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.normal(size=N),
        "z": RNG.normal(2, 3, size=N),
        "w": RNG.uniform(1, 9, size=N),
        "f": np.array(list("abc"))[ROW % 3],
        "h": np.array(list("uv"))[ROW // 3 % 2],
        "k": RNG.permutation(ROW % 4) + 1,
        "b": RNG.permutation(ROW % 2 == 0),
        "g": np.array([f"g{i}" for i in range(4)])[ROW // 6],
        "i": ROW % 5,
        "s": ROW % 4,
        "n": 5 + ROW % 3,
    }
)


def table(**changes: Any) -> pd.DataFrame:
    return DATA.assign(**changes)


def build(formula: str, data: Any = DATA, **options: Any) -> Design:
    return Design.build(formula, data, **options)


def matrices(design: Design) -> list[np.ndarray]:
    """Return everything a design holds with a row per row: x, offset, y, trials, and z and index of each block."""
    outcome = design.outcome
    assert outcome is not None
    trials = [] if outcome.trials is None else [outcome.trials]
    blocks = [part for block in design.blocks for part in (block.z, block.index)]
    return [design.x, design.offset, outcome.y, *trials, *blocks]


def refuses(error: pytest.ExceptionInfo[BayesGLMMError], *fragments: str) -> None:
    assert all(fragment in str(error.value) for fragment in fragments), str(error.value)


# -- the same numbers again ----------------------------------------------------------------------

LEARNED = [
    "y ~ 1",
    "y ~ 0 + (1 | g)",
    "y ~ x + f*h + (x | g)",
    "y ~ 0 + f:x + (0 + f | g) + (1 | i)",
    "y ~ scale(x) + center(z) + standardize(w)",
    "y ~ I(scale(x)^2) + log(scale(w) + 9) + exp(center(x))",
    "y ~ poly(x, 3) + poly(z, 2, raw=True)",
    "y ~ poly(scale(z), 2):f",
    "y ~ bs(x, df=5) + cr(w, df=4)",
    "y ~ cr(scale(x), df=3) + bs(z, df=5, degree=2, include_intercept=True)",
    'y ~ C(f, Treatment("b")) * C(k) + C(h, Sum())',
    "y ~ b + I(x > 0) + offset(log(w)) + offset(z) + (scale(x) || h/g)",
    "p(s, n) ~ x + (1 | f:h) + (poly(x, 2) | g)",
    "cbind(s, n) ~ C(k) + offset(2 * w)",
    "h ~ x",
    "b ~ x",
]


@pytest.mark.parametrize("formula", LEARNED)
def test_on_the_training_data_is_the_design_itself(formula: str) -> None:
    design = build(formula)
    again = design.on(DATA)
    assert (again.coef, again.formula) == (design.coef, design.formula)
    for new, old in zip(matrices(again), matrices(design), strict=True):
        assert_array_equal(new, old)
    for new, old in zip(matrices(again.on(DATA)), matrices(design), strict=True):
        assert_array_equal(new, old)


@given(st.sampled_from(LEARNED), st.lists(st.integers(0, N - 1), min_size=1, max_size=30))
@settings(deadline=None)
def test_on_some_rows_is_those_rows_of_the_whole(formula: str, rows: list[int]) -> None:
    design = build(formula)
    for new, old in zip(matrices(design.on(DATA.iloc[rows])), matrices(design), strict=True):
        assert_allclose(new, old[rows], rtol=1e-12, atol=1e-12)


@given(st.sampled_from(LEARNED), st.permutations(range(N)))
@settings(deadline=None, max_examples=50)
def test_the_order_of_rows_changes_nothing_but_order(formula: str, order: list[int]) -> None:
    design, shuffled = build(formula), build(formula, DATA.iloc[order])
    assert shuffled.coef == design.coef
    assert [block.levels for block in shuffled.blocks] == [block.levels for block in design.blocks]
    for new, old in zip(matrices(shuffled), matrices(design), strict=True):
        assert_allclose(new, old[order], rtol=1e-9, atol=1e-9)


@given(st.permutations("abc"), st.permutations(["g0", "g1", "g2", "g3"]))
@settings(deadline=None, max_examples=20)
def test_the_order_of_levels_changes_nothing_but_order(fixed: list[str], groups: list[str]) -> None:
    data = table(f=pd.Categorical(DATA["f"], categories=fixed), g=pd.Categorical(DATA["g"], categories=groups))
    design, moved = build("y ~ f*x + (1 | g)"), build("y ~ f*x + (1 | g)", data)
    assert moved.coef[1:3] == tuple(f"f[T.{level}]" for level in fixed[1:])
    assert_allclose(moved.x @ np.linalg.lstsq(moved.x, design.x)[0], design.x, atol=1e-9)
    labels = np.array(design.blocks[0].levels)[design.blocks[0].index]
    assert moved.blocks[0].levels == tuple(groups)
    assert_array_equal(np.array(moved.blocks[0].levels)[moved.blocks[0].index], labels)


@pytest.mark.parametrize("formula", LEARNED)
@pytest.mark.parametrize(
    "convert",
    [
        pl.from_pandas,
        pa.Table.from_pandas,
        lambda d: {name: d[name].to_numpy() for name in d},
        lambda d: d.to_dict("list"),
    ],
    ids=["polars", "pyarrow", "arrays", "lists"],
)
def test_every_kind_of_table_gives_the_same_design(formula: str, convert: Any) -> None:
    design, other = build(formula), build(formula, convert(DATA))
    assert other.coef == design.coef
    assert [block.levels for block in other.blocks] == [block.levels for block in design.blocks]
    for new, old in zip(matrices(other.on(convert(DATA))), matrices(design), strict=True):
        assert_array_equal(new, old)


def test_an_index_that_repeats_is_no_matter() -> None:
    data = table(x=np.where(ROW == 3, np.nan, DATA["x"])).set_index(np.zeros(N, dtype=int))
    assert_array_equal(build("y ~ x", data, missing="drop").columns.rows, np.delete(ROW, 3))


# -- the columns R gives -------------------------------------------------------------------------

COLUMNS = {
    "f": "1 f[T.b] f[T.c]",
    "0 + f": "f[a] f[b] f[c]",
    "x:f": "1 x:f[a] x:f[b] x:f[c]",
    "0 + x:f": "x:f[a] x:f[b] x:f[c]",
    "x + x:f": "1 x x:f[T.b] x:f[T.c]",
    "f + f:x": "1 f[T.b] f[T.c] f[a]:x f[b]:x f[c]:x",
    "f*x": "1 f[T.b] f[T.c] x f[T.b]:x f[T.c]:x",
    "0 + f*x": "f[a] f[b] f[c] x f[T.b]:x f[T.c]:x",
    "f + h": "1 f[T.b] f[T.c] h[T.v]",
    "0 + f + h": "f[a] f[b] f[c] h[T.v]",
    "0 + f*h": "f[a] f[b] f[c] h[T.v] f[T.b]:h[T.v] f[T.c]:h[T.v]",
    "f/h": "1 f[T.b] f[T.c] f[a]:h[T.v] f[b]:h[T.v] f[c]:h[T.v]",
    "0 + f:h": "f[a]:h[u] f[b]:h[u] f[c]:h[u] f[a]:h[v] f[b]:h[v] f[c]:h[v]",
    "h*f*x - h:f:x - h:x": "1 h[T.v] f[T.b] f[T.c] x h[T.v]:f[T.b] h[T.v]:f[T.c] f[T.b]:x f[T.c]:x",
    "b": "1 b[T.True]",
    "0 + b": "b[False] b[True]",
    "C(k)": "1 C(k)[T.2] C(k)[T.3] C(k)[T.4]",
    "factor(k):x": "1 factor(k)[1]:x factor(k)[2]:x factor(k)[3]:x factor(k)[4]:x",
    "C(f) + f:x": "1 C(f)[T.b] C(f)[T.c] C(f)[a]:x C(f)[b]:x C(f)[c]:x",
    "f + C(f)": "1 f[T.b] f[T.c]",
    "f*C(f)": "1 f[T.b] f[T.c]",
}


def vector(name: str) -> np.ndarray:
    """Work out a column from its own name: a product of numbers and indicators."""
    result = np.ones(N)
    for part in name.split(":"):
        found = re.fullmatch(r"(?:C\(|factor\()?(\w+)\)?\[(?:T\.)?(\w+)\]", part)
        if found:
            result = result * (DATA[found[1]].astype(str) == found[2]).to_numpy()
        elif part not in ("Intercept", "1"):
            result = result * DATA[part].to_numpy()
    return result


@pytest.mark.parametrize(("terms", "columns"), COLUMNS.items())
def test_terms_get_the_columns_of_r_and_the_values_of_their_names(terms: str, columns: str) -> None:
    design = build(f"y ~ {terms}")
    assert design.coef == tuple(
        columns.replace("1 ", "Intercept ", 1).split() if columns[:2] == "1 " else columns.split()
    )
    assert_array_equal(design.x, np.column_stack([vector(name) for name in design.coef]))


@pytest.mark.parametrize(("terms", "columns"), COLUMNS.items())
@pytest.mark.parametrize("bar", ["|", "||"])
def test_slopes_of_a_block_get_the_columns_of_r(terms: str, columns: str, bar: str) -> None:
    (block,) = build(f"y ~ 1 + ({terms} {bar} g)").blocks
    assert [name.replace("Intercept", "1") for name in block.columns] == columns.split()
    assert_array_equal(block.z, np.column_stack([vector(name) for name in block.columns]))
    assert block.correlated == (bar == "|")


@pytest.mark.parametrize("formula", ["y ~ (1 | g)", "y ~ (1 || g)"])
def test_a_block_of_one_column_has_nothing_to_correlate(formula: str) -> None:
    (block,) = build(formula).blocks
    assert (block.name, block.columns, block.size, block.correlated) == ("g", ("Intercept",), 1, False)


def test_a_reference_category_is_the_one_asked_for() -> None:
    design = build('y ~ C(f, Treatment("b")) + C(k, Treatment(3)) + C(b, Treatment(reference="True"))')
    wanted = [DATA["f"] == "a", DATA["f"] == "c", DATA["k"] == 1, DATA["k"] == 2, DATA["k"] == 4, ~DATA["b"]]
    assert_array_equal(design.x[:, 1:], np.column_stack(wanted))
    assert design.coef[1:3] == ('C(f, Treatment("b"))[T.a]', 'C(f, Treatment("b"))[T.c]')
    assert design.coef[-1] == 'C(b, Treatment(reference="True"))[T.False]'


def test_the_interaction_with_a_coding_keeps_the_coding() -> None:
    design = build('y ~ C(f, Treatment("c"))*x')
    indicators = np.column_stack([DATA["f"] == "a", DATA["f"] == "b"])
    assert_array_equal(design.x[:, 1:3], indicators)
    assert_array_equal(design.x[:, 4:], indicators * DATA[["x"]].to_numpy())


def test_sum_coding_is_deviations_from_the_mean_of_levels() -> None:
    design = build("y ~ C(f, Sum())")
    wanted = [(DATA["f"] == level) - 1.0 * (DATA["f"] == "c") for level in "ab"]
    assert design.coef[1:] == ("C(f, Sum())[S.a]", "C(f, Sum())[S.b]")
    assert_array_equal(design.x[:, 1:], np.column_stack(wanted))


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        ("scale(z)", (DATA["z"] - DATA["z"].mean()) / DATA["z"].std(ddof=1)),
        ("standardize(z)", (DATA["z"] - DATA["z"].mean()) / DATA["z"].std(ddof=1)),
        ("center(z)", DATA["z"] - DATA["z"].mean()),
        ("log(w)", np.log(DATA["w"])),
        ("I(x^2 - 3*z/w)", DATA["x"] ** 2 - 3 * DATA["z"] / DATA["w"]),
        ("I(-x^2)", -(DATA["x"] ** 2)),
        ("I(2^-i)", 2.0 ** -DATA["i"]),
        ("I((x > 0) + (z <= 2))", 1.0 * (DATA["x"] > 0) + (DATA["z"] <= 2)),
        ('I(f == "a")', DATA["f"] == "a"),
        ('I("a" != f)', DATA["f"] != "a"),
        ("I(b + 1)", DATA["b"] + 1),
        ("I(b == 1)", DATA["b"]),
        ("center(b)", DATA["b"] - DATA["b"].mean()),
        ("x:z", DATA["x"] * DATA["z"]),
        ("sqrt(abs(scale(x)))", np.sqrt(np.abs((DATA["x"] - DATA["x"].mean()) / DATA["x"].std()))),
    ],
)
def test_arithmetic_is_taken_literally(term: str, wanted: pd.Series) -> None:
    design = build(f"y ~ {term}")
    assert design.coef == ("Intercept", str(parse(f"y ~ {term}").terms.terms[0]))
    assert_allclose(design.x[:, 1], wanted.astype(float), rtol=1e-12)


def test_polynomials_are_orthonormal_and_raw_ones_are_powers() -> None:
    q = build("y ~ poly(x, 3)").x
    assert_allclose(q[:, 1:].T @ q, np.eye(4)[1:], atol=1e-12)
    raw = build("y ~ poly(x, 2, raw=True)")
    assert raw.coef[1:] == ("poly(x, 2, raw=True)[1]", "poly(x, 2, raw=True)[2]")
    assert_allclose(raw.x[:, 1:], np.column_stack([DATA["x"], DATA["x"] ** 2]))


def test_a_response_or_a_factor_may_be_arithmetic() -> None:
    design = build("log(w) ~ C(x > 0) + (1 | I(z > 2))")
    assert design.outcome is not None
    assert_array_equal(design.outcome.y, np.log(DATA["w"]))
    assert_array_equal(design.x[:, 1], DATA["x"] > 0)
    assert_array_equal(design.blocks[0].index, DATA["z"] > 2)
    assert (design.coef[1], design.blocks[0].levels) == ("C(x > 0)[T.1]", (0, 1))


@pytest.mark.parametrize(
    ("column", "coef"),
    [([True, False], "q[T.True]"), ([1, 2], "q"), ([1, 2.5], "q"), (["u", "v"], "q[T.v]"), ([np.int32(1), 5], "q")],
)
def test_objects_of_one_kind_are_read_as_what_they_are(column: list[Any], coef: str) -> None:
    assert build("y ~ q", table(q=pd.Series(column * 12, dtype=object))).coef == ("Intercept", coef)


def test_a_natural_spline_goes_on_in_a_straight_line() -> None:
    design = build("y ~ cr(x, df=4)")
    beyond = design.on({"x": DATA["x"].max() + np.arange(5.0)}).x
    assert_allclose(np.diff(beyond, n=2, axis=0), 0, atol=1e-9)
    with pytest.raises(DataError) as error:
        build("y ~ bs(x, df=4)").on({"x": [99.0]})
    refuses(error, "bs(x, df=4)", "outside the range", "use cr(…)")


# -- levels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "levels"),
    [
        (["b", "a", "c"], "a b c"),
        (pd.Categorical(["b", "a", "c"], categories=list("zcba")), "c b a"),
        (pd.Categorical(["b", "a", "c"], categories=list("cba"), ordered=True), "c b a"),
        (pd.Categorical([10, 9, 2], categories=[10, 9, 2]), "10 9 2"),
        (pd.Categorical([10, 9, 2]), "2 9 10"),
        (pl.Series(["b", "a", "c"], dtype=pl.Enum(["c", "unused", "b", "a"])), "c b a"),
        (pl.Series(["b", "a", "c"], dtype=pl.Categorical), "a b c"),
        (pa.array(["b", "a", "c"]).dictionary_encode(), "a b c"),
        (pa.DictionaryArray.from_arrays([1, 2, 0], ["c", "b", "a"], ordered=True), "c b a"),
        (pd.array(["b", "a", "c"], dtype="string"), "a b c"),
        ([True, False, True], "False True"),
    ],
)
def test_levels_are_those_observed_in_the_order_of_their_type(column: Any, levels: str) -> None:
    values = {"y": [0.5, 1.0, 1.5], "f": column}
    frame = {pl.Series: pl.DataFrame, pa.DictionaryArray: pa.table}.get(type(column), pd.DataFrame)(values)
    assert build("y ~ 0 + f", frame).coef == tuple(f"f[{level}]" for level in levels.split())
    assert " ".join(map(str, build("y ~ 1 + (1 | f)", frame).blocks[0].levels)) == levels


@pytest.mark.parametrize("old", ["int", "float", "str", "category", "boolean"])
@pytest.mark.parametrize("new", ["int", "float", "str", "category", "boolean"])
def test_a_label_is_the_same_whatever_its_type(old: str, new: str) -> None:
    def typed(values: list[int], kind: str) -> Any:
        whole = pd.Series(values)
        return {"str": whole.astype(str), "category": pd.Categorical(values), "float": whole * 1.0}.get(kind, whole)

    design = build("y ~ C(k) + (1 | k)", {"y": np.arange(8.0), "k": typed([1, 2, 3, 1, 2, 3, 3, 1], old)})
    fresh = design.on({"k": typed([3, 1], new)})
    assert_array_equal(fresh.x, [[1, 0, 1], [1, 0, 0]])
    assert_array_equal(fresh.blocks[0].index, [2, 0])


def test_dates_are_levels_whatever_their_unit_and_clock() -> None:
    design = build(
        "y ~ C(t) + (1 | t)", table(t=pd.to_datetime(["2020-01-02", "2020-01-01 12:00"] * 12, format="ISO8601"))
    )
    assert design.coef[1] == "C(t)[T.2020-01-02]"
    assert design.blocks[0].levels == ("2020-01-01T12:00", "2020-01-02")
    for new in (
        pl.DataFrame({"t": [date(2020, 1, 2)]}),
        pd.DataFrame({"t": np.array(["2020-01-02"], dtype="datetime64[s]")}),
        pd.DataFrame({"t": pd.to_datetime(["2020-01-02T01:00+01:00"])}),
        pl.DataFrame({"t": [datetime(2020, 1, 2)]}),
        {"t": ["2020-01-02"]},
    ):
        assert_array_equal(design.on(new).x, [[1, 1]])
        assert_array_equal(design.on(new).blocks[0].index, [1])


def test_intervals_are_levels_in_their_order() -> None:
    design = build("y ~ q", table(q=pd.cut(DATA["w"], [0, 3, 10])))
    assert design.coef == ("Intercept", "q[T.(3, 10]]")


def test_a_new_level_of_a_predictor_is_an_error_that_lists_the_known() -> None:
    for formula in ("y ~ f", 'y ~ C(f, Treatment("b"))', "y ~ 1 + (f | g)", "y ~ x:C(f)"):
        with pytest.raises(DataError) as error:
            build(formula).on({"x": [1.0, 2.0], "f": ["a", "new"]})
        refuses(error, "has a level that was not there", "new", "known: a, b, c")


def test_text_in_the_place_of_numbers_is_an_error() -> None:
    for formula in ("y ~ x", "y ~ scale(x)", "y ~ offset(x)", "y ~ I(x > 1)"):
        with pytest.raises(DataError, match="'x' holds labels where numbers are wanted"):
            build(formula).on({"x": pd.Categorical(["1", "2"])})


# -- groups --------------------------------------------------------------------------------------


def test_a_new_or_absent_group_has_index_minus_one() -> None:
    design = build("y ~ x + (1 | g) + (1 | h:g) + (1 | factor(i))")
    fresh = design.on({"x": [1.0, 2.0, 3.0], "g": ["g3", "new", "g0"], "h": ["u", "u", "new"]})
    assert [block.index.tolist() for block in fresh.blocks] == [[3, -1, 0], [3, -1, -1], [-1, -1, -1]]
    assert fresh.outcome is None
    assert [block.levels for block in fresh.blocks] == [block.levels for block in design.blocks]


def test_nested_factors_have_observed_combinations_only() -> None:
    data = {"y": np.arange(8.0), "a": list("aabbccaa"), "b": [1, 2, 1, 1, 2, 2, 1, 2]}
    outer, nested = build("y ~ (1 | a/b)", data).blocks
    assert (outer.levels, nested.levels) == (("a", "b", "c"), ("a:1", "a:2", "b:1", "c:2"))
    assert_array_equal(nested.index, [0, 1, 2, 2, 3, 3, 0, 1])
    assert_array_equal(build("y ~ (1 | a/b)", data).on({"a": ["a", "b"], "b": [2, 2]}).blocks[1].index, [1, -1])


def test_every_row_has_a_label_known_or_not() -> None:
    grouping = build("y ~ (1 | g:i)").blocks[0].grouping
    new = Columns.read({"g": ["g1", "new"], "i": [2.0, 9.0]}, ["g", "i"])
    assert grouping.labels(new).tolist() == ["g1:2", "new:9"]


def test_bars_on_one_factor_stay_apart() -> None:
    blocks = build("y ~ x + (1 | g) + (0 + x | g) + (0 + z | factor(g))").blocks
    assert [(block.name, block.factor, block.columns) for block in blocks] == [
        ("g", "g", ("Intercept",)),
        ("g_2", "g", ("x",)),
        ("g_3", "factor(g)", ("z",)),
    ]


def test_a_second_block_does_not_take_the_name_of_a_factor() -> None:
    with pytest.raises(DataError, match="would be named g, g_2, g_2; rename"):
        build("y ~ (1 | g) + (0 + x | g) + (1 | g_2)", table(g_2=DATA["f"]))


@pytest.mark.parametrize(
    "formula", ["y ~ (1 | g) + (x | g)", "y ~ (1 | g) + (1 | factor(g))", "y ~ (1 | g) + (1 | g:q)", "y ~ (1 | g/q)"]
)
def test_two_blocks_that_say_the_same_are_refused(formula: str) -> None:
    with pytest.raises(DataError) as error:
        build(formula, table(q=ROW // 6))
    refuses(error, "same groups", "Intercept", "only the sum of two variances", "leave it out of one")


@pytest.mark.parametrize(
    ("column", "levels"),
    [
        (np.repeat([3.0, 1.0], 12), (1, 3)),
        (np.repeat([True, False], 12), ("False", "True")),
        (np.repeat(["x:y", ""], 12), ("", "x:y")),
        (np.repeat([2**53 + 1, 2**53], 12), (2**53, 2**53 + 1)),
    ],
)
def test_groups_are_labelled_by_whole_numbers_or_text(column: Any, levels: tuple[Any, ...]) -> None:
    block = build("y ~ (1 | q)", table(q=column)).blocks[0]
    assert block.levels == levels
    assert all(type(level) in (int, str) for level in block.levels)


def test_whole_numbers_with_gaps_are_not_rounded_by_dropping_them() -> None:
    large = [None, *[2**53 + 1, 2**53] * 11, 7]
    for frame in (table(q=pd.array(large, dtype="Int64")), pl.from_pandas(DATA).with_columns(q=pl.Series(large))):
        assert build("y ~ (1 | q)", frame, missing="drop").blocks[0].levels == (7, 2**53, 2**53 + 1)


@pytest.mark.parametrize(
    ("group", "column", "fragments"),
    [
        ("q", "one", ("'q'", "single level (one)", "drop the block")),
        ("q", DATA["x"], ("'q'", "fractions", "factor(q)")),
        ("q:r", np.repeat(["x:y", "x"], 12), ("'q:r'", "read the same", "rename them")),
    ],
)
def test_a_group_that_cannot_be_one_is_refused(group: str, column: Any, fragments: tuple[str, ...]) -> None:
    data = table(q=column, r=np.repeat(["z", "y:z"], 12))
    with pytest.raises(DataError) as error:
        build(f"y ~ (1 | {group})", data)
    refuses(error, *fragments)


def test_a_million_rows_of_text_are_indexed() -> None:
    codes = np.random.default_rng(0).integers(0, 1_000, 10**6)
    groups = np.array([f"{i:03}" for i in range(1_000)], dtype=object)
    assert_array_equal(build("y ~ (1 | g)", {"y": codes, "g": groups[codes]}).blocks[0].index, codes)


# -- the response and offsets --------------------------------------------------------------------


def test_two_columns_of_counts_are_successes_and_trials() -> None:
    p, cbind = build("p(s, n) ~ 1").outcome, build("cbind(s, n) ~ 1").outcome
    constant = build("p(s, 10) ~ 1").outcome
    assert p is not None
    assert cbind is not None
    assert constant is not None
    assert_array_equal([p.y, p.trials], [DATA["s"], DATA["n"]])
    assert_array_equal([cbind.y, cbind.trials], [DATA["s"], DATA["s"] + DATA["n"]])
    assert_array_equal(constant.trials, np.full(N, 10))


@pytest.mark.parametrize(
    ("column", "levels"), [("h", ("u", "v")), ("b", ("False", "True")), ("f", ("a", "b", "c")), ("s", None)]
)
def test_a_response_keeps_the_codes_of_its_labels(column: str, levels: tuple[str, ...] | None) -> None:
    design = build(f"{column} ~ x")
    for rows in (DATA.iloc[1:2], DATA.iloc[::-1]):
        outcome = design.on(rows).outcome
        assert outcome is not None
        labels = rows[column].astype(str).map(levels.index) if levels else rows[column]
        assert_array_equal(outcome.y, labels)
        assert outcome.levels == levels


def test_the_codes_of_a_response_outlive_new_data_without_it() -> None:
    outcome = build("h ~ x").on(DATA[["x"]]).on(DATA[DATA["h"] == "v"]).outcome
    assert outcome is not None
    assert_array_equal(outcome.y, 1)


def test_true_is_one_even_where_nothing_is_false() -> None:
    for formula, learned in (("b ~ x", DATA), ("b ~ x", table(b=ROW % 2)), ("b ~ x", table(b=True))):
        outcome = build(formula, learned).on({"x": [1.0, 2.0], "b": [True, True]}).outcome
        assert outcome is not None
        assert_array_equal(outcome.y, [1, 1])


@pytest.mark.parametrize(
    ("formula", "new", "fragments"),
    [
        ("h ~ x", ["u", "q"], ("'h'", "not known: q", "known: u, v")),
        ("s ~ x", ["u", "v"], ("'s'", "held numbers", "convert it")),
    ],
)
def test_a_response_that_changes_its_kind_is_refused(formula: str, new: list[str], fragments: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as error:
        build(formula).on({"x": [1.0, 2.0], formula[0]: new})
    refuses(error, *fragments)


def test_labels_are_not_counts() -> None:
    with pytest.raises(DataError, match="the successes in 'p\\(f, n\\)' are labels; they must be counts"):
        build("p(f, n) ~ x")
    with pytest.raises(DataError, match="'f' holds labels where numbers are wanted"):
        build("p(s, f) ~ x")


def test_offsets_add_up() -> None:
    design = build("s ~ offset(log(w)) + x + offset(z) + offset(2)")
    assert design.coef == ("Intercept", "x")
    assert_allclose(design.offset, np.log(DATA["w"]) + DATA["z"] + 2)


# -- what cannot be fitted -----------------------------------------------------------------------

REFUSED: dict[str, tuple[str, Mapping[str, Any], tuple[str, ...]]] = {
    "absent": ("y ~ xx", {}, ("no column 'xx'", "did you mean 'x'?", "known: y, x")),
    "copies": ("y ~ x + z + q", {"q": 2 * DATA["x"]}, ("the columns x, q are linearly dependent", "drop a term")),
    "sum of others": ("y ~ w + x + z + I(x + z)", {}, ("the columns x, z, I(x + z) are linearly",)),
    "indicator": ('y ~ x + f + I(f == "b")', {}, ('the columns f[T.b], I(f == "b") are linearly',)),
    "nested as crossed": ("y ~ f + q", {"q": DATA["f"] + "1"}, ("f[T.b], f[T.c], q[T.b1], q[T.c1] are linearly",)),
    "unobserved": ("y ~ f*q", {"q": np.where(DATA["f"] == "a", "s", "r")}, ("f[T.b]:q[T.s]", "never observed")),
    "in a block": ("y ~ (x + q | g)", {"q": 1 - DATA["x"]}, ("the block on 'g'", "Intercept, x, q", "linearly")),
    "constant": ("y ~ x + q", {"q": 3}, ("'q' is constant (3 in every row)", "drop it")),
    "constant arithmetic": ("y ~ I(q * 2)", {"q": 3}, ("Intercept, I(q * 2)", "linearly dependent")),
    "one level": ("y ~ f", {"f": "a"}, ("'f' has the single level 'a'", "drop it")),
    "one level of arithmetic": ("y ~ C(x > 99)", {}, ("'C(x > 99)' has the single level '0'", "drop it")),
    "one boolean": ("y ~ b", {"b": True}, ("'b' has the single level 'True'", "drop it")),
    "itself": ("y ~ x + y", {}, ("'y' is the response and a predictor", "remove it")),
    "too few values": ("y ~ poly(k, 4)", {}, ("'poly(k, 4)'", "there are 4", "lower the degree")),
    "too few scaled values": ("y ~ poly(scale(k), 5)", {}, ("'poly(scale(k), 5)'", "there are 4")),
    "no spread": ("y ~ scale(q)", {"q": 3}, ("scale(q)", "not finite", "varies")),
    "domain": ("y ~ log(x)", {}, ("'log(x)' is not a finite number", "check the domain")),
    "learned domain": ("y ~ log(scale(x))", {}, ("log(scale(x))", "not finite", "check the domain")),
    "offset domain": ("y ~ offset(log(x))", {}, ("'log(x)' is not a finite number",)),
    "infinite": ("y ~ x", {"x": np.where(ROW == 2, np.inf, 1.0)}, ("'x' is infinite in row 2",)),
    "dates": ("y ~ x", {"x": pd.date_range("2020", periods=N)}, ("'x' holds dates", "days since", "C(x)")),
    "scaled labels": ("y ~ f + scale(f)", {}, ("'f' holds labels where numbers are wanted", "convert it")),
    "scaled dates": ("y ~ scale(x)", {"x": pd.date_range("2020", periods=N)}, ("'x' holds dates", "days since")),
    "mixed": ("y ~ x", {"x": [1, "a"] * 12}, ("'x' holds objects of type int, str", "convert it")),
    "complex": ("y ~ x", {"x": DATA["x"] + 1j}, ("'x'", "complex128", "convert it")),
    "huge": ("y ~ x", {"x": pd.Series([2**70, 1] * 12, dtype=object)}, ("'x'", "2^63", "rescale it")),
    "unsigned": ("y ~ x", {"x": np.array([2**64 - 1, 1] * 12, dtype="u8")}, ("'x'", "2^63", "rescale it")),
    "labels": ("y ~ I(f + 1)", {}, ("'f' holds labels where numbers are wanted", "C(f)")),
    "misspelt label": ('y ~ I(f == "A")', {}, ("no row has the label 'A'", "a, b, c")),
    "misspelt label, response": ('I(f == "A") ~ x', {}, ("no row has the label 'A'", "a, b, c")),
    "label of a number": ('y ~ I(x == "a")', {}, ("'x' holds numbers", "without quotes")),
    "two labels": ("y ~ I(f == h)", {}, ("'f' and 'h' are compared", 'column == "label"')),
    "unknown reference": ('y ~ C(f, Treatment("q"))', {}, ("C(f) has no level 'q'", "a, b, c")),
    "called Intercept": ("y ~ Intercept", {"Intercept": DATA["x"]}, ("'Intercept'", "rename the column")),
    "two of a name": ("y ~ f*h", {"f": np.array(["a", "b", "b]:h[T.v"])[ROW % 3]}, ("f[T.b]:h[T.v]", "rename")),
}


@pytest.mark.parametrize(("formula", "changes", "fragments"), REFUSED.values(), ids=REFUSED)
def test_an_error_names_the_thing_and_the_remedy(
    formula: str, changes: Mapping[str, Any], fragments: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as error:
        build(formula, table(**changes))
    refuses(error, *fragments)


def test_a_year_can_be_told_from_its_powers_and_the_intercept() -> None:
    assert build("y ~ t + I(t^2)", table(t=2000 + ROW)).coef == ("Intercept", "t", "I(t^2)")


def test_a_constant_may_stand_in_arithmetic_or_for_the_intercept() -> None:
    data = table(one=1.0, unit=100.0)
    assert build("y ~ 0 + one + log(w / unit)", data).coef == ("one", "log(w / unit)")


@pytest.mark.parametrize(
    ("data", "fragments"),
    [
        (DATA.iloc[:0], ("no rows", "check")),
        (None, ("not NoneType", "a mapping of columns")),
        ([1, 2], ("not list", "a mapping of columns")),
        (pl.from_pandas(DATA).lazy(), ("not LazyFrame", "data.collect()")),
        (pd.concat([DATA, DATA[["x"]]], axis=1), ("x", "more than once", "rename")),
        (pa.table([[1.0], [1.0]], names=["x", "x"]), ("x", "more than once", "rename")),
        (DATA.assign(**{"1": 1}).rename(columns={"z": 1}), ("1", "more than once", "rename")),
        (pd.concat({"a": DATA}, axis=1), ("hierarchical column names", "flatten")),
        ({"y": [1, 2], "x": [1]}, ("cannot be made into a table", "same length")),
        ({"y": 1, "x": 2}, ("cannot be made into a table", "scalar")),
        ({"y": {1, 2}, "x": {1, 2}}, ("cannot be made into a table",)),
    ],
)
def test_data_that_are_no_table_are_refused(data: Any, fragments: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as error:
        build("y ~ x", data)
    refuses(error, *fragments)


def test_numbers_may_name_columns() -> None:
    assert build("y ~ `1`", DATA.rename(columns={"x": 1})).coef == ("Intercept", "`1`")


# -- missing values ------------------------------------------------------------------------------

GAPS = {
    "float": np.where(ROW < 2, np.nan, DATA["x"]),
    "text": [None, None, *DATA["f"][2:]],
    "category": pd.Categorical([None, None, *DATA["f"][2:]]),
    "nullable": pd.array([None, None, *range(2, N)], dtype="Int64"),
    "nullable float": pd.array([None, None, *DATA["x"][2:]], dtype="Float64"),
    "nullable boolean": pd.array([None, None, *DATA["b"][2:]], dtype="boolean"),
    "date": [None, None, *pd.date_range("2020", periods=N - 2)],
}


@pytest.mark.parametrize("kind", GAPS)
@pytest.mark.parametrize(
    "convert", [lambda d: d, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "arrow"]
)
def test_missing_values_are_counted_or_dropped(kind: str, convert: Any) -> None:
    data = convert(table(q=GAPS[kind], y=np.where(ROW == 5, np.nan, DATA["y"])))
    formula = "y ~ C(q)" if kind == "date" else "y ~ q"
    with pytest.raises(DataError) as error:
        build("y ~ q", data)
    refuses(error, "3 of 24 rows have missing values", "'y' 1", "'q' 2", 'missing="drop"')
    columns = Columns.read(data, parse(formula).columns, missing="drop")
    assert columns.dropped == 3
    assert_array_equal(columns.rows, np.delete(ROW, [0, 1, 5]))
    assert {len(columns[name]) for name in columns} == {columns.n} == {N - 3}


def test_dropped_rows_take_their_levels_along() -> None:
    data = table(x=np.where(DATA["f"] == "a", np.nan, DATA["x"]))
    design = build("y ~ x + f + (1 | factor(f))", data, missing="drop")
    assert (design.coef, design.blocks[0].levels) == (("Intercept", "x", "f[T.c]"), ("b", "c"))
    assert (design.n, design.columns.dropped) == (16, 8)


def test_rows_are_named_as_in_the_data_given() -> None:
    data = table(x=np.where(ROW == 0, np.nan, ROW), z=np.where(ROW == 7, np.inf, ROW), w=np.where(ROW == 9, -1, 1))
    for formula in ("y ~ x + z", "y ~ x + log(w)", "y ~ x + offset(log(w))"):
        with pytest.raises(DataError, match=r"in row (7|9) \(counting from 0\)"):
            build(formula, data, missing="drop")


def test_new_data_may_have_gaps_as_well() -> None:
    fresh = build("y ~ x + (1 | g)").on(table(g=[None, *DATA["g"][1:]]), missing="drop")
    assert (fresh.n, fresh.columns.dropped) == (23, 1)
    for read in (build("y ~ x").on, lambda data, **options: build("y ~ x", data, **options)):
        with pytest.raises(OptionError, match="missing='ignore' is not an option; known: error, drop"):
            read(DATA, missing="ignore")


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match="every row has a missing value \\('x' 24\\)"):
        build("y ~ x", table(x=None), missing="drop")


def test_missing_values_where_unused_are_no_matter() -> None:
    assert build("y ~ x", table(z=np.nan)).n == N


# -- names that could be taken for something else ------------------------------------------------

NAMES = [
    "log",
    "C",
    "I",
    "p",
    "lambda",
    "mu",
    "b_id",
    "größe",
    "число",
    "a b",
    "a|b",
    "x:z",
    "__input0__",
    "input0_1",
    "1",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_may_have_any_name(name: str) -> None:
    written = str(parse(f"y ~ `{name}`").terms.terms[0])
    for column, ends in ((DATA["x"], [""]), (DATA["f"], ["[T.b]", "[T.c]"])):
        design = build(f"y ~ log(w) + `{name}` + z + (0 + `{name}` | g)", table(**{name: column}))
        assert design.coef == ("Intercept", "log(w)", *(written + end for end in ends), "z")
        reference = build("y ~ log(w) + q + z + (0 + q | g)", table(q=column))
        assert_array_equal(design.x, reference.x)
        assert_array_equal(design.blocks[0].z, reference.blocks[0].z)
    (block,) = build(f"y ~ (1 | `{name}`)", table(**{name: DATA["g"]})).blocks
    assert not re.search(r"[|/\s]", block.name)


LABELS = [
    "log",
    "x",
    "f",
    "__input0__",
    "input0_1",
    "C(f)",
    "[T.x]",
    "it's",
    '"',
    "\\",
    "",
    " ",
    "{}",
    "a:b",
    "Intercept",
    "é",
]


@pytest.mark.parametrize("others", [LABELS[1:], LABELS[::-1]])
@pytest.mark.parametrize("term", ["f", "C(f)", "C(f, Sum())"])
def test_a_label_may_be_any_text(others: list[str], term: str) -> None:
    labels = sorted(set(others))
    data = {"y": np.arange(40.0), "x": np.sin(np.arange(40)), "f": [labels[i % len(labels)] for i in range(40)]}
    design = build(f"y ~ {term} + x:{term}", data)
    kind, shown = ("S", labels[:-1]) if "Sum" in term else ("T", labels[1:])
    assert design.coef[1 : len(labels)] == tuple(f"{term}[{kind}.{level}]" for level in shown)
    for level, column in zip(shown, design.x.T[1:], strict=False):
        assert_array_equal(column == 1, [value == level for value in data["f"]])


def test_a_reference_may_be_any_text() -> None:
    for label in ("it's", "a\\n", "log(x)", "__input0__"):
        design = build(f'y ~ C(f, Treatment("{label}"))', table(f=np.where(DATA["f"] == "a", label, "other")))
        assert_array_equal(design.x[:, 1], DATA["f"] != "a")


def test_the_caller_s_data_are_left_alone() -> None:
    data = table(f=DATA["f"].astype("category"), x=np.where(ROW == 0, np.nan, DATA["x"]))
    before = data.copy(deep=True)
    design = build("y ~ x + f + (1 | g)", data, missing="drop")
    kept = design.x.copy()
    pd.testing.assert_frame_equal(data, before)
    data["x"] = 0.0
    assert_array_equal(design.x, kept)


@pytest.mark.parametrize("formula", LEARNED)
def test_the_columns_used_make_the_design_again(formula: str) -> None:
    design = build(
        formula, table(h=DATA["h"].astype("category"), z=np.where(ROW == 4, np.nan, DATA["z"])), missing="drop"
    )
    again = build(formula, design.columns.to_pandas())
    for new, old in zip(matrices(again), matrices(design), strict=True):
        assert_array_equal(new, old)


def test_a_design_reads_the_columns_of_another() -> None:
    design = build("y ~ x*f + (1 | g)")
    assert_array_equal(design.on(design.columns).x, design.x)
    assert_array_equal(build("y ~ f", design.columns).x, build("y ~ f").x)
    with pytest.raises(DataError, match="no column 'z'"):
        build("y ~ z", design.columns)


# -- one name in two Unicode spellings -----------------------------------------------------------

COMPOSED, APART = "é", "e\u0301"


@pytest.mark.parametrize("in_formula", [COMPOSED, APART])
@pytest.mark.parametrize("in_data", [COMPOSED, APART])
def test_a_name_is_one_in_either_spelling(in_formula: str, in_data: str) -> None:
    data = {"y": [1.0, 2.0, 4.0, 3.0], in_data: [0.0, 1.0, 2.0, 5.0], "f": [COMPOSED, APART, "a", "a"]}
    design = build(f'y ~ {in_formula} + C(f, Treatment("{in_formula}"))', data)
    assert design.coef == ("Intercept", COMPOSED, f'C(f, Treatment("{COMPOSED}"))[T.a]')
    assert_array_equal(design.x[:, 2], [0, 0, 1, 1])
    assert_array_equal(design.on(data).x, design.x)


def test_two_spellings_of_one_column_are_refused() -> None:
    with pytest.raises(DataError, match="two columns are called 'é'"):
        build("y ~ é", {"y": [1.0, 2.0], COMPOSED: [0, 1], APART: [1, 0]})


def test_categories_of_one_label_are_one_level() -> None:
    f = pd.Categorical([APART, "b", COMPOSED], categories=["b", COMPOSED, APART])
    read = Columns.read({"f": f}, ["f"])["f"]
    assert list(read.categories) == ["b", COMPOSED]
    assert list(read) == [COMPOSED, "b", COMPOSED]
