"""Grids hold what does not vary where it belongs, take values that columns can have, and keep their types."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import seizure_like

from bayesglmm import glmm
from bayesglmm.errors import OptionError
from bayesglmm.estimands.reference_grid import fixed, product, setting


@pytest.mark.parametrize(
    ("focal", "by", "message"),
    [
        ("tme", None, "did you mean 'time'"),
        ("time", "id", "by='id' is not a predictor"),
        ("time", "time", "both 'time'"),
        ("time", "dose", "has 60 values; at most 8"),
        ("time", ["dose", "time"], "both 'time'"),
        ("time", ["trt", "trt"], "by has a column more than once"),
        ("time", ["trt", "severity", "event"], "has 12 combinations of values; at most 8"),
    ],
)
def test_what_is_no_setting_is_refused(focal: str, by: str | list[str] | None, message: str) -> None:
    data = seizure_like().assign(dose=np.arange(60) / 7)
    model = glmm("count ~ time + dose + trt + severity + event + (1 | id)", data, "poisson")
    with pytest.raises(OptionError, match=message):
        setting(model, focal, by)


def test_setting_keeps_the_types_of_columns() -> None:
    data = seizure_like().assign(flag=lambda frame: frame["age"] > 30)
    data["grade"] = pd.Categorical(data["severity"], categories=["Severe", "Moderate", "Mild"], ordered=True)
    model = glmm("count ~ age + flag + grade + C(trt) + (1 | id)", data, "poisson")
    settings = {("age", "flag"): 2, ("grade", "trt"): 2, ("flag", "grade"): 3, ("trt", None): 1}
    for (focal, by), groups in {**settings, ("age", ("flag", "grade")): 6}.items():
        chosen = setting(model, focal, by)
        design = model.design.on(chosen.rows(model))
        assert design.n == len(chosen.values) * groups
        varying = {focal, by} if isinstance(by, str) else {focal, *(by or ())}
        assert {held.name for held in chosen.held} == {"age", "flag", "grade", "trt"} - varying


def test_values_of_at_hold_split_and_replace() -> None:
    data = seizure_like()
    model = glmm("count ~ age + trt + severity + offset(log(weeks)) + (1 | id)", data, "poisson")
    at = {"severity": ["Severe", "Mild"], "weeks": 8, "age": (20, 40)}
    chosen = setting(model, "age", "trt", at)
    assert [str(held) for held in chosen.held] == ["weeks = 8"]
    points = chosen.points()
    assert list(points) == ["trt", "severity", "age"]
    assert points["age"].tolist() == [20, 40] * 4
    assert points["severity"].tolist() == ["Severe", "Severe", "Mild", "Mild"] * 2
    rows = chosen.rows(model)
    assert rows["weeks"].tolist() == [8] * 8
    assert list(rows["severity"]) == points["severity"].tolist()
    free = setting(model, "age", "trt")
    assert free.shape == "curve"
    assert set(free.rows(model)["weeks"]) == {data["weeks"].mean()}
    assert [str(held) for held in free.held] == ["severity = Mild (its reference)"]


@pytest.mark.parametrize(
    ("at", "values"),
    [
        ({"age": np.float64(3.5)}, {"age": (3.5,)}),
        ({"age": pd.Series([1, 2])}, {"age": (1, 2)}),
        ({"flag": np.bool_(True)}, {"flag": (True,)}),
        ({"id": [3, 99]}, {"id": (3, 99)}),
        (None, {}),
    ],
)
def test_values_are_plain_ones_of_their_column(at: Any, values: dict[str, Any]) -> None:
    data = seizure_like().assign(flag=lambda frame: frame["trt"] == 1)
    assert fixed(glmm("count ~ age + flag + (1 | id)", data, "poisson"), at) == values


def test_product_runs_fastest_in_the_last_column() -> None:
    assert product({"a": (1, 2), "b": ("x", "y")}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert product({}) == [{}]
