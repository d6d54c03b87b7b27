"""What a column is: text that holds numbers, labels that are one, counts that are whole, levels that lead."""

import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from handmade import hand_made
from numpy.testing import assert_array_equal

import bayesglmm as bg
from bayesglmm.errors import BayesGLMMWarning, DataError, OptionError, ResponseError
from bayesglmm.fitted import Fit
from bayesglmm.fitting import load
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.design.text import gaps, spoilt, twins
from bayesglmm.specify.formula import parse

N = 60
ROW = np.arange(N)
BASE = pd.DataFrame({"y": np.sin(ROW), "x": np.cos(3 * ROW), "g": np.tile(list("uvwxyz"), 10), "n": 7})
AGES = [str(20 + row % 22) for row in ROW]


def with_column(values: Any, name: str = "a") -> pd.DataFrame:
    return BASE.assign(**{name: values})


def at_row_3(value: str) -> list[str]:
    return [value if row == 3 else age for row, age in enumerate(AGES)]


# -- numbers spoilt to text ----------------------------------------------------------------------

SPOILT = {
    "a dot": ".",
    "nothing": "",
    "R's mark": "NA",
    "a mark": "N/A",
    "a limit": "<5",
    "an open end": "90+",
    "about": "~30",
    "a thousands mark": "1,234",
    "a Swiss thousands mark": "1'234",
    "a thousands blank": "1 234",
    "a decimal comma": "30,5",
    "a European number": "1.234,5",
    "a unit": "30 kg",
    "a unit at once": "30kg",
    "a share": "30%",
    "money": "$30",
    "money after": "30 €",
    "a blank before": " 30",
    "a blank after": "30 ",
    "a hard blank": "30\N{NO-BREAK SPACE}",
    "a footnote": "30*",
    "brackets": "(30)",
    "a word": "few",
    "an error of a sheet": "#DIV/0!",
}

USES = ("y ~ a + (1 | g)", "y ~ x*a + (1 | g)", "y ~ log(a) + (1 | g)", "y ~ x + (1 + a | g)", "a ~ x + (1 | g)")


@pytest.mark.parametrize("formula", USES)
@pytest.mark.parametrize("value", SPOILT.values(), ids=SPOILT)
def test_a_number_spoilt_to_text_is_named_with_its_row(value: str, formula: str) -> None:
    for missing in ("error", "drop"):
        with pytest.raises(DataError, match=r"'a' .*row 3") as error:
            Design.build(formula, with_column(at_row_3(value)), missing=missing)
        assert repr(value) in str(error.value)
        assert "convert it to numbers" in str(error.value)


CONTAINERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "objects": lambda frame: frame.astype({"a": object}),
    "string dtype": lambda frame: frame.astype({"a": "string"}),
    "Arrow in pandas": lambda frame: frame.astype({"a": pd.ArrowDtype(pa.string())}),
    "a dictionary in pandas": lambda frame: frame.astype({"a": pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))}),
    "polars": pl.from_pandas,
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(pl.col("a").cast(pl.Categorical)),
    "arrow": pa.Table.from_pandas,
    "arrow dictionary": lambda frame: pa.table(
        {name: pa.array(frame[name]).dictionary_encode() if name == "a" else pa.array(frame[name]) for name in frame}
    ),
    "a mapping": lambda frame: {name: frame[name].tolist() for name in frame},
}


@pytest.mark.parametrize("contained", CONTAINERS.values(), ids=CONTAINERS)
def test_it_is_named_in_any_container(contained: Callable[[pd.DataFrame], Any]) -> None:
    for values in (at_row_3("."), [f"1,{row:03d}" for row in ROW]):
        with pytest.raises(DataError, match="column 'a' is text and not numbers"):
            Design.build("y ~ a + (1 | g)", contained(with_column(values)))


def test_many_numbers_stored_as_text_are_refused() -> None:
    with pytest.raises(DataError, match="all its 22 distinct values are numbers stored as text, such as '20', '21'"):
        Design.build("y ~ a + (1 | g)", with_column(AGES))
    with pytest.raises(DataError, match=r"write C\(a\) if each value is a category \(22 levels\)"):
        Design.build("y ~ a + (1 | g)", with_column(AGES))


def test_few_numbers_stored_as_text_are_a_factor_with_a_word() -> None:
    with pytest.warns(BayesGLMMWarning, match="'a' is text whose labels are all numbers .* factor of 3 levels"):
        design = Design.build("y ~ a + (1 | g)", with_column(np.tile(["1", "2", "3"], 20)))
    assert design.coef == ("Intercept", "a[T.2]", "a[T.3]")


def test_what_is_declared_a_factor_is_believed() -> None:
    for values in (at_row_3("."), AGES):
        assert len(Design.build("y ~ C(a) + (1 | g)", with_column(values)).coef) == len(set(values))
    assert len(Design.build("y ~ a + (1 | g)", with_column(pd.Categorical(AGES))).coef) == 22
    with pytest.raises(DataError, match="row 3"):  # by a type that was given to all of a table, it seems
        Design.build("y ~ a + (1 | g)", with_column(pd.Categorical(at_row_3("."))))


LABELS = (
    ["placebo", "5 mg", "10 mg"],
    ["<5", "5-9", "10+"],
    ["0", "1-2", "3+"],
    ["1st", "2nd", "3rd"],
    ["1a", "1b", "2a"],
    ["T1", "T2", "T3"],
    ["a", "b", "NA"],
    ["N/A", "None", "NULL"],
    ["2024-01", "2024-02", "2025-01"],
    ["yes", "no", "7"],
    ["A-1", "A-2", "B-1"],
    ["I", "II", "III"],
    ["(1)", "(2)", "(x)"],
)


@pytest.mark.parametrize("labels", LABELS, ids=", ".join)
def test_labels_with_digits_are_labels(labels: list[str]) -> None:
    design = Design.build("y ~ a + (1 | g)", with_column(np.tile(labels, 20)))
    assert design.coef == ("Intercept", *(f"a[T.{label}]" for label in sorted(labels)[1:]))


def test_dates_as_text_are_refused_where_they_are_many() -> None:
    days = [f"2024-01-{1 + row % 28:02d}" for row in ROW]
    with pytest.raises(DataError, match=r"dates as text .* days since"):
        Design.build("y ~ a + (1 | g)", with_column(days))
    assert len(Design.build("y ~ C(a) + (1 | g)", with_column(days)).coef) == 28
    assert len(Design.build("y ~ 1 + (1 | a)", with_column(days)).blocks[0].levels) == 28


def test_a_mark_of_missing_values_is_no_group() -> None:
    with pytest.raises(DataError, match=r"grouping factor 'a' has '\.' in row 3"):
        Design.build("y ~ x + (1 | a)", with_column(at_row_3(".")))
    assert len(Design.build("y ~ x + (1 | a)", with_column(AGES)).blocks[0].levels) == 22
    assert Design.build("y ~ x + (1 | a)", with_column(np.tile(["NA", "EU"], 30))).blocks[0].levels == ("EU", "NA")


def test_a_text_response_of_two_labels_is_one_and_of_numbers_is_not() -> None:
    model = bg.glmm("a ~ x + (1 | g)", with_column(np.tile(["0", "1"], 30)), "bernoulli")
    assert model.event == "1"
    with pytest.raises(DataError, match="'NA' in rows"):
        bg.glmm("a ~ x + (1 | g)", with_column(np.tile(["NA", "1"], 30)), "bernoulli")


def test_what_text_is_by_its_labels() -> None:
    assert spoilt(["70", "80 kg"]).what == ("the unit kg",)
    assert spoilt(["5 mg", "10 mg"]).uniform
    assert spoilt(["1,000", "2,000"]).what == ("thousands marks",)
    assert spoilt(["1,5", "2"]).odd == ("1,5",)
    assert spoilt(["-1", "+2", "3e5", ".5"]).odd == ()
    assert spoilt(["north", "south"]) is None
    assert gaps(["1", "2", "NA"]) == ("NA",)
    assert gaps(["a", "NA"]) == ()


# -- levels that differ in next to nothing -------------------------------------------------------

BLANKS = (
    "Active ",
    " Active",
    "Active\t",
    "Active\N{NO-BREAK SPACE}",
    "\N{ZERO WIDTH SPACE}Active",
    "Act\N{SOFT HYPHEN}ive",
)


@pytest.mark.parametrize("other", BLANKS, ids=repr)
@pytest.mark.parametrize("formula", ["y ~ a + (1 | g)", "y ~ C(a) + (1 | g)", "y ~ x + (1 | a)", "a ~ x + (1 | g)"])
def test_labels_that_differ_in_blanks_are_refused(formula: str, other: str) -> None:
    values = np.where(ROW == 3, other, np.where(ROW % 2, "Active", "Usual"))
    for column in (values, pd.Categorical(values)):
        with pytest.raises(DataError, match=r"'a' has levels that differ in blanks alone.*strip") as error:
            Design.build(formula, with_column(column))
        assert repr(other) in str(error.value)
        assert repr("Active") in str(error.value)


@pytest.mark.parametrize(("one", "other"), [("Placebo", "placebo"), ("café", "cafe"), ("STRASSE", "Straße")])
def test_labels_that_differ_in_case_or_accents_get_a_word(one: str, other: str) -> None:
    values = np.where(ROW % 3 == 0, one, np.where(ROW % 3 == 1, other, "else"))
    words = "'a' has levels that differ in case or accents alone"
    for formula in ("y ~ a + (1 | g)", "y ~ x:a + (1 | g)", "y ~ x + (1 + a | g)"):
        with pytest.raises(DataError, match=rf"{words}.*write C\(a\)") as error:
            Design.build(formula, with_column(values))
        assert repr(one) in str(error.value)
        assert repr(other) in str(error.value)
    for formula, column in (
        ("y ~ C(a) + (1 | g)", values),
        ("y ~ x + (1 | a)", values),
        ("y ~ a + (1 | g)", pd.Categorical(values)),
    ):
        with pytest.warns(BayesGLMMWarning, match=f"{words}.*each is a level of its own"):
            Design.build(formula, with_column(column))


def test_one_number_written_twice_gets_a_word() -> None:
    values = np.array(["1", "1.0", "2"], dtype=object)[ROW % 3]
    with pytest.warns(
        BayesGLMMWarning, match="'a' has levels that differ in the writing of a number alone: '1', '1.0'"
    ):
        Design.build("y ~ x + (1 | a)", with_column(values))
    assert twins(["9007199254740993", "9007199254740992", "7", "007"]) == ((), (("7", "007"),))


def test_a_warning_points_at_the_call() -> None:
    with pytest.warns(BayesGLMMWarning) as caught:
        bg.glmm("y ~ C(a) + (1 | g)", with_column(np.tile(["Aa", "aA", "AA"], 20)))
    assert caught[0].filename == __file__


def test_labels_that_differ_in_letters_are_levels() -> None:
    assert twins(["a", "b", "aa", "a b", "ab", "е", "e"]) == ((), ())  # Cyrillic and Latin
    assert twins(["", " "]) == ((), ())


def test_two_columns_of_one_fit_are_not_looked_at_again() -> None:
    with pytest.warns(BayesGLMMWarning):
        design = Design.build("y ~ C(a) + (1 | g)", with_column(np.tile(["Aa", "aA", "AA"], 20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Design.build("y ~ C(a) + (1 | g)", design.columns).coef == design.coef


# -- whole numbers beyond doubles ----------------------------------------------------------------

LARGE = 2**53 + 1 + 2 * ROW

BEYOND = {
    "int64": LARGE,
    "uint64": LARGE.astype(np.uint64),
    "Int64": pd.array(LARGE, dtype="Int64"),
    "objects": pd.Series([int(value) for value in LARGE], dtype=object),
    "Arrow": pd.array(LARGE, dtype=pd.ArrowDtype(pa.int64())),
    "Arrow decimals": pd.array([Decimal(int(v)) for v in LARGE], dtype=pd.ArrowDtype(pa.decimal128(25, 0))),
    "beside a float": pd.Series([0.5, *(int(value) for value in LARGE[1:])], dtype=object),
    "below": -LARGE,
}


@pytest.mark.parametrize("values", BEYOND.values(), ids=BEYOND)
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ a + (1 | g)",
        "y ~ log(a) + (1 | g)",
        "y ~ x + offset(a) + (1 | g)",
        "a ~ x + (1 | g)",
        "p(a, n) ~ x",
        "p(n, a) ~ x",
    ],
)
def test_whole_numbers_beyond_doubles_are_refused(values: Any, formula: str) -> None:
    for data in (
        with_column(values),
        pl.from_pandas(with_column(values)) if "object" not in str(values.dtype) else None,
    ):
        if data is not None:
            with pytest.raises(DataError, match=r"'a' .*2\^53"):
                Design.build(formula, data)


def test_they_may_label_groups_and_levels() -> None:
    values = 2**60 + np.repeat(np.arange(6), 10)
    assert Design.build("y ~ x + (1 | a)", with_column(values)).blocks[0].levels == tuple(2**60 + np.arange(6))
    assert Design.build("y ~ C(a)", with_column(values)).coef[1] == f"C(a)[T.{2**60 + 1}]"
    assert Design.build("y ~ a", with_column(2**53 - ROW)).x[0, 1] == 2**53


# -- counts a rounding error off -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_proportion_times_its_trials_is_a_count(kind: type) -> None:
    trials = np.array([50, 100, 7, 1000, 30_000])[ROW % 5]
    successes = ROW * trials // N
    data = BASE.assign(n=trials, prop=(successes / trials).astype(kind))
    model = bg.glmm("p(prop*n, n) ~ x + (1 | g)", data, "binomial")
    assert_array_equal(model.design.outcome.y, successes)
    assert_array_equal(model.design.outcome.trials, trials)
    model = bg.glmm("I(prop*n) ~ x + (1 | g)", data, "poisson")
    assert_array_equal(model.design.outcome.y, successes)


def test_a_count_that_is_a_count_stays_what_it_is() -> None:
    data = BASE.assign(k=np.array([0, 1, 2**31 - 1])[ROW % 3])
    assert_array_equal(bg.glmm("k ~ x + (1 | g)", data, "poisson").design.outcome.y, data["k"])


@pytest.mark.parametrize("value", [4.5, 4.01, 4.0001, 4.00001, 0.00001, 1000.001, 1e6 + 0.01, 1e9 + 0.5])
def test_fractions_are_no_counts(value: float) -> None:
    data = BASE.assign(k=np.where(ROW == 3, value, 4.0), n=10**10)
    with pytest.raises(ResponseError, match="whole numbers"):
        bg.glmm("k ~ x + (1 | g)", data, "poisson")


@pytest.mark.parametrize(
    ("value", "count"), [(4 + 9e-7, 4), (1e-7, 0), (0.1 * 3 * 10, 3), (1000.0001, 1000), (1e6 + 1e-4, 10**6)]
)
def test_what_is_whole_but_for_rounding_is_a_count(value: float, count: int) -> None:
    data = BASE.assign(k=np.where(ROW == 3, value, 4.0))
    assert bg.glmm("k ~ x + (1 | g)", data, "poisson").design.outcome.y[3] == count


def test_a_continuous_response_is_left_alone() -> None:
    data = BASE.assign(k=1 + 1e-9 * np.sin(ROW))
    assert_array_equal(bg.glmm("k ~ x + (1 | g)", data, "gaussian").design.outcome.y, data["k"])


def test_new_outcomes_are_counted_the_same(tmp_path: Any) -> None:
    data = BASE.assign(prop=(ROW % 8) / 7)
    fit = hand_made(bg.glmm("p(prop*n, n) ~ x + (1 | g)", data, "binomial"), draws=20)
    new = data.iloc[:4].assign(g="new")
    assert fit.epred(new, new_outcomes=new, frame="group", seed=1).shape[2] == 4
    assert_array_equal(load(fit.save(tmp_path / "fit")).model.design.outcome.y, ROW % 8)


# -- reference levels ----------------------------------------------------------------------------

ARMS = np.array(["Usual", "Steroid", "new"], dtype=object)[ROW % 3]


@pytest.mark.parametrize("contained", CONTAINERS.values(), ids=CONTAINERS)
def test_text_has_one_reference_in_any_container(contained: Callable[[pd.DataFrame], Any]) -> None:
    design = Design.build("y ~ a + (1 | g)", contained(with_column(ARMS)))
    assert design.references == {"a": "Steroid"}  # by code point, capitals first
    assert design.coef == ("Intercept", "a[T.Usual]", "a[T.new]")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("contained", CONTAINERS.values(), ids=CONTAINERS)
def test_and_in_any_spelling(contained: Callable[[pd.DataFrame], Any], form: str) -> None:
    from unicodedata import normalize

    labels = np.array([normalize(form, text) for text in ("é", "f", "z")], dtype=object)
    design = Design.build("y ~ a + (1 | g)", contained(with_column(labels[ROW % 3])))
    assert design.coef == ("Intercept", "a[T.z]", "a[T.é]")
    declared = pd.Categorical(labels[ROW % 3], categories=labels[::-1])
    assert Design.build("y ~ a", with_column(declared)).references == {"a": "z"}


@pytest.mark.parametrize("ordered", [False, True])
def test_a_declared_order_is_kept_where_the_type_has_one(ordered: bool) -> None:
    frame = with_column(pd.Categorical(ARMS, categories=["Usual", "new", "Steroid"], ordered=ordered))
    enum = pl.from_pandas(with_column(ARMS)).with_columns(pl.col("a").cast(pl.Enum(["Usual", "new", "Steroid"])))
    for data in (frame, pa.Table.from_pandas(frame), enum, {name: frame[name].array for name in frame}):
        assert Design.build("y ~ a", data).coef == ("Intercept", "a[T.new]", "a[T.Steroid]")


def test_the_reference_is_printed_with_the_model_and_the_fit() -> None:
    model = bg.glmm("y ~ a*x + C(h, Treatment(2)) + (1 | g)", with_column(ARMS).assign(h=ROW % 4))
    line = "reference levels: a = Steroid, C(h, Treatment(2)) = 2"
    assert line in str(model)
    assert line in model._repr_html_()
    assert line in str(hand_made(model, draws=20))
    assert "reference levels" not in str(bg.glmm("y ~ 0 + a + (1 | g)", with_column(ARMS)))


REFERENCES: dict[str, tuple[str, Any, Any, tuple[str, ...]]] = {
    "text": ("y ~ a", ARMS, "Usual", ("a[T.Steroid]", "a[T.new]")),
    "inside C": ("y ~ C(a)", ARMS, "Usual", ("C(a)[T.Steroid]", "C(a)[T.new]")),
    "categories": (
        "y ~ a",
        pd.Categorical(ARMS, categories=["new", "Usual", "Steroid"]),
        "Usual",
        ("a[T.new]", "a[T.Steroid]"),
    ),
    "numbers in C": ("y ~ C(a)", ROW % 3, 2, ("C(a)[T.0]", "C(a)[T.1]")),
    "numbers in C, as text": ("y ~ C(a)", ROW % 3, "2", ("C(a)[T.0]", "C(a)[T.1]")),
    "booleans": ("y ~ a", ROW % 3 == 0, True, ("a[T.False]",)),
    "another spelling": ("y ~ a", np.array(["é", "b", "c"], dtype=object)[ROW % 3], "e\u0301", ("a[T.b]", "a[T.c]")),
    "an interaction": ("y ~ x:a", ARMS, "Usual", ("x:a[Usual]", "x:a[Steroid]", "x:a[new]")),
}


@pytest.mark.parametrize(("formula", "values", "level", "coef"), REFERENCES.values(), ids=REFERENCES)
def test_a_reference_is_set_without_a_coding(formula: str, values: Any, level: Any, coef: tuple[str, ...]) -> None:
    data = with_column(values)
    design = Design.build(formula, data, reference={"a": level})
    assert design.coef == ("Intercept", *coef)
    named = design.on(data.iloc[::-1].reset_index(drop=True))
    assert_array_equal(named.x, design.x[::-1])


def test_a_reference_of_the_response_is_what_is_no_event() -> None:
    data = with_column(np.array(["yes", "no"], dtype=object)[ROW % 2])
    assert bg.glmm("a ~ x + (1 | g)", data, "bernoulli").event == "yes"
    turned = bg.glmm("a ~ x + (1 | g)", data, "bernoulli", reference={"a": "yes"})
    assert turned.event == "no"
    assert_array_equal(turned.design.outcome.y, ROW % 2)


@pytest.mark.parametrize(
    ("formula", "reference", "fragments"),
    [
        ("y ~ a", {"a": "usual"}, ("reference['a']='usual'", "did you mean 'Usual'?")),
        ("y ~ x + a", {"x": 1}, ("'x'", "used as a number", "write C(…)", "known: a")),
        ("y ~ x + (1 | a)", {"a": "new"}, ("'a'", "groups rows", "no reference")),
        ("y ~ a", {"q": "new"}, ("'q'", "not a column of the formula")),
        ("y ~ C(a, Sum())", {"a": "new"}, ("'a'", "Sum(…) is in the formula")),
        ('y ~ C(a, Treatment("new"))', {"a": "Usual"}, ("'a'", "say it once")),
        ('y ~ I(a == "new")', {"a": "Usual"}, ("'a'", "not a factor of the formula")),
        ("y ~ a", "new", ("'new'", "not a mapping")),
    ],
)
def test_a_reference_of_what_has_none_is_refused(formula: str, reference: Any, fragments: tuple[str, ...]) -> None:
    with pytest.raises(OptionError) as error:
        Design.build(formula, with_column(ARMS), reference=reference)
    assert not [fragment for fragment in fragments if fragment not in str(error.value)], error.value


def test_a_reference_survives_saving_and_loading(tmp_path: Any) -> None:
    declared = pd.Categorical(ARMS, categories=["new", "Usual", "Steroid"])
    model = bg.glmm(
        "y ~ a + C(h) + (1 | g)", with_column(declared).assign(h=ROW % 4), reference={"a": "Steroid", "h": 3}
    )
    read = load(hand_made(model, draws=20).save(tmp_path / "fit")).model.design
    assert read.coef == model.design.coef
    assert read.references == {"a": "Steroid", "C(h)": "3"}
    again = Design.build("y ~ a", read.columns, reference={"a": "Usual"})
    assert again.coef == ("Intercept", "a[T.new]", "a[T.Steroid]")  # the order declared, without what was done to it


def test_a_reference_survives_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayesglmm.fitting.sampled", lambda model, *_, **__: hand_made(model, draws=20))
    data = with_column(ARMS)
    fit: Fit = hand_made(bg.glmm("y ~ a + (1 | g)", data, reference={"a": "Usual"}), draws=20)
    usual, first = ("Intercept", "a[T.Steroid]", "a[T.new]"), ("Intercept", "a[T.Usual]", "a[T.new]")
    assert fit.update().model.design.coef == usual
    assert fit.update(data=data.iloc[:30]).model.design.coef == usual
    assert fit.update("y ~ a + x + (1 | g)", data).model.design.coef == (*usual, "x")
    assert fit.update(reference={"a": "Steroid"}).model.design.coef == first
    assert fit.update("y ~ x + (1 | g)", data).model.design.coef == ("Intercept", "x")
    assert fit.update('y ~ C(a, Treatment("new")) + (1 | g)', data).model.design.references == {
        'C(a, Treatment("new"))': "new"
    }


def test_columns_keep_what_was_asked_of_them() -> None:
    columns = Columns.read(with_column(ARMS), parse("y ~ a + x").columns).with_reference({"a": "Usual"})
    assert columns.references == {"a": "Usual"}
    assert columns.take(["a", "y"]).references == {"a": "Usual"}
    assert columns.take(["y"]).references == {}


# -- groups ---------------------------------------------------------------------------------------


def test_a_number_of_many_values_is_no_grouping_factor() -> None:
    data = BASE.assign(age=20 + ROW / 7)
    with pytest.raises(DataError, match=r"'age' holds fractions .* 60 distinct values; .* write factor\(age\)"):
        Design.build("y ~ x + (1 | age)", data)


@pytest.mark.parametrize("family", ["bernoulli", "binomial"])
def test_single_trials_that_are_groups_of_their_own_are_refused(family: str) -> None:
    data = BASE.assign(event=ROW % 2, one=1, id=ROW)
    formula = "event ~ x + (1 | id)" if family == "bernoulli" else "p(event, one) ~ x + (1 | id)"
    with pytest.raises(DataError, match="every row is a group of its own in 'id', and single outcomes of 0 or 1"):
        bg.glmm(formula, data, family)
    assert bg.glmm("p(event, n) ~ x + (1 | id)", data, "binomial").design.n == N
    assert bg.glmm("event ~ x + (1 | g)", data, "bernoulli").design.n == N


def test_a_block_that_is_called_otherwise_says_why() -> None:
    data = BASE.assign(obs=ROW % 5, **{"a b": ROW % 4})
    text = str(bg.glmm("y ~ x + (1 | obs) + (1 | `a b`) + (1 | g) + (0 + x | g)", data))
    assert "effects of obs are called b_obs_ and sd_obs_, since 'obs' is the name of something else" in text
    assert "effects of a b are called b_a_b and sd_a_b, since names in the posterior are letters" in text
    assert "effects of g are called b_g_2 and sd_g_2, since it is block 2 on g" in text
    assert "called" not in str(bg.glmm("y ~ x + (1 | factor(n2)/g)", BASE.assign(n2=ROW % 3)))


# -- a call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "said"),
    [(ROW % 2, 'is 0 or 1: pass family="bernoulli"'), (ROW % 5, 'whole numbers from 0 on: pass family="poisson"')],
)
def test_a_family_left_out_is_said_where_the_response_looks_like_another_s(response: Any, said: str) -> None:
    data = BASE.assign(k=response)
    with pytest.warns(BayesGLMMWarning, match=f"gaussian was taken, and the response 'k' .*{said}"):
        assert bg.glmm("k ~ x + (1 | g)", data).family.name == "gaussian"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bg.glmm("k ~ x + (1 | g)", data, "gaussian")
        bg.glmm("y ~ x + (1 | g)", data)
        bg.glmm("k ~ x + (1 | g)", data.assign(k=data["k"] + 100))


@pytest.mark.parametrize(
    ("name", "said"),
    [("weights", "weights\\(w\\) ~"), ("iter", "draws="), ("prior", "priors="), ("drawz", "did you mean 'draws'")],
)
def test_an_argument_of_another_package_is_refused_with_what_to_write(name: str, said: str) -> None:
    with pytest.raises(OptionError, match=f"fit has no argument {name}=; .*{said}"):
        bg.fit("y ~ x + (1 | g)", BASE, **{name: 1})
    with pytest.raises(OptionError, match=f"glmm has no argument {name}="):
        bg.glmm("y ~ x + (1 | g)", BASE, **{name: 1})
