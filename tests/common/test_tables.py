"""Tables with plain labels keep their numbers."""

import pandas as pd

from bayesglmm.common.tables import html, plain_table


def test_plain_tables_keep_numbers_and_attributes() -> None:
    table = pd.DataFrame({"a\nb": [1.5, 2.5], "c": ["x\ty", None]}, index=pd.Index(["i\x1b", "j"], name="k\n"))
    table.attrs["frame"] = "population"
    shown = plain_table(table)
    assert list(shown.columns) == [r"a\nb", "c"]
    assert (shown.index[0], shown.index.name, shown.iloc[0, 1]) == (r"i\x1b", r"k\n", r"x\ty")
    assert shown.iloc[:, 0].tolist() == [1.5, 2.5]
    assert shown.attrs == table.attrs
    assert "x" * 80 in html(pd.DataFrame({"c": ["x" * 80]}))
    assert table.columns[0] == "a\nb"
