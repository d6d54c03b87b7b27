"""Rows of predictions show which row of the data each is, whatever its columns are called."""

import numpy as np
import pytest
from handmade import hand_made, seizure_fit, seizure_like

from bayesglmm import Fit, glmm


@pytest.fixture(scope="module")
def counts() -> Fit:
    return seizure_fit(chains=1, draws=40)


def test_rows_of_predictions_show_their_predictors_groups_and_response(counts: Fit) -> None:
    data = seizure_like()
    found = counts.predictions()
    assert list(found.table)[:6] == ["row", "trt", "time", "weeks", "count", "frame"]
    assert found.table[["trt", "time", "weeks", "count"]].equals(data[["trt", "time", "weeks", "count"]])
    grouped = counts.predictions(frame=("typical", "group"))
    assert list(grouped.table)[:7] == ["row", "id", "trt", "time", "weeks", "count", "frame"]
    np.testing.assert_array_equal(grouped.table["id"], data["id"].repeat(2))
    new = data.head(3).assign(count=[1.0, np.nan, 2.0])
    assert "count" not in counts.predictions(new).table
    assert counts.predictions(new.assign(count=[1, 5, 2])).table["count"].tolist() == [1, 5, 2]
    moved = counts.predictions(new, at={"trt": [0, 1], "weeks": 2.0})
    assert list(moved.table)[:5] == ["row", "trt", "time", "weeks", "frame"]
    assert moved.table["trt"].tolist() == [0, 0, 0, 1, 1, 1]
    assert (moved.table["weeks"] == 2).all()
    names = [text.get_text() for text in moved.plot().axes[0].get_yticklabels()]
    assert names[:2] == ["row = 0, trt = 0", "row = 1, trt = 0"]


def test_a_column_called_as_the_tables_own_is_told_apart_by_data() -> None:
    data = seizure_like().rename(columns={"age": "mean", "time": "row", "trt": "draw", "severity": "frame"})
    data["mean (data)"] = np.arange(60.0)
    fit = hand_made(glmm("event ~ mean + `mean (data)` + row + draw + frame + (1 | id)", data, "bernoulli"), draws=20)
    found = fit.predictions()
    shown = ["row", "mean (data) (data)", "mean (data)", "row (data)", "draw (data)", "frame (data)", "event", "frame"]
    assert list(found.table)[:8] == shown
    np.testing.assert_array_equal(found.table["mean (data) (data)"], data["mean"])
    np.testing.assert_array_equal(found.table["row"], np.arange(60))
    np.testing.assert_allclose(found.table["mean"], found.flat.mean(axis=0))
    assert found.draws.coords["draw"].size == 20


def test_printed_rows_have_room_for_eight_columns_and_name_the_others() -> None:
    rng = np.random.default_rng(3)
    data = seizure_like().assign(**{f"x{j}": rng.normal(size=60) for j in range(10)})
    columns = " + ".join(f"x{j}" for j in range(10))
    fit = hand_made(glmm(f"event ~ {columns} + (1 | id)", data, "bernoulli"), draws=20)
    found = fit.predictions(data.head(3))
    assert [f"x{j}" in found.table for j in range(10)] == [True] * 10
    heading, table = found.to_text().split("\n\n")
    assert table.splitlines()[0].split()[:9] == ["row", *(f"x{j}" for j in range(7)), "event"]
    assert "Columns that only `.table` has: x7, x8, x9." in " ".join(heading.split())
    assert "x8" not in found._repr_html_().split("<table")[1]


def test_rows_of_predictions_are_compared_by_their_number(counts: Fit) -> None:
    found = counts.predictions(seizure_like().head(3))
    compared = found.hypothesis("reference")
    np.testing.assert_allclose(compared.flat, found.flat[:, 1:] - found.flat[:, [0]], rtol=1e-10, atol=1e-12)
    assert compared.table["hypothesis"].tolist() == ["(row = 1) - (row = 0)", "(row = 2) - (row = 0)"]
    by_time = found.hypothesis("pairwise", by="time")
    np.testing.assert_allclose(by_time.flat[:, 0], found.flat[:, 2] - found.flat[:, 1], atol=1e-12)
