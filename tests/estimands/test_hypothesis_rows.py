"""Hypotheses between rows of estimates, and transforms of estimates: against the draws by hand."""

import numpy as np
import pytest
from handmade import hand_made, seizure_fit, seizure_like

import bayesglmm as bg
from bayesglmm.errors import FormulaError, OptionError
from bayesglmm.estimands.estimates import Estimates


@pytest.fixture(scope="module")
def fit() -> bg.Fit:
    return seizure_fit(draws=100)


@pytest.fixture(scope="module")
def means(fit: bg.Fit) -> Estimates:
    """Rows b1 to b4: (trt, time) = (0, 0), (0, 1), (1, 0), (1, 1)."""
    return fit.predictions(by=["trt", "time"])


PAIRS = {
    "reference": [(0, 1), (0, 2), (0, 3)],
    "pairwise": [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)],
    "sequential": [(0, 1), (1, 2), (2, 3)],
}


@pytest.mark.parametrize("option", PAIRS)
def test_rows_are_compared_by_pairs(means: Estimates, option: str) -> None:
    found = means.hypothesis(option)
    expected = np.column_stack([means.flat[:, high] - means.flat[:, low] for low, high in PAIRS[option]])
    np.testing.assert_array_equal(found.flat, expected)
    table = found.table
    np.testing.assert_allclose(table["mean"], expected.mean(axis=0))
    np.testing.assert_allclose(table["probability_positive"], (expected > 0).mean(axis=0))
    assert found.labels == ("hypothesis", "frame")
    assert table["hypothesis"].iloc[0] == "(trt = 0, time = 1) - (trt = 0, time = 0)"
    assert (table["frame"] == "population").all()
    assert found.estimand.startswith("Differences between estimates, ")
    assert means.estimand in found.estimand


def test_within_groups_and_differences_of_differences(fit: bg.Fit, means: Estimates) -> None:
    within = means.hypothesis("reference", by="time")
    b = means.flat.T
    np.testing.assert_array_equal(within.flat.T, [b[2] - b[0], b[3] - b[1]])
    assert within.labels == ("hypothesis", "time", "frame")
    assert within.table["hypothesis"].tolist() == ["(trt = 1) - (trt = 0)"] * 2
    assert within.table["time"].tolist() == [0, 1]
    twice = within.hypothesis("reference")
    np.testing.assert_array_equal(twice.flat[:, 0], (b[3] - b[1]) - (b[2] - b[0]))
    name = "((trt = 1) - (trt = 0), time = 1) - ((trt = 1) - (trt = 0), time = 0)"
    assert twice.table["hypothesis"].item() == name
    compared = fit.comparisons("trt", by="time").hypothesis("pairwise")
    np.testing.assert_allclose(compared.flat[:, 0], twice.flat[:, 0], rtol=1e-10)
    assert compared.labels == ("variable", "contrast", "hypothesis", "frame")
    assert compared.table["hypothesis"].item() == "(time = 1) - (time = 0)"


def test_frames_are_not_mixed_and_ratios_are_compared_by_ratios(fit: bg.Fit) -> None:
    ratios = fit.comparisons("time", comparison="ratio", by="trt", frame=("population", "typical"))
    found = ratios.hypothesis("pairwise")
    b = ratios.flat.T  # population and typical of trt 0, then of trt 1
    np.testing.assert_array_equal(found.flat.T, [b[2] / b[0], b[3] / b[1]])
    assert found.table["frame"].tolist() == ["population", "typical"]
    assert found.table["probability_positive"].tolist() == (found.flat > 1).mean(axis=0).tolist()
    assert found.table["hypothesis"].tolist() == ["(trt = 1) / (trt = 0)"] * 2
    assert found.shown.null == 1
    across = ratios.hypothesis("b1 - b2 = 0").table
    assert across["frame"].item() == "population and typical"
    assert across["rows"].item() == "b1: trt = 0 (population); b2: trt = 0 (typical)"


def test_rows_are_combined_as_text_says(means: Estimates) -> None:
    b = means.flat.T
    asked = {"did": "(b4 - b3) - (b2 - b1) < 0", "ratio": "b2 / b1 > 1.2", "equal": "b1 = b3", "mean": "(b1 + b2)/2"}
    found = means.hypothesis(asked, rope={"did": 1, "ratio": (0.9, 1.1)})
    expected = [b[3] - b[2] - b[1] + b[0], b[1] / b[0], b[0] - b[2], (b[0] + b[1]) / 2]
    np.testing.assert_allclose(found.flat.T, expected, rtol=1e-13)
    table = found.table.set_index("hypothesis")
    assert list(table.index) == list(asked)
    assert table.loc["did", "probability"] == (expected[0] < 0).mean()
    assert table.loc["did", "inside_rope"] == (np.abs(expected[0]) <= 1).mean()
    assert table.loc["ratio", "probability"] == (expected[1] > 1.2).mean()
    assert table.loc["ratio", "probability_positive"] == (expected[1] > 1.2).mean()
    assert table.loc["ratio", "inside_rope"] == ((expected[1] >= 0.9) & (expected[1] <= 1.1)).mean()
    assert table.loc["equal", "null"] == 0
    assert np.isnan(table.loc[["equal", "mean"], "probability"]).all()
    assert table.loc["equal", "rows"] == "b1: trt = 0, time = 0; b3: trt = 1, time = 0"
    assert "did: (b4 - b3) - (b2 - b1) < 0" in found.estimand
    text = str(found)
    assert "(rule of three" in " ".join(text.split()) or not (table["odds_bound"] != "").any()
    assert "inside_rope" in found._repr_html_()


def test_text_within_groups_counts_rows_of_each(means: Estimates) -> None:
    b = means.flat.T
    found = means.hypothesis("b2 / b1 > 1", by="trt")
    np.testing.assert_array_equal(found.flat.T, [b[1] / b[0], b[3] / b[2]])
    assert found.table["trt"].tolist() == [0, 1]
    assert found.table["rows"].tolist() == ["b2: time = 1; b1: time = 0"] * 2
    assert "b1 being the first row of each trt and frame" in found.estimand


def test_of_slopes_and_of_log_odds() -> None:
    fit = hand_made(bg.glmm("event ~ trt*age + severity + (1 | id)", seizure_like(), "bernoulli"), draws=60)
    slopes = fit.slopes("age", by="trt")
    np.testing.assert_array_equal(slopes.hypothesis("pairwise").flat[:, 0], slopes.flat[:, 1] - slopes.flat[:, 0])
    levels = fit.comparisons("severity", scale="link")
    assert levels.hypothesis("pairwise").table["hypothesis"].tolist() == [
        "(severity: Severe - Mild) - (severity: Moderate - Mild)"
    ]
    ratio = levels.hypothesis("pairwise", transform="exp", rope=0.1)
    np.testing.assert_allclose(ratio.flat[:, 0], np.exp(levels.flat[:, 1] - levels.flat[:, 0]))
    row = ratio.table.iloc[0]
    assert (row["null"], row["rope_lower"], row["rope_upper"]) == (1, 0.9, 1.1)
    assert row["probability_positive"] == (ratio.flat[:, 0] > 1).mean()
    assert "Transformed in each draw, exp: Differences between estimates" in ratio.estimand


def test_a_transform_is_of_draws_null_and_hypothesis(fit: bg.Fit, means: Estimates) -> None:
    log = means.transform("log")
    np.testing.assert_array_equal(log.flat, np.log(means.flat))
    assert log.labels == means.labels
    assert log.shown.null is None
    assert log.draws.attrs["transform"] == "log"
    assert means.transform(None) is means
    ratio = fit.comparisons("trt", comparison="ratio")
    back = ratio.transform("log")
    assert (back.shown.null, back.shown.ratio) == (0, False)
    assert back.table["probability_positive"].equals(ratio.table["probability_positive"])
    again = back.transform(np.exp)
    np.testing.assert_allclose(again.flat, ratio.flat)
    assert (again.shown.null, again.shown.ratio) == (1, True)
    less = means.hypothesis("b1 < b2", rope=(-1, 2)).transform(lambda difference: -2 * difference)
    (judged,) = less.judged
    assert (judged.relation, judged.null, judged.rope) == (">", 0, (-4, 2))
    assert less.table["probability"].item() == (means.flat[:, 0] < means.flat[:, 1]).mean()
    square = means.hypothesis("b1 - b3 > 0").transform(np.square)
    assert square.judged[0].null is None
    with pytest.raises(OptionError, match="transform='lgo' is not a transform"):
        means.transform("lgo")


REFUSED = {
    "b5 - b1 = 0": "b5 is no row of these estimates, which are b1 to b4",
    "b0 = 1": "b0 is no row",
    "trt = 1": "trt is no row",
    "pairwse": "by name there are 'reference', 'pairwise', 'sequential'",
    "b1.__class__": "has no meaning in a hypothesis",
    "sin(b1)": "functions: log",
    "log(b1 - 2*b1) = 0": "is not a number in",
}


@pytest.mark.parametrize("text", REFUSED)
def test_other_rows_are_refused(means: Estimates, text: str) -> None:
    with pytest.raises((FormulaError, OptionError), match=REFUSED[text]):
        means.hypothesis(text)


def test_where_there_is_nothing_to_compare_it_is_refused(fit: bg.Fit, means: Estimates) -> None:
    with pytest.raises(OptionError, match="there is one row of a frame"):
        fit.predictions(by=[]).hypothesis("pairwise")
    with pytest.raises(OptionError, match="there is one row of each trt, time and frame"):
        means.hypothesis("pairwise", by=["trt", "time"])
    with pytest.raises(OptionError, match="by has 'age', which is no label of these estimates; known: trt, time"):
        means.hypothesis("pairwise", by="age")
    with pytest.raises(OptionError, match="rows of different frames are never compared by pairs"):
        means.hypothesis("pairwise", by="frame")


def test_a_comparison_of_rows_is_drawn_as_a_forest(means: Estimates) -> None:
    (axes,) = means.hypothesis("reference", by="time").plot().axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["(trt = 1) - (trt = 0), time = 0", "(trt = 1) - (trt = 0), time = 1"]
    assert [line.get_xdata()[0] for line in axes.get_lines() if line.get_gid() == "null"] == [0]
    (axes,) = means.hypothesis(["b1 / b2 = 1", "b1 - b2 = 0"]).plot().axes
    assert axes.get_yticklabels()[0].get_text() == "b1 / b2 = 1; b1: trt = 0, time = 0; b2: trt = 0, time = 1"
    assert not [line for line in axes.get_lines() if line.get_gid() == "null"]
