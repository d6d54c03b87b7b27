"""`ParameterNames`: finds the parameters of a model in the text of a hypothesis, by the names that tables print.

`trt:time`, `time:trt`, `beta[trt:time]` and `` `trt:time` `` are one coefficient; a level stands with its coding
(`treat[T.Steroid]`) or without (`treat[Steroid]`); the two columns of a correlation in either order. Labels may hold
spaces, brackets and colons: of the factors that are known, the longest that stands in the text is read.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import Literal

import xarray as xr

from bayesglmm.common.names import columns_text, factors
from bayesglmm.common.text import plain
from bayesglmm.errors import FormulaError, listing, suggest
from bayesglmm.estimands.hypothesis_text import CALLABLE, Array
from bayesglmm.posterior.draws import Draws
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import pair_names

__all__ = ["Kind", "Parameter", "ParameterNames", "parameter_draws", "parameters"]

type Kind = Literal["coefficient", "sd", "correlation", "family"]

_WORD = re.compile(r"\w")
_SPACE = re.compile(r"\s*")
_TIMES = re.compile(r"\s*[:×]\s*")
_CHUNK = re.compile(r"`[^`\n]*`?|[^\W\d]\w*(?:\[[^\]\n]*\]*)?(?:\s*[:×]\s*[^\W\d]\w*(?:\[[^\]\n]*\]*)?)*")
_MOST_SWAPPED = 4
"""The most factors of a grouping whose orders are all read."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model.

    Parameters
    ----------
    name
        As tables print it: `beta[trt]`, `sd_id[time]`, `corr_id[Intercept,time]`, `phi`.
    kind
        What it is.
    variable
        The variable of the posterior that holds it.
    position
        Its position in the variable.
    columns
        The columns in its brackets: one, two for a correlation, none for a parameter of the family.
    """

    name: str
    kind: Kind
    variable: str
    position: int
    columns: tuple[str, ...] = ()


def parameters(model: Model) -> dict[str, Parameter]:
    """Return the parameters but the random effects themselves, by name, in the order of `Fit.summary`."""
    listed = [Parameter(f"beta[{name}]", "coefficient", "beta", j, (name,)) for j, name in enumerate(model.design.coef)]
    for block in model.design.blocks:
        head = f"sd_{block.name}"
        listed += [Parameter(f"{head}[{name}]", "sd", head, j, (name,)) for j, name in enumerate(block.columns)]
    for block in model.design.blocks:
        if block.correlated:
            head, pairs = f"corr_{block.name}", [(i, j) for i in range(block.size) for j in range(i)]
            for at, (name, (i, j)) in enumerate(zip(pair_names(block), pairs, strict=True)):
                columns = (block.columns[j], block.columns[i])
                listed.append(Parameter(f"{head}[{name}]", "correlation", head, at, columns))
    listed += [Parameter(each.name, "family", each.name, 0) for each in model.family.parameters]
    return {each.name: each for each in listed}


def parameter_draws(model: Model, posterior: xr.Dataset, names: Iterable[str]) -> dict[str, Array]:
    """Return the draws (s,) of parameters by name, all chains in a row."""
    draws, known = Draws(posterior, model.design), parameters(model)
    blocks = {block.name: block for block in model.design.blocks}
    values: dict[str, Array] = {}
    for name in names:
        parameter = known[name]
        match parameter.kind:
            case "coefficient":
                array = draws.beta
            case "sd":
                array = draws.sd(blocks[parameter.variable.removeprefix("sd_")])
            case "correlation":
                array = draws.correlations(blocks[parameter.variable.removeprefix("corr_")])
            case "family":
                array = draws.parameters(model.family)[parameter.variable]
        values[name] = array[:, parameter.position]
    return values


class ParameterNames:
    """The names of a model's parameters, and of what stands in their brackets."""

    def __init__(self, model: Model) -> None:
        self.known = parameters(model)
        self.heads: dict[str, str] = dict(_heads(self.known.values()))
        self.spellings: dict[str, set[str]] = {}
        columns = [column for each in self.known.values() for column in each.columns]
        for factor in dict.fromkeys(part for column in columns for part in factors(column)):
            for spelling in _spellings(factor):
                self.spellings.setdefault(spelling, set()).add(factor)
        self.longest = sorted(self.spellings, key=len, reverse=True)

    def read(self, text: str, at: int) -> tuple[str, int] | None:
        """Return the name that begins at a position, and where it ends; None for a function that is called there.

        Raises
        ------
        FormulaError
            For a name that is none of the model's, or may be two of them.
        """
        found = self._bracketed(text, at) or self._bare(text, at) or self._quoted(text, at)
        if found is None:
            if _called(text, at) in CALLABLE:
                return None
            raise self._unknown(text, at)
        names, end = found
        if len(names) > 1:
            raise _ambiguous(text[at:end], names, text, at)
        return names[0], end

    def _bracketed(self, text: str, at: int) -> tuple[list[str], int] | None:
        """Read `head[column]` or `head[column,column]`."""
        for spelling in sorted(self.heads, key=len, reverse=True):
            if not text.startswith(f"{spelling}[", at):
                continue
            head, start = self.heads[spelling], _skip(text, at + len(spelling) + 1)
            if head == "family":
                names = [each.name for each in self.known.values() if each.kind == "family"]
                here = [name for name in names if text.startswith(f"{name}]", start)]
                if here:
                    return here, start + len(here[0]) + 1
                raise self._not_in(head, text, at)
            columns, end = self._columns(text, start)
            names = self._named(head, columns)
            if not names or not text.startswith("]", end):
                raise self._not_in(head, text, at)
            return names, end + 1
        return None

    def _columns(self, text: str, at: int) -> tuple[list[list[tuple[str, ...]]], int]:
        """Read columns separated by commas: the possible factors of each, and where they end."""
        columns: list[list[tuple[str, ...]]] = []
        while True:
            quote = text[at] if text[at : at + 1] in ("'", '"') else ""
            read = self._product(text, at + len(quote), quote)
            if read is None:
                return [], at
            column, at = read
            columns.append(column)
            at = _skip(text, at)
            if not text.startswith(",", at):
                return columns, at
            at = _skip(text, at + 1)

    def _product(self, text: str, at: int, quote: str = "") -> tuple[list[tuple[str, ...]], int] | None:
        """Read a product: the factors it may be of, sorted, as they are written first, and where it ends."""
        written: list[str] = []
        while True:
            spelling = next((each for each in self.longest if _stands(each, text, at)), None)
            if spelling is None:
                return None
            written.append(spelling)
            at += len(spelling)
            times = _TIMES.match(text, at)
            if times is None:
                if not text.startswith(quote, at):
                    return None
                possible = product(*(self.spellings[each] for each in written))
                return [tuple(sorted(each)) for each in (written, *possible)], at + len(quote)
            at = times.end()

    def _named(self, head: str, columns: list[list[tuple[str, ...]]]) -> list[str]:
        """List the parameters of a variable whose columns have these factors, those as written if there are any."""
        names, as_written = [], []
        for each in self.known.values():
            if each.variable != head or len(each.columns) != len(columns):
                continue
            keys = [tuple(sorted(factors(column))) for column in each.columns]
            if any(all(key in one for key, one in zip(keys, order, strict=True)) for order in permutations(columns)):
                names.append(each.name)
            if any(all(key == one[0] for key, one in zip(keys, order, strict=True)) for order in permutations(columns)):
                as_written.append(each.name)
        return as_written or names

    def _bare(self, text: str, at: int) -> tuple[list[str], int] | None:
        """Read a name without brackets: a coefficient, a parameter of the family, the only sd of a block."""
        found: list[tuple[str, int]] = []
        read = self._product(text, at)
        if read is not None:
            found += [(name, read[1]) for name in self._named("beta", [read[0]])]
        alone = [(each.name, each.name) for each in self.known.values() if each.kind == "family"]
        for spelling, head in self.heads.items():
            members = [name for name, each in self.known.items() if each.variable == head]
            alone += [(spelling, members[0])] if len(members) == 1 and head != "beta" else []
        found += [(name, at + len(spelling)) for spelling, name in alone if _stands(spelling, text, at)]
        if not found:
            return None
        end = max(end for _, end in found)
        names = list(dict.fromkeys(name for name, its_end in found if its_end == end))
        function = _called(text, at)
        if function in CALLABLE and len(names) == 1 and text[at:end].endswith(")"):
            inner = self._argument(text, at, end)
            if inner is not None:
                whole = f"beta[{text[at:end]}]"
                raise FormulaError(
                    f"{text[at:end]} is a coefficient, and a function of {inner}; write {whole} for the first, "
                    f"{function}({inner}) for the second",
                    text,
                    at,
                )
        return names, end

    def _argument(self, text: str, at: int, end: int) -> str | None:
        """Return the coefficient that is the argument of a call, where it is one."""
        start = _skip(text, text.index("(", at) + 1)
        read = self._product(text, start)
        if read is None or _skip(text, read[1]) != end - 1:
            return None
        names = self._named("beta", [read[0]])
        return names[0] if names else None

    def _quoted(self, text: str, at: int) -> tuple[list[str], int] | None:
        """Read a name in backticks."""
        close = text.find("`", at + 1)
        if text[at] != "`" or close < 0:
            return None
        inner = text[at + 1 : close]
        found = self._bracketed(inner, 0) or self._bare(inner, 0) if inner else None
        return (found[0], close + 1) if found is not None and found[1] == len(inner) else None

    def _not_in(self, head: str, text: str, at: int) -> FormulaError:
        known = [each.name for each in self.known.values() if each.variable == head or each.kind == head]
        close = text.find("]", at)
        given = text[at : close + 1] if close > 0 else text[at:]
        return FormulaError(f"{plain(given)} is no parameter of this model; {suggest(given, known)}", text, at)

    def _unknown(self, text: str, at: int) -> FormulaError:
        match = _CHUNK.match(text, at)
        given = match.group() if match else text[at:]
        if given.startswith("b_"):
            reason = "random effects of groups stand in fit.random_effects(), with their probabilities"
            return FormulaError(f"{plain(given)} is none of the names of hypotheses; {reason}", text, at)
        printed = [each.columns[0] if each.kind == "coefficient" else each.name for each in self.known.values()]
        called = f"; functions: {listing(CALLABLE, 20)}" if _called(text, at) else ""
        return FormulaError(
            f"{plain(given)} is no parameter of this model; {suggest(given, printed, 30)}{called}", text, at
        )


def _heads(known: Iterable[Parameter]) -> Iterator[tuple[str, str]]:
    """Pair the spellings of variables with their names: `sd_id`, `sd[id]`, `sd["id"]`; factors in any order."""
    yield "family", "family"
    for each in known:
        if each.kind == "family":
            continue
        if each.kind == "coefficient":
            yield from (("beta", "beta"), ("coef", "beta"))
            continue
        part, _, block = each.variable.partition("_")
        groups = block.split(":")
        orders = list(permutations(groups)) if len(groups) <= _MOST_SWAPPED else [tuple(groups)]
        for order in reversed(orders):
            name = ":".join(order)
            for word in ("corr", "correlation") if part == "corr" else ("sd",):
                yield f"{word}_{name}", each.variable
                yield from ((f"{word}{left}{name}{right}", each.variable) for left, right in _QUOTED)


_QUOTED = (("[", "]"), ('["', '"]'), ("['", "']"))


def _spellings(factor: str) -> set[str]:
    """Return how a factor may be written: as printed, without its coding, without backticks."""
    (short,) = columns_text([factor])
    found = {factor, short, plain(factor)}
    if re.fullmatch(r"`[^`]+`", factor):
        found.add(factor[1:-1])
    return found


def _stands(spelling: str, text: str, at: int) -> bool:
    """Whether a name stands at a position and ends there, as no part of a longer one."""
    if not text.startswith(spelling, at):
        return False
    after = text[at + len(spelling) : at + len(spelling) + 1]
    return after not in ("[", "(", "`") if not _WORD.match(after) else not _WORD.match(spelling[-1])


def _called(text: str, at: int) -> str:
    """Return the function that is called at a position; empty where none is."""
    match = re.compile(r"([^\W\d]\w*)\s*\(").match(text, at)
    return match[1] if match else ""


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _ambiguous(given: str, names: list[str], text: str, at: int) -> FormulaError:
    known = [f"family[{name}]" if "[" not in name else name for name in names]
    return FormulaError(f"{plain(given)} may be {' or '.join(map(plain, known))}; write which", text, at)
