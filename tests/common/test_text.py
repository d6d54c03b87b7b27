"""Labels as visible text of a limited width."""

from bayesglmm.common.text import cut


def test_text_is_cut_in_the_middle_and_stays_apart() -> None:
    long = ["start " + "x" * 90 + letter + " end" for letter in "ab"]
    short = cut([*long, "short"], 30)
    assert short[2] == "short"
    assert len(set(short)) == 3
    assert all(text.startswith("start ") and len(text) < 40 for text in short[:2])
    assert cut(["\u65e5" * 20], 20)[0].count("\u65e5") < 10
