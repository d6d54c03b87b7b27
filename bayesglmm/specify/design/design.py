"""`Design.build(formula, data)` and `Design.on(new_data)`: a formula's numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError
from bayesglmm.specify.design.block import BlockDesign, block_names
from bayesglmm.specify.design.checks import check_apart, check_predictors, check_widths
from bayesglmm.specify.design.codes import reference_level
from bayesglmm.specify.design.columns import Columns
from bayesglmm.specify.design.convert import rows_text
from bayesglmm.specify.design.evaluate import check_labels, numbers
from bayesglmm.specify.design.groups import Grouping
from bayesglmm.specify.design.matrix import Encoder
from bayesglmm.specify.design.outcome import Outcome, learn_labels, read_outcome
from bayesglmm.specify.design.rank import check_rank
from bayesglmm.specify.design.roles import check_reference, check_text
from bayesglmm.specify.formula import Formula, column_names, parse, render

__all__ = ["Design"]


@dataclass(frozen=True, eq=False)
class Design:
    """A formula's numbers on one table of data.

    Parameters
    ----------
    formula
        The formula.
    outcome
        The response, None on new data without it.
    x
        (n, p) the population-level columns.
    coef
        Their names, `Intercept` first where there is one.
    offset
        (n,) the sum of the offsets, on the scale of the linear predictor; with log e of an exposure e.
    exposure
        (n,) the exposure that a count is the sum over, of `rate(e)`; None where the response has none.
    blocks
        The blocks of random effects.
    columns
        The columns of the data that were used, complete rows only.
    """

    formula: Formula
    outcome: Outcome | None
    x: NDArray[np.float64]
    coef: tuple[str, ...]
    offset: NDArray[np.float64]
    exposure: NDArray[np.float64] | None
    blocks: tuple[BlockDesign, ...]
    columns: Columns
    _common: Encoder
    _lhs: tuple[Encoder, ...]
    _labels: tuple[str, ...] | None

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.columns.n

    @property
    def has_intercept(self) -> bool:
        """Whether the first column is an intercept."""
        return self._common.terms.intercept

    @classmethod
    def build(
        cls,
        formula: Formula | str,
        data: Any,
        *,
        missing: Literal["error", "drop"] = "error",
        reference: Mapping[str, Any] | None = None,
    ) -> "Design":
        """Learn a design from data.

        Parameters
        ----------
        formula
            A formula or its text.
        data
            Any eager dataframe that narwhals reads, or a mapping of columns.
        missing
            `"error"` refuses missing values and counts them by column; `"drop"` leaves their rows
            out and `design.columns.dropped` says how many.
        reference
            The reference levels of factors, by column, and the level of a text response that is no event. Else it is
            the first in alphabetical order (by code point), or in the order that a categorical type declares.

        Raises
        ------
        FormulaError
            If the text is not understood.
        DataError
            If the data cannot be what the formula says.
        OptionError
            If `reference` names what is no factor, or no level of it.
        """
        formula = parse(formula)
        columns = Columns.read(data, formula.columns, missing=missing)
        check_widths(formula, columns)
        if not isinstance(data, Columns):
            check_text(formula, columns)
        if reference:
            columns = columns.with_reference(check_reference(formula, columns, reference))
        for tree in formula.trees:
            check_labels(tree, columns)
        labels = learn_labels(formula.response, columns)
        outcome = read_outcome(formula.response, columns, labels)
        check_predictors(formula, columns)
        common, x = Encoder.learn(formula.terms, columns)
        check_rank(x, common.names, "the population-level part")
        blocks, encoders = [], []
        for name, block in zip(block_names(formula), formula.blocks, strict=True):
            encoder, z = Encoder.learn(block.terms, columns)
            grouping, index = Grouping.learn(block.group, columns)
            check_rank(z, encoder.names, f"the block on '{block.group}'")
            correlated = block.correlated and z.shape[1] > 1
            blocks.append(BlockDesign(name, encoder.names, z, index, grouping.levels, correlated, grouping))
            encoders.append(encoder)
        check_apart(blocks)
        offset, exposure = _offset(formula, columns), _exposure(formula, columns)
        learned = (common, tuple(encoders), labels)
        return cls(formula, outcome, x, common.names, offset, exposure, tuple(blocks), columns, *learned)

    def on(
        self,
        data: Any,
        *,
        missing: Literal["error", "drop"] = "error",
        outcome: bool = True,
        factors: Iterable[str] | None = None,
    ) -> "Design":
        """Return the same design on new data, with the levels, knots, means and references learned.

        The response and the grouping factors may be absent; the outcome is then None, and the index
        of an absent or unknown level −1. Offsets and predictors must be there.

        Parameters
        ----------
        data
            As in `build`.
        missing
            As in `build`, of the columns read.
        outcome
            Whether to read the response, if it is there; what is not read may hold anything.
        factors
            The grouping factors to read, if they are there; None for all. The index of any other is −1, also where
            its column is a predictor too.

        Raises
        ------
        DataError
            For an absent predictor, a missing value, or a level of a predictor that is not known.
        """
        factors = None if factors is None else tuple(factors)
        needed, optional = self._needed(outcome, factors)
        columns = Columns.read(data, needed, missing=missing, optional=optional)
        present = outcome and all(name in columns for name in column_names(*self.formula.response.trees))
        new_outcome = read_outcome(self.formula.response, columns, self._labels) if present else None
        read = {block.factor for block in self.blocks} if factors is None else set(factors)
        blocks = tuple(
            BlockDesign(
                block.name,
                block.columns,
                encoder.apply(columns),
                block.grouping.index(columns) if block.factor in read else np.full(columns.n, -1),
                block.levels,
                block.correlated,
                block.grouping,
            )
            for block, encoder in zip(self.blocks, self._lhs, strict=True)
        )
        x = self._common.apply(columns)
        offset, exposure = _offset(self.formula, columns), _exposure(self.formula, columns)
        learned = (self._common, self._lhs, self._labels)
        return Design(self.formula, new_outcome, x, self.coef, offset, exposure, blocks, columns, *learned)

    @property
    def exposures(self) -> NDArray[np.float64]:
        """The exposure of each row, (n,); 1 where the response has no `rate(e)`."""
        return np.ones(self.n) if self.exposure is None else self.exposure

    @property
    def units(self) -> NDArray[np.float64]:
        """What the outcome of each row is a sum over, (n,): its trials or its exposure, 1 without."""
        trials = None if self.outcome is None else self.outcome.trials
        return self.exposures if trials is None else trials

    @property
    def references(self) -> dict[str, str]:
        """The level that each factor coded by differences is compared with, by factor as written."""
        names = [*self.coef, *(name for block in self.blocks for name in block.columns)]
        levels = {}
        for terms in (self._common.terms, *(encoder.terms for encoder in self._lhs)):
            for factor in dict.fromkeys(factor for term in terms.terms for factor in term.factors):
                if any(f"{render(factor)}[T." in name for name in names):
                    levels[render(factor)] = reference_level(factor, self.columns)
        return levels

    @property
    def means(self) -> NDArray[np.float64]:
        """The means of the population-level columns but the intercept, by the weights of the rows."""
        columns = self.x[:, 1:] if self.has_intercept else self.x
        weights = None if self.outcome is None else self.outcome.weights
        return np.asarray(columns.mean(axis=0) if weights is None else np.average(columns, axis=0, weights=weights))

    def at(self, rows: NDArray[np.int64]) -> "Design":
        """Return the design on some of its rows, (r,) positions that may repeat: without weights, with all levels."""
        return replace(
            self,
            outcome=None if self.outcome is None else self.outcome.at(rows),
            x=self.x[rows],
            offset=self.offset[rows],
            exposure=None if self.exposure is None else self.exposure[rows],
            blocks=tuple(replace(block, z=block.z[rows], index=block.index[rows]) for block in self.blocks),
            columns=self.columns.at(rows),
        )

    def counted(self) -> "Design":
        """Return the design with outcomes and trials rounded where they are whole numbers up to rounding error."""
        counted = None if self.outcome is None else self.outcome.counted()
        return self if counted is self.outcome else replace(self, outcome=counted)

    def _needed(self, outcome: bool, factors: Iterable[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the columns new data must have, and those that are read if they are there."""
        formula = self.formula
        needed = column_names(formula.common, *formula.all_offsets, *(bar.lhs for bar in formula.bars))
        read = {block.factor for block in self.blocks} if factors is None else set(factors)
        groups = [factor for block in formula.blocks if str(block.group) in read for factor in block.group.factors]
        optional = column_names(*(formula.response.trees if outcome else ()), *groups)
        return needed, tuple(name for name in optional if name not in needed)


def _offset(formula: Formula, columns: Columns) -> NDArray[np.float64]:
    total = np.zeros(columns.n)
    for expression in formula.offsets:
        total += numbers(expression, columns, columns.n)
    exposure = _exposure(formula, columns)
    return total if exposure is None else total + np.log(exposure)


def _exposure(formula: Formula, columns: Columns) -> NDArray[np.float64] | None:
    """Return the exposure of rows, refusing values that are not above 0."""
    rate = formula.response.rate
    if rate is None:
        return None
    exposure = numbers(rate, columns, columns.n)
    bad = np.flatnonzero(~(exposure > 0) | ~np.isfinite(exposure))
    if len(bad):
        raise DataError(
            f"rate({render(rate)}) has {exposure[bad[0]]:g} in {rows_text(columns.rows[bad].tolist())}; an exposure is "
            "a finite number above 0: correct these rows, or leave them out"
        )
    return exposure
