"""Files of data: what a cell says is what is read, whatever separates cells and however the text is encoded."""

import codecs
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesglmm as bg
from bayesglmm.errors import SpecError
from bayesglmm.faces.data_files import read_csv, read_table
from bayesglmm.faces.spec import Spec, read_spec


def read(text: str, na_values: list[str] | None = None) -> pd.DataFrame:
    return read_csv(text.encode(), "d.csv", na_values)


@pytest.mark.parametrize("name", bg.datasets.names())
def test_the_shipped_files_are_read_as_pandas_reads_them(name: str) -> None:
    content = (files("bayesglmm.datasets") / f"{name}.csv").read_bytes()
    pd.testing.assert_frame_equal(read_csv(content, name), bg.datasets.load(name))


PLAIN = "y,größe,f\n1.5,1,b\n2.5,2,a\n-3,4,b\n"
EXPECTED = pd.DataFrame({"y": [1.5, 2.5, -3.0], "größe": [1, 2, 4], "f": ["b", "a", "b"]})

WRITTEN = {
    "utf-8": PLAIN.encode(),
    "a byte-order mark": codecs.BOM_UTF8 + PLAIN.encode(),
    "utf-16, little end first": codecs.BOM_UTF16_LE + PLAIN.encode("utf-16-le"),
    "utf-16, big end first": codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "semicolons and decimal commas": PLAIN.replace(",", ";").replace(".", ",").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "carriage returns": PLAIN.replace("\n", "\r\n").encode(),
    "blanks around names": PLAIN.replace("größe", " größe ").encode(),
    "quotes": b'"y","gr\xc3\xb6\xc3\x9fe","f"\n"1.5",1,"b"\n2.5,2,a\n-3,4,b\n',
    "a line for spreadsheets": b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
    "an empty line first": b"\n" + PLAIN.encode(),
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_a_table_is_one_however_it_is_written(content: bytes) -> None:
    pd.testing.assert_frame_equal(read_csv(content, "d.csv"), EXPECTED)


def test_labels_with_the_separator_in_quotes_are_labels() -> None:
    assert read('y,f\n1,"a, b"\n2,"c; d"\n')["f"].tolist() == ["a, b", "c; d"]
    assert read('y;f\n1;"a; b"\n2;c, d\n')["f"].tolist() == ["a; b", "c, d"]


LABELS = ["N/A", "NA", "None", "null", "NULL", "nan", "a"]


def test_marks_are_labels_in_a_column_of_text() -> None:
    table = read("y,f\n" + "".join(f"{i},{label}\n" for i, label in enumerate(LABELS)))
    assert table["f"].tolist() == LABELS


@pytest.mark.parametrize("mark", ["NA", "NaN", "N/A", ".", "null", ""])
def test_marks_are_missing_in_a_column_of_numbers(mark: str) -> None:
    table = read(f"y,x\n1,2\n2,{mark}\n3,4.5\n")
    assert table["x"].dtype == np.float64
    np.testing.assert_array_equal(table["x"], [2, np.nan, 4.5])


def test_what_is_missing_can_be_told() -> None:
    text = "y,x,f\n1,2,a\n2,-9,none\n3,NA,b\n"
    table = read(text, ["-9", "NA"])
    np.testing.assert_array_equal(table["x"], [2, np.nan, np.nan])
    assert table["f"].tolist() == ["a", "none", "b"]
    assert read(text, ["none"])["f"].isna().tolist() == [False, True, False]
    assert read(text, ["none"])["x"].tolist() == ["2", "-9", "NA"]  # no longer told to be missing


def test_cells_of_blanks_are_empty() -> None:
    table = read("y,x,f\n1,2, \n2,  ,a\n3,4,b\n")
    assert table["f"].isna().tolist() == [True, False, False]
    np.testing.assert_array_equal(table["x"], [2, np.nan, 4])


STAYS = {
    "thousands marks": ('y,x\n1,"1,234"\n2,"12"\n', ["1,234", "12"]),
    "thousands or decimals": ("y;x\n1;1,234\n2;12\n", ["1,234", "12"]),
    "decimal commas beside points": ("y;x\n1.5;1,2\n2;12\n", ["1,2", "12"]),
    "a limit": ("y,x\n1,<5\n2,12\n", ["<5", "12"]),
    "a word": ("y,x\n1,few\n2,12\n", ["few", "12"]),
    "blanks around a number": ("y,x\n1,few\n2, 12\n", ["few", " 12"]),
}


@pytest.mark.parametrize(("text", "cells"), STAYS.values(), ids=STAYS)
def test_what_is_no_number_stays_text(text: str, cells: list[str]) -> None:
    assert read(text)["x"].tolist() == cells


REFUSED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "a name twice": (b"y,x,x\n1,2,3\n", ("more than once", "x", "rename or drop")),
    "a name twice but for blanks": (b"y,x, x\n1,2,3\n", ("more than once", "x")),
    "no name": (b"y,,x\n1,2,3\n", ("column 2", "no name")),
    "rows longer than the header": (b"y,x\n1,2,3\n4,5,6\n", ("more cells than the header", "(2)")),
    "one row longer": (b"y,x\n1,2\n4,5,6\n", ("cannot be read", "line 3")),
    "Latin-1": ("y,größe\n1,2\n".encode("latin-1"), ("not UTF-8", "line 1", "save the file as UTF-8")),
    "Latin-1 in a label": ("y,f\n1,a\n2,é\n".encode("latin-1"), ("not UTF-8", "line 3")),
    "UTF-16 without its mark": ("y,x\n1,2\n".encode("utf-16-le"), ("zero bytes", "UTF-8")),
    "nothing": (b"", ("empty",)),
    "blanks alone": (b" \n \n", ("empty",)),
    "whole numbers that lose digits": (b"y,x\n1,9007199254740993\n2,\n", ("'x'", "2^53", "empty cells")),
}


@pytest.mark.parametrize(("content", "fragments"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_without_guessing_is_refused(content: bytes, fragments: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as error:
        read_csv(content, "d.csv")
    assert not [fragment for fragment in ("'d.csv'", *fragments) if fragment not in str(error.value)], error.value


def test_parquet_and_tabs_by_their_names(tmp_path: Path) -> None:
    EXPECTED.to_parquet(tmp_path / "d.parquet")
    (tmp_path / "d.tsv").write_text(PLAIN.replace(",", "\t"), encoding="utf-8")
    for name in ("d.parquet", "d.tsv"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), EXPECTED)
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(SpecError, match="cannot be read"):
        read_table(tmp_path / "bad.parquet")


SPEC = 'title = "s"\ndata = "d.csv"\nformula = "y ~ x + (1 | g)"\nfamily = "gaussian"\n'


def study(folder: Path, cells: dict[int, str], more: str = "", data: str | None = None) -> Spec:
    rows = [f"{i % 7}.5,{cells.get(i, str(20 + i % 22))},{i % 6}\n" for i in range(60)]
    (folder / "d.csv").write_text("y,x,g\n" + "".join(rows) if data is None else data, encoding="utf-8")
    (folder / "s.toml").write_text(SPEC + more, encoding="utf-8")
    return read_spec(folder / "s.toml")


def test_one_dot_among_numbers_is_missing_and_not_a_level(tmp_path: Path) -> None:
    with pytest.raises(bg.errors.DataError, match=r"1 of 60 rows have missing values \('x' 1\)"):
        study(tmp_path, {3: "."}).model()
    model = study(tmp_path, {3: "."}, 'missing = "drop"\n').model()
    assert (model.design.coef, model.design.n) == (("Intercept", "x"), 59)
    model = study(tmp_path, {3: "-99", 4: "."}, 'missing = "drop"\nna_values = [".", "-99"]\n').model()
    assert (model.design.coef, model.design.n) == (("Intercept", "x"), 58)


@pytest.mark.parametrize("cell", ["<5", '"1,234"', "12 kg", "$12", "few"])
def test_a_number_spoilt_in_a_file_is_named(tmp_path: Path, cell: str) -> None:
    for missing in ("", 'missing = "drop"\n'):
        with pytest.raises(bg.errors.DataError, match="row 3") as error:
            study(tmp_path, {3: cell}, missing).model()
        assert repr(cell.strip('"')) in str(error.value)


def test_a_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    data = "y,x,x,g\n" + "".join(f"{i % 7}.5,{i % 5},{(i * 3) % 11},{i % 6}\n" for i in range(60))
    with pytest.raises(SpecError, match="x; rename or drop one"):
        study(tmp_path, {}, data=data).model()


def test_a_spec_says_the_reference(tmp_path: Path) -> None:
    arms = "y,x,g\n" + "".join(f"{i % 7}.5,{('Steroid', 'Usual', 'None')[i % 3]},{i % 6}\n" for i in range(60))
    assert study(tmp_path, {}, data=arms).model().design.references == {"x": "None"}
    model = study(tmp_path, {}, '[reference]\nx = "Usual"\n', arms).model()
    assert model.design.coef == ("Intercept", "x[T.None]", "x[T.Steroid]")
    assert model.design.references == {"x": "Usual"}
    for table, reason in (("x = [1]", "a list"), ("x = 2020-01-01", "a date or time")):
        with pytest.raises(SpecError, match=f"reference.x is the label of a level, not {reason}"):
            study(tmp_path, {}, f"[reference]\n{table}\n", arms)
    for value in ('"NA"', "[1]"):
        with pytest.raises(SpecError, match="na_values is a list of texts"):
            study(tmp_path, {}, f"na_values = {value}\n")


def test_an_empty_cell_among_whole_numbers_is_no_decimal_point() -> None:
    table = read_csv(b"id;n;x\n1;5;1,5\n2;;2,5\n3;7;0,5\n", "file")
    assert table["x"].tolist() == [1.5, 2.5, 0.5]
