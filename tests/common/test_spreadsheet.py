"""No cell of a CSV file that the package writes is a formula of a spreadsheet; numbers stay numbers."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like

from bayesglmm import glmm
from bayesglmm.common.spreadsheet import to_csv
from bayesglmm.faces.report import Wanted, write_results

FORMULAS = ["=1+1", "+1", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "－1", "-1+2", "=", "-"]
PLAIN = ["-1", "-1.5", "-.5", "-1e-5", "1", "x", "", "a=b", "x-1", "'quoted", "−1"]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_a_formula_is_text(text: str) -> None:
    table = pd.DataFrame({text: [text], "c": pd.Categorical([text])}, index=pd.Index([text], name=text))
    assert {cell for row in cells(to_csv(table)) for cell in row} == {f"'{text}", "c"}
    many = pd.DataFrame([[1.5]], index=pd.MultiIndex.from_tuples([(text, "b")], names=[text, "n"]), columns=["x"])
    assert cells(to_csv(many)) == [[f"'{text}", "n", "x"], [f"'{text}", "b", "1.5"]]


@pytest.mark.parametrize("text", PLAIN)
def test_what_begins_none_is_as_it_was(text: str) -> None:
    table = pd.DataFrame({"x": [text]}, index=[text])
    assert cells(to_csv(table)) == [["", "x"], [text, text]]


def test_numbers_are_written_as_pandas_writes_them() -> None:
    table = pd.DataFrame(
        {"x": [-1.5, np.nan, -np.inf], "n": [-1, 0, 2**62], "b": [True, False, True], "o": [-1, None, "=a"]}
    )
    assert to_csv(table) == table.assign(o=[-1, None, "'=a"]).to_csv()
    assert to_csv(table.iloc[:0]) == table.iloc[:0].to_csv()
    empty = table.set_index(["n", "b"]).iloc[:0]
    assert to_csv(empty) == empty.to_csv()


def test_tables_of_a_run_hold_no_formula(tmp_path: Path) -> None:
    data = seizure_like().rename(columns={"trt": "=cmd|' /C calc'!A0", "time": "@t", "id": "-id"})
    model = glmm("count ~ `=cmd|' /C calc'!A0` + (1 + `@t` | `-id`)", data, "poisson")
    list(write_results(hand_made(model, draws=20), Wanted(()), tmp_path))
    seen = [
        cell
        for name in ("summary.csv", "covariance.csv")
        for row in cells((tmp_path / name).read_text())
        for cell in row
    ]
    assert any("calc" in cell for cell in seen)
    assert not [cell for cell in seen if cell[:1] in "=+-@\t\r" and cell and not _number(cell)]


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
