"""`Encoder`: expanded terms into a matrix, with this package's columns and levels and formulaic's coding."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design.codes import Coder, as_factor, level_codes
from bayesglmm.specify.design.columns import Columns
from bayesglmm.specify.design.evaluate import numbers
from bayesglmm.specify.design.levels import label, relabel
from bayesglmm.specify.formula import Call, Name, Node, Terms, render

__all__ = ["Encoder"]


@dataclass(frozen=True, eq=False)
class Encoder:
    """Terms with what their columns depend on: levels, knots, means, reference levels.

    Parameters
    ----------
    terms
        The terms encoded.
    names
        The name of each column of the matrix.
    """

    terms: Terms
    names: tuple[str, ...]
    _inputs: Mapping[str, Node]
    _levels: Mapping[str, tuple[Any, ...]]
    _spec: Any

    @classmethod
    def learn(cls, terms: Terms, columns: Columns) -> tuple["Encoder", NDArray[np.float64]]:
        """Learn from data and encode them.

        Returns
        -------
        encoder, matrix
            The matrix has shape (n, k), its columns named by `encoder.names`.
        """
        from formulaic import ModelSpec, SimpleFormula
        from formulaic.parser.types import Factor
        from formulaic.parser.types import Term as FormulaicTerm

        coder = Coder(columns)
        codes = {factor: coder.code(factor) for term in terms.terms for factor in term.factors}
        built = [FormulaicTerm([Factor("1", eval_method="literal")])] if terms.intercept else []
        for term in terms.terms:
            built.append(FormulaicTerm([Factor(codes[factor], eval_method="python") for factor in term.factors]))
        if not built:
            return cls(terms, (), {}, {}, None), np.empty((columns.n, 0))
        spec = ModelSpec(SimpleFormula(built, _ordering="none"))
        table = _inputs_table(coder.inputs, coder.levels, columns)
        spec, matrix, coded = _materialise(spec, table, terms)
        names = _readable(coded, codes, coder.levels)
        _check_names(names, terms)
        return cls(terms, names, coder.inputs, coder.levels, spec), matrix

    def apply(self, columns: Columns) -> NDArray[np.float64]:
        """Encode new data as the old were, shape (n, k).

        Raises
        ------
        DataError
            For a level of a factor that was not there when it was learned.
        """
        if self._spec is None:
            return np.empty((columns.n, 0))
        table = _inputs_table(self._inputs, self._levels, columns)
        return _materialise(self._spec, table, self.terms)[1]


def _inputs_table(inputs: Mapping[str, Node], known: Mapping[str, tuple[Any, ...]], columns: Columns) -> pd.DataFrame:
    """Evaluate the inputs of the matrix; an unknown level is an error."""
    inputs_by_alias: dict[str, Any] = {}
    for alias, node in inputs.items():
        if alias not in known:
            inputs_by_alias[alias] = numbers(node, columns, columns.n)
            continue
        column = as_factor(node, columns)
        codes = relabel(column, known[alias])
        if (codes < 0).any():
            unseen = column[codes < 0].remove_unused_categories().categories
            raise DataError(
                f"'{render(node)}' has a level that was not there when the model was built: "
                f"{listing(unseen)}; known: {listing(known[alias])}"
            )
        inputs_by_alias[alias] = pd.Categorical.from_codes(codes, categories=pd.Index(level_codes(alias, known[alias])))
    return pd.DataFrame(inputs_by_alias, index=pd.RangeIndex(columns.n))


def _materialise(spec: Any, table: pd.DataFrame, terms: Terms) -> tuple[Any, NDArray[np.float64], list[str]]:
    context = {
        "_number": lambda x: np.asarray(x, dtype=np.float64),
        "_powers": lambda x, degree: {str(power): np.asarray(x) ** power for power in range(1, degree + 1)},
        "sqrt": np.sqrt,
        "abs": np.abs,
        "log1p": np.log1p,
    }
    if table.empty:  # an intercept alone; formulaic takes the number of rows from a column
        table = pd.DataFrame({"__row__": np.zeros(len(table.index))})
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = spec.get_model_matrix(table, context=context, na_action="ignore")
    except Exception as error:
        reason = re.sub(r"__input\d+__", "x", str(error.__cause__ or error))
        if "extend beyond" in reason:
            reason = "values lie outside the range it was learned on; use cr(…), which goes on in a straight line"
        raise DataError(f"the columns for {listing(terms.terms)} could not be made: {reason}") from error
    matrix = np.ascontiguousarray(result.to_numpy(dtype=np.float64))
    bad = [column for column in range(matrix.shape[1]) if not np.isfinite(matrix[:, column]).all()]
    if bad:
        raise DataError(
            f"a column made from {listing(terms.terms)} is not finite; check the domain of its functions, and that "
            "what is scaled varies"
        )
    return result.model_spec, matrix, [str(column) for column in result.columns]


def _readable(
    coded: list[str], codes: Mapping[Name | Call, str], levels: Mapping[str, tuple[Any, ...]]
) -> tuple[str, ...]:
    """Replace codes by the text of the formula and the labels of the data, in one pass."""
    written: dict[str, str] = {}
    for factor, code in codes.items():
        written.setdefault(code, render(factor))
    for alias, known in levels.items():
        written.update(zip(level_codes(alias, known), map(label, known), strict=True))
    if not written:
        return tuple(coded)
    pattern = re.compile("|".join(re.escape(code) for code in sorted(written, key=len, reverse=True)))
    return tuple(pattern.sub(lambda match: written[match.group()], name) for name in coded)


def _check_names(names: Sequence[str], terms: Terms) -> None:
    """Refuse two columns of one name, or a predictor that takes the name of the intercept."""
    predictors = names[1:] if terms.intercept else names
    if "Intercept" in predictors:
        raise DataError(
            "a predictor called 'Intercept' would pass for the intercept: the name would stand for two columns; "
            "rename the column"
        )
    repeated = [name for name, count in Counter(predictors).items() if count > 1]
    if repeated:
        raise DataError(
            f"two columns of the model would be called {listing(repeated)}; rename the column or its labels"
        )
