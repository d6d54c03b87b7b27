"""The role of each column in a formula, and whether the column fits it: text above all, and reference levels."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
import pandas as pd

from bayesglmm.errors import BayesGLMMWarning, DataError, OptionError, listing, suggest
from bayesglmm.specify.design.columns import Columns
from bayesglmm.specify.design.convert import rows_text
from bayesglmm.specify.design.evaluate import is_boolean
from bayesglmm.specify.design.levels import label
from bayesglmm.specify.design.text import FEW_LEVELS, Spoilt, gaps, is_number, spoilt, twins
from bayesglmm.specify.formula import FUNCTIONS, Binary, Call, Formula, Name, Node, Text, column_names, walk

__all__ = ["Role", "check_reference", "check_text", "referable", "roles"]

_PACKAGE = str(Path(__file__).parents[2])

type Role = Literal["response", "plain", "number", "coded", "compared", "group"]
"""The type of a plain predictor or response decides whether it is a factor; inside C(…) it always is (coded)."""


def roles(formula: Formula) -> dict[str, set[Role]]:
    """Return the roles of each column in a formula; a column may have several."""
    by_column: dict[str, set[Role]] = {}

    def add(names: tuple[str, ...], role: Role) -> None:
        for name in names:
            by_column.setdefault(name, set()).add(role)

    response = formula.response
    if isinstance(response.outcome, Name) and response.second is None:
        add((response.outcome.name,), "response")
        for tree in (response.rate, response.weights):
            if tree is not None:
                _add_expression(tree, add)
    else:
        for tree in response.trees:
            _add_expression(tree, add)
    for terms in (formula.terms, *(block.terms for block in formula.blocks)):
        for factor in (factor for term in terms.terms for factor in term.factors):
            if isinstance(factor, Name):
                add((factor.name,), "plain")
            elif FUNCTIONS[factor.function].categorical and isinstance(factor.args[0], Name):
                add((factor.args[0].name,), "coded")
            else:
                _add_expression(factor, add)
    for offset in formula.offsets:
        _add_expression(offset, add)
    for block in formula.blocks:
        for factor in block.group.factors:
            inner = factor.args[0] if isinstance(factor, Call) else factor
            add(column_names(inner), "group")
    return by_column


def _add_expression(tree: Node, add: Any) -> None:
    """Add the columns of arithmetic: those compared with a label, and numbers."""
    compared = {
        side.name
        for node in walk(tree)
        if isinstance(node, Binary) and node.operator in ("==", "!=")
        for side, other in ((node.left, node.right), (node.right, node.left))
        if isinstance(side, Name) and isinstance(other, Text)
    }
    add(tuple(compared), "compared")
    add(tuple(name for name in column_names(tree) if name not in compared), "number")


def check_text(formula: Formula, columns: Columns) -> None:
    """Refuse text that is probably an error and would change the model silently.

    Numbers read as text would become a factor with a level for each; labels that differ in blanks, case or accents are
    probably one level. Factors declared by `C(…)` or by a categorical type are accepted.

    Raises
    ------
    DataError
        Naming the values, their rows and the remedy.

    Warns
    -----
    BayesGLMMWarning
        For few numbers as text, taken as a factor, and for levels that differ in case or accents alone where they
        were declared or group rows.
    """
    for name, column_roles in roles(formula).items():
        column = columns[name]
        if not isinstance(column, pd.Categorical) or not all(isinstance(level, str) for level in column.categories):
            continue
        labels = tuple(column.categories)
        _check_numbers(name, labels, column_roles, columns)
        _check_twins(name, labels, column_roles, columns)


def _check_numbers(name: str, labels: tuple[str, ...], column_roles: set[Role], columns: Columns) -> None:
    """Refuse numbers that were read as text, or warn of few of them.

    Of a categorical type only many numbers with other text among them are refused.
    """
    declared = name not in columns.text
    if not declared and column_roles <= {"group"} and (marks := gaps(labels)):
        raise DataError(
            f"grouping factor '{name}' has {_quoted(marks)} in {_where(marks, name, columns)} among its labels, which "
            "looks like a mark of missing values and would be a group of its own; make these cells missing "
            '(na_values in a spec) and pass missing="drop", or give them a label of their own'
        )
    if not column_roles & {"plain", "number", "response"}:
        return
    spoiling = spoilt(labels)
    if spoiling is None or ("response" in column_roles and len(labels) <= 2 and spoiling.uniform):
        return
    if declared and (spoiling.uniform or len(labels) <= FEW_LEVELS or spoiling.what == ("dates",)):
        return
    if spoiling.what == ("dates",):
        raise DataError(
            f"column '{name}' holds dates as text ({_quoted(labels[:3])} …): a level for each of {len(labels)}; make a "
            f"number of them first, such as days since a start, or write C({name}) if each is a category"
        )
    if (
        spoiling.uniform
        and len(labels) <= FEW_LEVELS
        and "number" not in column_roles
        and "response" not in column_roles
    ):
        _warn(
            f"'{name}' is text whose labels are all numbers ({_quoted(labels[:3])} …) and is taken as a factor of "
            f"{len(labels)} levels; convert it to numbers for a slope, or write C({name}) if a factor is meant"
        )
        return
    raise DataError(_spoilt_text(name, labels, spoiling, column_roles, columns))


def _spoilt_text(
    name: str, labels: tuple[str, ...], spoiling: Spoilt, column_roles: set[Role], columns: Columns
) -> str:
    what = f"column '{name}' is text and not numbers: "
    if spoiling.odd:
        some = spoiling.odd[:3]
        what += f"{_quoted(some)} in {_where(some, name, columns)} ({listing(spoiling.what)})"
        if spoiling.odd[3:]:
            what += f", and {len(spoiling.odd)} of its {len(labels)} distinct values are no plain numbers"
    else:
        what += f"all its {len(labels)} distinct values are numbers stored as text, such as {_quoted(labels[:3])}"
    remedy = "convert it to numbers first"
    if "marks of missing values" in spoiling.what:
        remedy += ', with these values missing (na_values in a spec) and missing="drop" to leave their rows out'
    elif "a sign of comparison" in spoiling.what:
        remedy += ", deciding how to code a value that is only known to be below or above a limit"
    elif spoiling.odd:
        remedy += f"; remove what stands beside the numbers ({listing(spoiling.what)})"
    if "plain" in column_roles:
        remedy += f"; or write C({name}) if each value is a category ({len(labels)} levels)"
    return f"{what}; {remedy}"


def _check_twins(name: str, labels: tuple[str, ...], column_roles: set[Role], columns: Columns) -> None:
    """Refuse levels that differ in next to nothing, or warn where they may be meant."""
    blanks, folded = twins(labels)
    if blanks:
        raise DataError(
            f"'{name}' has levels that differ in blanks alone: {_quoted(blanks[0])} "
            f"({_where(blanks[0][1:], name, columns)} for the latter); strip the blanks from the labels in the data"
        )
    if not folded:
        return
    how = "the writing of a number" if all(map(is_number, folded[0])) else "case or accents"
    text = (
        f"'{name}' has levels that differ in {how} alone: {'; '.join(_quoted(same) for same in folded[:4])} "
        f"({_where(folded[0][1:], name, columns)} for the latter)"
    )
    if name in columns.text and column_roles & {"plain", "number", "response"}:
        declare = f"write C({name})" if "plain" in column_roles else "make a categorical column of it"
        raise DataError(f"{text}; give them one label in the data, or {declare} if they are meant to differ")
    _warn(f"{text}: each is a level of its own")


def check_reference(formula: Formula, columns: Columns, reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return reference levels, in Unicode's NFC as names and labels are, or refuse those of what has none.

    Raises
    ------
    OptionError
        For anything but a mapping, and a column that is not a factor or has its reference in the formula.
    """
    if not isinstance(reference, Mapping):
        raise OptionError(
            f'reference={reference!r} is not a mapping of columns to levels, such as {{"treat": "Usual"}}'
        )
    composed = {normalize("NFC", str(name)): level for name, level in reference.items()}
    used = roles(formula)
    factors = [name for name, column_roles in used.items() if _has_reference(name, column_roles, columns)]
    coded = _coded(formula)
    for name in composed:
        if name not in factors:
            reason = "is not a factor of the formula" if name in used else "is not a column of the formula"
            if name in used and used[name] <= {"group"}:
                reason = "groups rows, and the levels of a grouping factor have no reference"
            elif name in used and used[name] & {"number", "plain"}:
                reason = "is used as a number; write C(…) around it for a factor"
            raise OptionError(f"reference has '{name}', which {reason}; {suggest(str(name), factors)}")
        if name in coded:
            raise OptionError(f"reference has '{name}', whose coding {coded[name]}(…) is in the formula; say it once")
    return {name: normalize("NFC", level) if isinstance(level, str) else level for name, level in composed.items()}


def referable(formula: Formula) -> set[str]:
    """Return the columns of a formula that may have a reference level, if they hold labels."""
    coded = _coded(formula)
    return {
        name
        for name, column_roles in roles(formula).items()
        if column_roles & {"plain", "coded", "response"} and "number" not in column_roles and name not in coded
    }


def _coded(formula: Formula) -> dict[str, str]:
    """Return the coding of the columns that have one in the formula."""
    codings = {}
    for node in (node for tree in formula.trees for node in walk(tree)):
        match node:
            case Call("C", (Name(name), Call(coding))):
                codings[name] = coding
    return codings


def _has_reference(name: str, column_roles: set[Role], columns: Columns) -> bool:
    labelled = isinstance(columns[name], pd.Categorical)
    if "response" in column_roles:
        return labelled and not is_boolean(columns[name])
    return (
        "number" not in column_roles
        and ("coded" in column_roles or "plain" in column_roles)
        and (labelled or "plain" not in column_roles)
    )


def _warn(text: str) -> None:
    """Warn at the line that called the package."""
    warnings.warn(text, BayesGLMMWarning, skip_file_prefixes=(_PACKAGE,))


def _where(labels: tuple[str, ...], name: str, columns: Columns) -> str:
    """Name the rows of labels."""
    column = columns[name]
    assert isinstance(column, pd.Categorical)
    codes = [code for code, level in enumerate(column.categories) if level in labels]
    return rows_text(columns.rows[np.isin(column.codes, codes)].tolist())


def _quoted(labels: tuple[str, ...]) -> str:
    return listing((repr(label(level)) for level in labels), 6)
