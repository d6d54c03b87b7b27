"""Formulas changed as R changes them, and what cannot be."""

import pytest

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula import parse, update

OLD = parse("y ~ x * z + offset(log(w)) + (1 + x | g) + (1 | h)")
REST = "offset(log(w)) + (1 + x | g) + (1 | h)"

CHANGES = {
    "~ . + age": f"y ~ x * z + age + {REST}",
    "~.+age": f"y ~ x * z + age + {REST}",
    ". ~ . + age": f"y ~ x * z + age + {REST}",
    "~ age + .": f"y ~ age + x * z + {REST}",
    "~ . - x:z": f"y ~ x + z + {REST}",
    "~ . - z:x": f"y ~ x + z + {REST}",
    "~ . - x:z - z + I(z^2)": f"y ~ x + I(z^2) + {REST}",
    "~ . - 1": f"y ~ 0 + x + z + x:z + {REST}",
    "~ . + 0": f"y ~ x * z + 0 + {REST}",
    "~ . - x - z - x:z": f"y ~ 1 + {REST}",
    "~ (.)^2": f"y ~ (x * z)^2 + {REST}",
    "~ .:q": f"y ~ (x * z):q + {REST}",
    "~ . * q": f"y ~ x * z * q + {REST}",
    "~ . - (1 | h)": "y ~ x * z + offset(log(w)) + (1 + x | g)",
    "~ . - (0 + 1 || h)": "y ~ x * z + offset(log(w)) + (1 + x | g)",
    "~ . - (x | g) + (1 | g)": "y ~ x * z + offset(log(w)) + (1 | h) + (1 | g)",
    "~ . + (1 | h)": f"y ~ x * z + {REST}",
    "~ . - offset(log(w))": "y ~ x * z + (1 + x | g) + (1 | h)",
    "~ . - offset(log(w)) + offset(w)": "y ~ x * z + offset(w) + (1 + x | g) + (1 | h)",
    "log(y) ~ .": f"log(y) ~ x * z + {REST}",
    "log(.) ~ .": f"log(y) ~ x * z + {REST}",
    "p(k, n) ~ .": f"p(k, n) ~ x * z + {REST}",
    "k ~ . + I(x > .5)": f"k ~ x * z + I(x > .5) + {REST}",
    "~ x": "y ~ x",
    "~ x + (1 | h)": "y ~ x + (1 | h)",
    "y ~ x + (1 | g)": "y ~ x + (1 | g)",
    "~ . + `a.b`": f"y ~ x * z + `a.b` + {REST}",
    '~ . + I(s == ".")': f'y ~ x * z + I(s == ".") + {REST}',
}


@pytest.mark.parametrize("text", CHANGES)
def test_a_dot_stands_for_its_side(text: str) -> None:
    changed = update(OLD, text)
    assert str(changed) == CHANGES[text]
    assert parse(str(changed)) == changed


def test_a_formula_is_itself_and_changes_come_one_after_another() -> None:
    assert update(OLD, OLD) is OLD
    assert update(update(OLD, "~ . + age"), "~ . - age") == update(OLD, "~ x + z + x:z + " + REST)


def test_a_response_of_two_columns_stays() -> None:
    assert str(update(parse("p(k, n) ~ x"), "~ . + z")) == "p(k, n) ~ x + z"
    with pytest.raises(FormulaError, match=r"cannot stand for p\(k, n\); write the response anew"):
        update(parse("p(k, n) ~ x"), "log(.) ~ .")


NO_CHANGES = {
    "~ . - q": "'q' is removed but was not there",
    "~ . - (1 | q)": r"'\(1 \| q\)' is removed.*the blocks are: \(1 \+ x \| g\), \(1 \| h\)",
    "~ . - (1 + x || g)": "is removed but was not there",
    "~ . - offset(w)": r"'offset\(w\)' is removed.*the offsets are: offset\(log\(w\)\)",
    "~ . + (. | g)": "a dot inside a block",
    "~ . +": "something is missing",
    "~": "right-hand side is empty",
    "~ . ~ x": "second '~'",
    "~ . + offset(.)": "a dot inside a block or an offset",
}


@pytest.mark.parametrize("text", NO_CHANGES)
def test_what_cannot_be_changed_says_so(text: str) -> None:
    with pytest.raises(FormulaError, match=NO_CHANGES[text]):
        update(OLD, text)


def test_an_offset_that_is_there_is_not_doubled() -> None:
    formula = parse("y ~ x + offset(log(n))")
    assert update(formula, "~ . + offset(log(n))") == formula


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("y | weights(w) ~ x", "~ . + z", "y | weights(w) ~ x + z"),
        ("y | weights(w) ~ x", "log(y) ~ .", "log(y) | weights(w) ~ x"),
        ("y | weights(w) ~ x", ". | weights(v) ~ .", "y | weights(v) ~ x"),
        ("y ~ x", ". | weights(w) ~ .", "y | weights(w) ~ x"),
        ("p(s, n) | weights(w) ~ x", ". ~ . + z", "p(s, n) | weights(w) ~ x + z"),
        ("y | rate(e) + weights(w) ~ x", "~ . + z", "y | rate(e) + weights(w) ~ x + z"),
        ("y | rate(e) ~ x", ". | rate(t) ~ .", "y | rate(t) ~ x"),
    ],
)
def test_weights_and_exposures_stay_until_others_are_given(before: str, change: str, after: str) -> None:
    assert str(update(parse(before), change)) == after
