"""Formulas: scanned, read, expanded and rendered without losing, moving or executing anything."""

import re
import unicodedata
from unittest import mock

import formulaic
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bayesglmm.errors import FormulaError
from bayesglmm.specify.formula import (
    FUNCTIONS,
    Bar,
    Binary,
    Call,
    Formula,
    Name,
    Node,
    Number,
    Response,
    Text,
    Unary,
    column_names,
    is_stateless,
    parse,
    render,
)
from bayesglmm.specify.formula.tokens import scan

# -- scanning ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("y~x", ["y", "~", "x"]),
        ("a||b|c", ["a", "||", "b", "|", "c"]),
        ("x**2", ["x", "^", "2"]),
        ("1.5e-3*.5+2.", ["1.5e-3", "*", ".5", "+", "2."]),
        ("`a b` größe x²", ["a b", "größe", "x²"]),
        ('f == "it\'s"', ["f", "==", "it's"]),
        ("a<=b!=c", ["a", "<=", "b", "!=", "c"]),
        (" \t\n ", []),
    ],
)
def test_scan_accounts_for_every_character(text: str, tokens: list[str]) -> None:
    assert [token.text for token in scan(text)] == [*tokens, ""]
    assert all(text[token.at :].lstrip("`\"'").startswith(token.text[:1].replace("^", "*")) for token in scan(text))


# -- errors --------------------------------------------------------------------------------------

REFUSED = [
    # scanning
    ("y ~ a.b", "     ^", "write it in backticks"),
    ("y ~ x.1", "     ^", "attribute access"),
    ("y ~ x[1]", "     ^", "subscripts are not read"),
    ("y ~ x %in% z", "      ^", "write a:b"),
    ("y ~ x $ z", "      ^", "remove it"),
    ("y ~ x − z", "      ^", "the plain minus"),
    ("y ~ “a”", "    ^", "plain quotation mark"),
    ("y ~ `x", "    ^", "never closed"),
    ("y ~ ``", "    ^", "nothing stands between"),
    ('y ~ C(x, Treatment("a', "                   ^", "never closed"),
    ("y ~ __import__", "    ^", "double underscore"),
    # the whole
    ("", "^", "the formula is empty"),
    ("~ x", "^", "the left-hand side is empty"),
    ("y ~", "   ^", "the right-hand side is empty"),
    ("y ~ 0", "     ^", "the right-hand side is empty"),
    ("y", " ^", "there is no '~'"),
    ("y = x", "  ^", "write '~' after the response"),
    ("y ~ x ~ z", "      ^", "a second '~'"),
    ("(y ~ x)", "   ^", "stands inside parentheses"),
    ("y/n ~ x", " ^", "p(successes, trials)"),
    ("a b ~ x", "  ^", "an operator is missing"),
    ("2 ~ x", "^", "the response is a column"),
    ("p(y) ~ x", "^", "write p(successes, trials)"),
    ("cbind(y, n, m) ~ x", "^", "write cbind(successes, failures)"),
    ("I(1) ~ x", "^", "the response names no column"),
    ("scale(y) ~ x", "^", "cannot stand in the response"),
    ("log(scale(y)) ~ x", "^", "cannot stand in the response"),
    ("factor(y) ~ x", "^", "cannot stand in the response"),
    ("offset(y) ~ x", "^", "cannot stand in the response"),
    # terms
    ("y ~ x z", "      ^", "an operator is missing before 'z'"),
    ("y ~ `x` (z)", "        ^", "an operator is missing before '('"),
    ("y ~ x (z)", "    ^", "x() is not a function of formulas"),
    ("y ~ ns(x, 3)", "    ^", "poly, bs, "),
    ("y ~ x 1", "      ^", "an operator is missing before '1'"),
    ("y ~ x +", "       ^", "something is missing here"),
    ("y ~ * x", "    ^", "something is missing here"),
    ("y ~ (x + )", "         ^", "something is missing here"),
    ("y ~ (x", "    ^", "never closed; add ')'"),
    ("y ~ (x + log(z)", "    ^", "never closed; add ')'"),
    ("y ~ log(x", "       ^", "never closed; add ')'"),
    ("y ~ x)", "     ^", "closes nothing"),
    ("y ~ log(x))", "          ^", "closes nothing"),
    ("y ~ ()", "     ^", "these parentheses are empty"),
    ("y ~ a, b", "     ^", "join terms with '+'"),
    ("y ~ a == b", "      ^", "write I(x == …)"),
    ('y ~ "x"', "    ^", "without quotes"),
    ("y ~ 2*x", "    ^", "for arithmetic write I(…)"),
    ("y ~ (0 + x):z", "     ^", "cannot be combined"),
    ("y ~ x - z", "        ^", "leave '- z' out"),
    ("y ~ -x", "     ^", "leave '- x' out"),
    ("y ~ (a - b):c", "         ^", "leave '- b' out"),
    ("y ~ c*(a + b - (b + a))", "             ^", "nothing is left of 'a + b - (b + a)'"),
    ("y ~ (a - 1):b", "         ^", "cannot be combined"),
    ("y ~ (-a):b", "     ^", "cannot stand inside an interaction"),
    ("y ~ (1 | a*b - a)", "             ^", "for crossed factors"),
    ("y ~ x - (x + z)", "             ^", "leave '- z' out"),
    ("y ~ (a + b)^0", "            ^", "a whole number from 1 to 9"),
    ("y ~ (a + b)^2^2", "             ^", "one '^' at a time"),
    ("y ~ x^2", "     ^", "for arithmetic write I(x^2)"),
    ("y ~ x - offset(z)", "      ^", "is not removed with '-'"),
    ("y ~ x:offset(z)", "      ^", "an offset is added"),
    ("y ~ offset(scale(z))", "           ^", "cannot stand in an offset"),
    ("y ~ offset(offset(z))", "           ^", "an offset is added"),
    ("y ~ p(a, b)", "    ^", "on the left of '~'"),
    ("y ~ lambda x", "    ^", "lambda is not read"),
    # blocks
    ("y ~ x | g", "      ^", "a bar stands outside parentheses"),
    ("y ~ (x | )", "         ^", "nothing stands after the bar"),
    ("y ~ ( | g)", "      ^", "nothing stands before the bar"),
    ("y ~ (1 | g", "    ^", "never closed; add ')'"),
    ("y ~ (1 | a | b)", "           ^", "a second bar in one block"),
    ("y ~ (1 | a + b)", "           ^", "write (1 | a) + (1 | b)"),
    ("y ~ (1 | (a + b))", "            ^", "write (1 | a) + (1 | b)"),
    ("y ~ (1 | (a + b)/c)", "            ^", "write (1 | a) + (1 | b)"),
    ("y ~ (1 | 1)", "         ^", "not a number"),
    ("y ~ (1 | (1 | g))", "            ^", "is added to the other terms"),
    ("y ~ (0 | g)", "       ^", "this block has no columns"),
    ("y ~ x:(1 | g)", "         ^", "is added to the other terms"),
    ("y ~ x - (1 | g)", "      ^", "is not removed with '-'"),
    ("y ~ log(x | g)", "          ^", "a block is written (1 | group)"),
    ("y ~ (1 | scale(g))", "         ^", "write factor(x)"),
    ("y ~ (1 | log(scale(g)))", "         ^", "write factor(x)"),
    ('y ~ (1 | C(g, Treatment("a")))', "         ^", "write factor(x)"),
    ("y ~ (1 | offset(g))", "         ^", "write factor(x)"),
    ("y ~ (x + offset(z) | g)", "         ^", "an offset is added"),
    # calls
    ("y ~ lg(x)", "    ^", "did you mean 'log'?"),
    ("y ~ log()", "    ^", "takes 1 plain argument, not 0"),
    ("y ~ scale(x, 2)", "    ^", "takes 1 plain argument, not 2"),
    ("y ~ log(x,)", "          ^", "a value is expected"),
    ("y ~ log(a:b)", "         ^", "no meaning inside a call"),
    ("y ~ I(a == b == c)", "             ^", "one comparison at a time"),
    ("y ~ bs(x, knots=3)", "    ^", "has no keyword knots="),
    ("y ~ poly(degree=2, x)", "                   ^", "put it first"),
    ("y ~ poly(x, 2, degree=2)", "            ^", "degree is given twice"),
    ("y ~ bs(x, df=3, df=4)", "                ^", "df is given twice"),
    ("y ~ poly(x, z)", "            ^", "a whole number from 1 to 100"),
    ("y ~ poly(x, 2.5)", "            ^", "a whole number from 1 to 100"),
    ("y ~ poly(x, 2, raw=1)", "                   ^", "True or False"),
    ("y ~ C(x, z)", "         ^", "a coding is written"),
    ("y ~ C(x, Treatment(a))", "                   ^", "the label of a level in quotes"),
    ("y ~ Treatment()", "    ^", "is a coding"),
    ("y ~ I(Sum())", "      ^", "is a coding"),
    ("y ~ log(C(x))", "        ^", "is a factor"),
    ("y ~ log(p(a, b))", "        ^", "is a whole response"),
    ("y ~ cr(x)", "    ^", "write cr(x, df=4)"),
    ("y ~ cr(x, df=1)", "             ^", "df is at least 2"),
    ("y ~ bs(x, df=2)", "             ^", "df is at least 3"),
    ("y ~ bs(x, df=2, degree=2, include_intercept=True)", "             ^", "df is at least 3"),
    ("y ~ poly(x, ٣)", "            ^", "a whole number from 1 to 100"),
    ('y ~ I(-"a")', "       ^", "compared with a column"),
    ("y ~ C(scale(x))", "      ^", "learns from all rows"),
    ("y ~ I(poly(x, 2))", "      ^", "makes several columns"),
    ('y ~ I("a")', "      ^", "compared with a column"),
    ('y ~ I(x + "a")', "          ^", "compared with a column"),
    ('y ~ I(x < "a")', "          ^", "compared with a column"),
    ('p("a", n) ~ x', "  ^", "compared with a column"),
]


@pytest.mark.parametrize(("text", "caret", "remedy"), REFUSED)
def test_an_error_points_at_the_place_and_says_what_to_write(text: str, caret: str, remedy: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(remedy)) as caught:
        parse(text)
    assert caught.value.position == caret.index("^")
    if text:
        assert str(caught.value).endswith(f"\n  {text}\n  {caret}")


@pytest.mark.parametrize("value", [None, 3, ["y ~ x"], b"y ~ x"])
def test_only_a_string_or_a_formula_is_parsed(value: object) -> None:
    with pytest.raises(FormulaError, match="a formula is a string"):
        parse(value)  # type: ignore[arg-type]
    assert parse(parse("y ~ x")) == parse("y ~ x")


@pytest.mark.parametrize(
    "text",
    [
        "y ~ " + "(" * 5_000,
        "y ~ " + "log(" * 300,
        "y ~ I(" + "-" * 300 + "x)",
        "y ~ I(" + "^".join("x" * 300) + ")",
        "y ~ (x + z)^" + "1" * 5_000,
        "y ~ " + "+".join("x" * 30_000),
        "y ~ " + ":".join(f"x{i}" for i in range(400)),
        "y ~ " + "/".join(f"x{i}" for i in range(400)),
        "y ~ " + "*".join(f"x{i}" for i in range(15)),
        "y ~ " + "(" * 30 + "+".join("abcdefgh") + ")^9" * 30,
    ],
)
def test_a_monstrous_formula_is_refused_quickly(text: str) -> None:
    with pytest.raises(FormulaError):
        parse(text)


def test_a_long_formula_is_read_wholly() -> None:
    names = tuple(f"x{i}" for i in range(450))
    formula = parse("y ~ " + " + ".join(names))
    assert formula.columns == ("y", *names)
    assert tuple(map(str, formula.terms.terms)) == names
    assert parse(str(formula)) == formula


# -- trees and their text ------------------------------------------------------------------------

a, b, c = Name("a"), Name("b"), Name("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", Binary("+", a, Binary("*", b, c))),
        ("a * b:c", Binary("*", a, Binary(":", b, c))),
        ("a / b * c", Binary("*", Binary("/", a, b), c)),
        ("a + b - (b + a)", Binary("-", Binary("+", a, b), Binary("+", b, a))),
        ("-1 + a", Binary("+", Unary(Number("1")), a)),
        ("a + (-1)", Binary("+", a, Unary(Number("1")))),
        ("(a + b)^2", Binary("^", Binary("+", a, b), Number("2"))),
        ("I(-a^2)", Call("I", (Unary(Binary("^", a, Number("2"))),))),
        ("I((-a)^2)", Call("I", (Binary("^", Unary(a), Number("2")),))),
        ("I(a^b^c)", Call("I", (Binary("^", a, Binary("^", b, c)),))),
        ("I((a^b)^c)", Call("I", (Binary("^", Binary("^", a, b), c),))),
        ("I(a - (b - c))", Call("I", (Binary("-", a, Binary("-", b, c)),))),
        ("I((a < b) == c)", Call("I", (Binary("==", Binary("<", a, b), c),))),
        ('C(a, Treatment("x"))', Call("C", (a, Call("Treatment", (Text("x"),))))),
        ("bs(a, df=4)", Call("bs", (a,), (("df", Number("4")),))),
        ("`a b` + `log`", Binary("+", Name("a b"), Name("log"))),
        ("`lambda` + `a·b`", Binary("+", Name("lambda"), Name("a·b"))),
    ],
)
def test_text_and_tree_are_one(text: str, tree: Node) -> None:
    assert parse(f"y ~ {text}").common == tree
    assert parse(f"y ~ {render(tree)}").common == tree


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("y~x*z+(1|g)", "y ~ x * z + (1 | g)"),
        ("y ~ (1||g) + offset(z) + x", "y ~ x + offset(z) + (1 || g)"),
        ("y ~ (1 | a) + (0+x | a) + (1 | b)", "y ~ 1 + (1 | a) + (0 + x | a) + (1 | b)"),
        ("cbind( s,f )~offset( log(w) )", "cbind(s, f) ~ 1 + offset(log(w))"),
        ("p(s, 10) ~ (((x)))", "p(s, 10) ~ x"),
        ("y ~ + x + bs(z, df = 4, include_intercept = True)", "y ~ x + bs(z, df=4, include_intercept=True)"),
        ("y ~ C(f, Treatment('a\"b'))", "y ~ C(f, Treatment('a\"b'))"),
        ("`y 1` ~ `x`", "`y 1` ~ x"),
    ],
)
def test_the_text_of_a_formula_is_canonical(text: str, written: str) -> None:
    assert str(parse(text)) == written
    assert str(parse(written)) == written


# -- the algebra of terms ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a*b*c", "1 a b c a:b a:c b:c a:b:c"),
        ("a:b + a", "1 a a:b"),
        ("a/b", "1 a a:b"),
        ("a/b/c", "1 a a:b a:b:c"),
        ("a/(b + c)", "1 a a:b a:c"),
        ("(a + b)/c", "1 a b a:b:c"),
        ("(a + b + c)^2", "1 a b c a:b a:c b:c"),
        ("(a + b + c)**3", "1 a b c a:b a:c b:c a:b:c"),
        ("(a + b + c)^2 - a:b", "1 a b c a:c b:c"),
        ("a*b - b:a", "1 a b"),
        ("a*b - a - b", "1 a:b"),
        ("(a + b)*c", "1 a b c a:c b:c"),
        ("(a*b - a):c", "1 b:c a:b:c"),
        ("c/(a*b - a:b) - 1", "c c:a c:b"),
        ("a + a + a:a", "1 a"),
        ("a:b + b:a", "1 a:b"),
        ("b + a:c + c", "1 b c a:c"),
        ("0 + a", "a"),
        ("a - 1", "a"),
        ("-1 + a", "a"),
        ("a + 0", "a"),
        ("a - 1 + 1", "1 a"),
        ("a - 0", "1 a"),
        ("a + (0 + b)", "a b"),
        ("a + b - (1 + a)", "b"),
        ("a + b - (0 + a)", "1 b"),
        ("(a - 1) + b", "a b"),
        ("1", "1"),
        ("C(a):log(b)", "1 C(a):log(b)"),
        ("offset(a) + b", "1 b"),
        ("(1 | a)", "1"),
        ("0 + (1 | a)", ""),
    ],
)
def test_terms_expand_as_in_r(text: str, expanded: str) -> None:
    terms = parse(f"y ~ {text}").terms
    assert " ".join(["1"] * terms.intercept + [str(term) for term in terms.terms]) == expanded


@pytest.mark.parametrize(
    "text",
    [
        "(a*b - a):c",
        "c:(a*b - a)",
        "(a*b - a:b)/c",
        "(a*b - a - b)*c - c",
        "(a*b - (a + b)):c",
        "(a*b - (a*b - a)):(c + d)",
        "(a*b*c - a:b:c - a)^2",
        "(a*b - a)/(c*d - c) - 1",
    ],
)
def test_removals_inside_products_are_those_of_formulaic(text: str) -> None:
    peer = formulaic.Formula(text.replace("^", "**"))
    terms = parse(f"y ~ {text}").terms
    assert terms.intercept == ("1" in peer)
    expected = {frozenset(str(term).split(":")) for term in peer if term != "1"}
    assert {frozenset(map(render, term.factors)) for term in terms.terms} == expected


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("(1 | g)", ["1 | g"]),
        ("(x | g)", ["1 x | g"]),
        ("(0 + x | g)", ["x | g"]),
        ("(x - 1 || g)", ["x || g"]),
        ("(a*b || g)", ["1 a b a:b || g"]),
        ("(1 | g) + (0 + x | g)", ["1 | g", "x | g"]),
        ("(1 | a) + (x | b)", ["1 | a", "1 x | b"]),
        ("(x | a/b)", ["1 x | a", "1 x | a:b"]),
        ("(1 | a/b/c)", ["1 | a", "1 | a:b", "1 | a:b:c"]),
        ("(1 | a:b)", ["1 | a:b"]),
        ("(1 | factor(g))", ["1 | factor(g)"]),
        ("(1 | I(x > 3))", ["1 | I(x > 3)"]),
        ("((1 | a) + z)", ["1 | a"]),
    ],
)
def test_every_bar_is_its_own_block(text: str, blocks: list[str]) -> None:
    found = [
        " ".join(["1"] * block.terms.intercept + [str(term) for term in block.terms.terms])
        + (" | " if block.correlated else " || ")
        + str(block.group)
        for block in parse(f"y ~ {text}").blocks
    ]
    assert found == blocks


# -- generated formulas --------------------------------------------------------------------------

ODD_NAMES = [
    "größe",
    "число",
    "x²",
    "a b",
    "a.b",
    "a|b",
    "log",
    "C",
    "p",
    "lambda",
    "True",
    "__input0__",
    "1",
    "~",
    "·",
]
LETTERS = st.characters(exclude_characters="`\n")
COMPOSED = st.text(LETTERS, min_size=1, max_size=5).map(lambda text: unicodedata.normalize("NFC", text))  # as read
names = st.builds(Name, st.sampled_from(["x", "z", "w", *ODD_NAMES]) | COMPOSED)
numbers = st.builds(Number, st.sampled_from(["0", "1", "2", "0.5", ".5", "3.", "1e3", "2.5E-7"]))
labels = st.builds(Text, st.text(st.characters(exclude_characters="\"'\n"), max_size=4) | st.just('"') | st.just("'"))
degrees, knots = (st.builds(Number, st.sampled_from(given)) for given in ("123", "45"))


def calls(functions: list[str], inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.builds(lambda function, arg: Call(function, (arg,)), st.sampled_from(functions), inner)


def arithmetic(functions: list[str]) -> st.SearchStrategy[Node]:
    compared = st.builds(Binary, st.sampled_from(["==", "!="]), names, labels)
    return st.recursive(
        names | numbers | compared,
        lambda inner: (
            st.builds(Binary, st.sampled_from("+-*/^") | st.sampled_from(["<", ">=", "=="]), inner, inner)
            | st.builds(Unary, inner)
            | calls(functions, inner)
        ),
        max_leaves=5,
    )


STATELESS = [name for name, function in FUNCTIONS.items() if function.stateless and not function.categorical]
rowwise = calls(STATELESS, arithmetic(STATELESS))
learned = calls([*STATELESS, "scale", "center", "standardize"], arithmetic([*STATELESS, "scale", "center"]))
codings = st.builds(lambda text: Call("Treatment", (text,)), labels) | st.just(Call("Sum", ()))
several = (
    st.builds(lambda x, n: Call("poly", (x, n)), names, degrees)
    | st.builds(
        lambda x, n, raw: Call("poly", (x,), (("degree", n), ("raw", raw))), names, degrees, st.just(Name("True"))
    )
    | st.builds(lambda function, x, n: Call(function, (x,), (("df", n),)), st.sampled_from(["bs", "cr"]), names, knots)
)
coded = st.builds(lambda x, coding: Call("C", (x, coding)), names, codings) | calls(["C", "factor"], names)
factors = names | learned | several | coded
left_over = Binary("-", Binary("*", a, b), Binary(":", b, a))
products = st.recursive(
    factors | st.just(left_over),
    lambda inner: (
        st.builds(Binary, st.sampled_from(":*/+"), inner, inner)
        | st.builds(
            lambda x, z: Binary("^", Binary("+", x, z), Number("2")), st.just(a), inner.filter(lambda t: t != a)
        )
    ),
    max_leaves=4,
)
intercepts = st.sampled_from([Number("0"), Number("1"), Unary(Number("1"))])
removals = st.sampled_from([left_over, Binary("-", a, Number("1"))])
sums = st.recursive(
    products | intercepts | removals, lambda inner: st.builds(Binary, st.just("+"), inner, inner), max_leaves=4
)
groups = names | calls(["factor"], names) | st.builds(Binary, st.sampled_from("/:"), names, names) | rowwise
bars = st.builds(Bar, sums, groups, st.booleans())
outcomes = names | rowwise.filter(column_names)
responses = st.builds(Response, st.just("plain"), outcomes) | st.builds(
    Response, st.sampled_from(["p", "cbind"]), outcomes, names | numbers
)


@st.composite
def formulas(draw: st.DrawFn) -> Formula:
    offsets = draw(st.lists(names | rowwise, max_size=2))
    formula = Formula(draw(responses), draw(sums), tuple(offsets), tuple(draw(st.lists(bars, max_size=2))))
    try:
        empty = [t for t in (formula.terms, *(block.terms for block in formula.blocks)) if not (t.intercept or t.terms)]
    except FormulaError:  # a power of one term, which is refused
        assume(False)
    assume(not empty)
    return formula


def read(text: str) -> Formula | FormulaError:
    try:
        return parse(text)
    except FormulaError as error:
        return error


@given(formulas())
def test_the_text_of_any_tree_reads_back_into_it(formula: Formula) -> None:
    assert parse(str(formula)) == formula
    assert str(parse(str(formula))) == str(formula)


@given(formulas())
def test_every_column_written_is_a_column_in_its_order(formula: Formula) -> None:
    text = str(formula)
    tokens = scan(text)
    written = [
        token.text
        for token, before, after in zip(tokens, (tokens[-1], *tokens), (*tokens[1:], tokens[-1]), strict=False)
        if token.type == "name" and (text[token.at] == "`" or (after.text not in ("(", "=") and before.text != "="))
    ]
    assert formula.columns == tuple(dict.fromkeys(written))


@given(formulas())
def test_no_factor_is_lost_in_expansion(formula: Formula) -> None:
    expanded = [factor for term in formula.terms.terms for factor in term.factors]
    assert set(column_names(*expanded)) == set(column_names(formula.common))
    assert len(formula.blocks) >= len(formula.bars)


@given(formulas(), st.data())
def test_no_token_but_the_implied_one_is_idle(formula: Formula, data: st.DataObject) -> None:
    text = str(formula)
    tokens = scan(text)
    i = data.draw(st.sampled_from([i for i, token in enumerate(tokens[:-1]) if token.text != "1"]))
    less = text[: tokens[i].at] + " " + text[tokens[i + 1].at :]
    assert read(less) != formula


# -- hostile text --------------------------------------------------------------------------------

FRAGMENTS = [
    *"~+-*/:^|()=,.1\"'`[]{}@%\\ \n\0",
    "||", "**", "==", "x", "y ~", "log(", "offset(", "p(", "C(", "Treatment(", "poly(", "degree=", "factor(", "(1 | g)",
    "lambda", "True", "__class__", "__import__('os')", "open('f')", "eval(", "1e999",
    "٣", "²", "−", "ｘ", "\u2028", "\ud800",
]  # fmt: skip


def reads_wholly_or_refuses(text: str) -> None:
    doors = ("eval", "exec", "compile", "open", "__import__")
    with mock.patch.multiple("builtins", **{door: mock.Mock(side_effect=AssertionError(door)) for door in doors}):
        found = read(text)
    if isinstance(found, FormulaError):
        assert found.position is None or 0 <= found.position <= len(text)
    else:
        assert parse(str(found)) == found
        called = re.findall(r"(\w+)\(", re.sub(r"`[^`]*`|\"[^\"]*\"|'[^']*'", "", text))
        assert set(called) <= {*FUNCTIONS, "Treatment", "Sum", "offset", "p", "cbind"}


@given(st.text(max_size=40) | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
@example("y ~ x(" + "(" * 200)
@settings(max_examples=300)
def test_any_text_is_read_wholly_or_refused(text: str) -> None:
    reads_wholly_or_refuses(text)


@given(formulas(), st.data())
def test_any_damaged_formula_is_read_wholly_or_refused(formula: Formula, data: st.DataObject) -> None:
    text = str(formula)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 4)))
    reads_wholly_or_refuses(text[:start] + data.draw(st.sampled_from(["", *FRAGMENTS])) + text[end:])


@pytest.mark.parametrize(
    "code",
    [
        "__import__('os').system('id')",
        "open('/etc/passwd')",
        "eval('1')",
        "exec('1')",
        "x.__class__.__mro__",
        "x['y']",
        "[i for i in x]",
        "(lambda: 1)()",
        "log.__globals__",
        "I(x.values)",
        "I(open)(x)",
        "np.log(x)",
        "Q('x')",
        "hashed(x)",
        "lag(x)",
        "contr.treatment(x)",
        "log(x)(z)",
        "`log`(x)",
        "getattr(x, 'y')",
        "I(x := 3)",
        "f'{x}'",
        "log(*x)",
        "log(x; z)",
        "I(x if z else w)",
        "I(x and z)",
        "I(not x)",
        "I(x @ z)",
        "I(x // z)",
        "I(~x)",
    ],
)
@pytest.mark.parametrize("place", ["y ~ {}", "y ~ log({})", "y ~ offset({})", "y ~ ({} | g)", "y ~ (1 | {})", "{} ~ x"])
def test_code_is_refused_wherever_it_stands(code: str, place: str) -> None:
    with pytest.raises(FormulaError):
        parse(place.format(code))


@pytest.mark.parametrize(
    ("text", "stateless"), [("log(x + 1)", True), ("scale(x)", False), ("log(scale(x))", False), ("C(x)", False)]
)
def test_stateless_is_what_a_row_knows_by_itself(text: str, stateless: bool) -> None:
    assert is_stateless(parse(f"y ~ {text}").common) is stateless


# -- what other packages write ---------------------------------------------------------------------

ELSEWHERE = {
    "y ~ .": "a dot does not stand for all other columns; name the predictors",
    "y ~ . - x": "a dot does not stand for all other columns",
    "y ~ (.)^2": "a dot does not stand for all other columns",
    "y ~ np.log(x)": "write log(…) for np.log(…)",
    "y ~ numpy.sqrt(x) + z": "write sqrt(…) for numpy.sqrt(…)",
    "y ~ np.cbrt(x)": "np.cbrt() is not a function of formulas; make the column in the data first",
    "y ~ as.factor(g)": "as.factor() is a function of R; write C(x), or factor(x)",
    "y ~ as.numeric(g)": "as.numeric() is a function of R; convert the column",
    "y ~ x + (1 | as.factor(g))": "write C(x), or factor(x)",
    "y ~ splines.ns(x, 3)": "write cr(x, df=4)",
    "y ~ age.at.base": "if a column's name holds a dot, write it in backticks: `age.at.base`",
    "y ~ x + (1 | Trt.name)": "in backticks: `Trt.name`",
    "y ~ log(age.at)": "in backticks: `age.at`",
    "y ~ x.": "in backticks: `x.`",
    "y ~ .x": "in backticks: `.x`",
    "s | vint(n) ~ x": "a response with trials is written p(s, n)",
    "p(s, n) | trials(n) ~ x": "p(…) has the trials; leave out trials(…)",
    "s | weights(w) + weights(v) ~ x": "weights(…) is given twice",
    "s | weights ~ x": "weights takes a column: weights(n)",
    "y | weights(scale(w)) ~ x": "scale() cannot stand in the response",
    "s.u | trials(n) ~ x": "in backticks: `s.u`",
    "y | rate(t) + rate(u) ~ x": "rate(…) is given twice",
    "y | rate(scale(t)) ~ x": "scale() cannot stand in the response",
    "y | mi() ~ x": "behind the response stand trials(n), rate(e) or weights(w)",
    "y ~ s(x)": "a natural cubic spline is cr(x, df=4)",
    "y ~ ln(x)": "the natural logarithm is log(x)",
}


@pytest.mark.parametrize(("text", "said"), ELSEWHERE.items())
def test_what_other_packages_write_is_answered_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(said)):
        parse(text)


ADDITIONS = {
    "s | trials(n) ~ x": "p(s, n) ~ x",
    "s | trials( total ) ~ x + (1 | g)": "p(s, total) ~ x + (1 | g)",
    "y | weights(w) ~ x": "y | weights(w) ~ x",
    "y|weights(w/2)+trials(n) ~ x": "p(y, n) | weights(w / 2) ~ x",
    "cbind(s, f) | weights(w) ~ x": "cbind(s, f) | weights(w) ~ x",
    "y | rate( t ) ~ x": "y | rate(t) ~ x",
    "y | weights(w) + rate(t / 7) ~ x": "y | rate(t / 7) + weights(w) ~ x",
}


@pytest.mark.parametrize(("text", "written"), ADDITIONS.items())
def test_trials_exposures_and_weights_stand_behind_the_response(text: str, written: str) -> None:
    formula = parse(text)
    assert str(formula) == written
    assert parse(written) == formula
    assert set(formula.columns) <= {"s", "n", "total", "x", "g", "y", "w", "f", "t"}
