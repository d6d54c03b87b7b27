"""Checks of calls in a formula as they are read, so that a formula that parses can be built."""

from bayesglmm.errors import FormulaError, listing, suggest
from bayesglmm.specify.formula.functions import CONTRASTS, FUNCTIONS, Function
from bayesglmm.specify.formula.nodes import Binary, Call, Name, Node, Number, Text, Unary, walk

__all__ = ["check_call", "is_stateless"]

_SPECIAL = {"offset": ("expression",), "p": ("successes", "trials"), "cbind": ("successes", "failures")}
_MOST = 100

_INSTEAD = {
    "ns": "a natural cubic spline is cr(x, df=4)",
    "s": "there are no penalised smooths; a natural cubic spline is cr(x, df=4)",
    "te": "there are no penalised smooths; a natural cubic spline is cr(x, df=4)",
    "ln": "the natural logarithm is log(x)",
    "np": "functions are called by their own names, such as log(x)",
}
"""Functions of other packages, and what to write instead."""


def is_stateless(node: Node) -> bool:
    """Whether the value of an expression for a row depends on that row alone."""
    calls = (inner.function for inner in walk(node) if isinstance(inner, Call))
    return all(function in FUNCTIONS and FUNCTIONS[function].stateless for function in calls)


def check_call(call: Call, text: str) -> None:
    """Refuse a call that is unknown, or whose arguments are not what its function takes.

    Raises
    ------
    FormulaError
        Pointing at the call or at the argument.
    """
    if call.function in _SPECIAL:
        wanted = _SPECIAL[call.function]
        if len(call.args) != len(wanted) or call.keywords:
            raise FormulaError(f"write {call.function}({', '.join(wanted)})", text, call.at)
    else:
        _check_arguments(call, text)
        _check_spline(call, text)
    for value in call.args:
        if isinstance(value, Text) and call.function not in CONTRASTS:
            raise _misplaced_label(value, text)
        for node in walk(value):
            _check_inside(node, call, text)
            _check_labels(node, text)


def _check_arguments(call: Call, text: str) -> None:
    known: dict[str, Function] = {**FUNCTIONS, **CONTRASTS}
    if call.function not in known:
        names = suggest(call.function, [*FUNCTIONS, "offset"], limit=40)
        if call.function in _INSTEAD:
            names = f"{_INSTEAD[call.function]}; known: {listing([*FUNCTIONS, 'offset'], limit=40)}"
        reason = f"{call.function}() is not a function of formulas: {names}. Make the column in the data first"
        raise FormulaError(reason, text, call.at)
    function = known[call.function]
    least = 0 if call.function in CONTRASTS else 1
    if not least <= len(call.args) <= function.most:
        wanted = f"{least}" if least == function.most else f"{least} to {function.most}"
        plural = "" if wanted == "1" else "s"
        reason = f"{call.function}() takes {wanted} plain argument{plural}, not {len(call.args)}"
        raise FormulaError(f"{reason}; keywords: {listing(function.keywords) or 'none'}", text, call.at)
    for key, value in call.keywords:
        if key not in function.keywords:
            allowed = listing(function.keywords) or "none"
            raise FormulaError(f"{call.function}() has no keyword {key}=; it has: {allowed}", text, call.at)
        _check_constant(key, value, text)
    for key, value in zip(function.keywords, call.args[least:], strict=False):
        if key in dict(call.keywords):
            raise FormulaError(f"{key} is given twice", text, value.at)
        _check_constant(key, value, text)
    if call.function == "C" and len(call.args) == 2:
        coding = call.args[1]
        if not isinstance(coding, Call) or coding.function not in CONTRASTS:
            raise FormulaError('a coding is written C(x, Treatment("level")) or C(x, Sum())', text, coding.at)


def _check_constant(key: str, value: Node, text: str) -> None:
    """Refuse an option that is not a constant of the type of its keyword."""
    if key == "reference":
        number = value.operand if isinstance(value, Unary) else value
        fits, wanted = isinstance(number, Number) or isinstance(value, Text), 'the label of a level in quotes: "a"'
    elif key == "ddof":
        fits, wanted = isinstance(value, Number) and value.text in ("0", "1"), "0 or 1"
    elif key in ("raw", "include_intercept"):
        fits, wanted = isinstance(value, Name) and value.name in ("True", "False"), "True or False"
    else:
        fits = isinstance(value, Number) and value.text.isascii() and value.text.isdigit() and 1 <= value.value <= _MOST
        wanted = f"a whole number from 1 to {_MOST}"
    if not fits:
        raise FormulaError(f"{key} is {wanted}", text, value.at)


def _check_spline(call: Call, text: str) -> None:
    """Refuse fewer degrees of freedom than the least of the spline."""
    keywords = dict(call.keywords)
    if call.function == "cr":
        least = 2
        if "df" not in keywords:
            raise FormulaError("write cr(x, df=4): the number of its columns", text, call.at)
    else:
        degree = keywords.get("degree", Number("3"))
        least = int(degree.value) if isinstance(degree, Number) else 3
        least += keywords.get("include_intercept") == Name("True")
    df = keywords.get("df")
    if isinstance(df, Number) and df.value < least:
        raise FormulaError(f"df is at least {least} for this spline", text, df.at)


def _check_inside(node: Node, call: Call, text: str) -> None:
    """Refuse a call that cannot stand inside another."""
    if not isinstance(node, Call):
        return
    inner, outer = node.function, call.function
    if inner in CONTRASTS:
        if outer == "C" and len(call.args) == 2 and node is call.args[1]:
            return
        reason = f"{inner}() is a coding; write C(x, {inner}(…))"
    elif inner == "offset":
        reason = "an offset is added to the other terms, not combined with them"
    elif inner in _SPECIAL:
        reason = f"{inner}(…) is a whole response; it cannot stand inside {outer}(…)"
    elif FUNCTIONS[inner].categorical:
        reason = f"{inner}(…) is a factor; it cannot stand inside {outer}(…): cross it with ':' or '*'"
    elif FUNCTIONS[inner].several:
        reason = f"{inner}(…) makes several columns; it cannot stand inside {outer}(…)"
    elif outer in FUNCTIONS and FUNCTIONS[outer].categorical and not FUNCTIONS[inner].stateless:
        reason = f"{inner}(…) learns from all rows; a factor is made of x itself: write {outer}(x)"
    else:
        return
    raise FormulaError(reason, text, node.at)


def _check_labels(node: Node, text: str) -> None:
    """Refuse a string anywhere but beside == or !=, where it is compared with a column."""
    if isinstance(node, Unary) and isinstance(node.operand, Text):
        raise _misplaced_label(node.operand, text)
    if isinstance(node, Binary):
        compares = node.operator in ("==", "!=")
        for value, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(value, Text) and not (compares and isinstance(other, Name)):
                raise _misplaced_label(value, text)


def _misplaced_label(value: Text, text: str) -> FormulaError:
    return FormulaError(
        f"{value.value!r} is a string where a number is wanted; a label is compared with a column: "
        'I(column == "label")',
        text,
        value.at,
    )
