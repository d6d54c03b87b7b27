"""A design made by hand, in NumPy alone: what the package's parser, levels and coding are compared with.

A formula is drawn together with its meaning: each operator of the text comes with what it does to a list of terms, so
that nothing is parsed here. Columns are products of numbers and of indicators of levels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

type Array = NDArray[np.float64]
type Table = Mapping[str, list[Any]]
type Product = tuple["Atom", ...]


@dataclass(frozen=True, eq=False)
class Atom:
    """What may stand between operators: numbers by the names of their columns, or a factor.

    `bases` are the columns of data it is made of.
    """

    text: str
    bases: tuple[str, ...]
    numbers: Callable[[Table], dict[str, Array]] | None = None
    levels: Callable[[Table], list[Any]] | None = None
    column: str = ""

    @property
    def is_factor(self) -> bool:
        return self.numbers is None


def as_array(table: Table, name: str) -> Array:
    return np.array([float(value) for value in table[name]])


def number(text: str, value: Callable[..., Array], *bases: str) -> Atom:
    return Atom(text, bases, lambda table: {text: value(*(as_array(table, name) for name in bases))})


def orthogonal(x: Array, degree: int) -> Array:
    """Return orthonormal polynomials by Gram and Schmidt, their leading coefficients positive."""
    powers = np.column_stack([(x - x.mean()) ** power for power in range(degree + 1)])
    q, r = np.linalg.qr(powers)
    return (q * np.sign(np.diag(r)))[:, 1:]


def poly(name: str, raw: bool) -> Atom:
    text = f"poly({name}, 2{', raw=True' if raw else ''})"

    def values(table: Table) -> dict[str, Array]:
        x = as_array(table, name)
        columns = np.column_stack([x, x**2]) if raw else orthogonal(x, 2)
        return {f"{text}[{power}]": columns[:, power - 1] for power in (1, 2)}

    return Atom(text, (name,), values)


def sorted_levels(column: str) -> Callable[[Table], list[Any]]:
    return lambda table: sorted(set(table[column]))


def declared_levels(column: str, order: Sequence[Any]) -> Callable[[Table], list[Any]]:
    return lambda table: [level for level in order if level in set(table[column])]


def led_by(levels: Callable[[Table], list[Any]], first: Any) -> Callable[[Table], list[Any]]:
    """Put a level first for the purpose of coding; names go by the order of the data."""
    return lambda table: [first, *(level for level in levels(table) if level != first)]


# -- terms ---------------------------------------------------------------------------------------


def joined(left: Product, right: Product) -> Product:
    return (*left, *(atom for atom in right if atom not in left))


def union(terms: Sequence[Product]) -> list[Product]:
    """Drop terms that stand there already, whatever the order of their factors."""
    kept: dict[frozenset[Atom], Product] = {}
    for term in terms:
        kept.setdefault(frozenset(term), term)
    return list(kept.values())


def crossed(left: Sequence[Product], right: Sequence[Product]) -> list[Product]:
    return union([joined(a, b) for a, b in product(left, right)])


def draw_terms(rng: np.random.Generator, atoms: list[Atom], depth: int, named: set[Atom]) -> tuple[str, list[Product]]:
    """Return the text of terms and what it means; all that the text names is added to `named`."""
    if depth == 0 or len(atoms) == 1 or rng.random() < 0.2:
        atom = atoms[rng.integers(len(atoms))]
        named.add(atom)
        return atom.text, [(atom,)]
    operator = rng.choice(["+", "+", ":", "*", "/", "^", "-"])
    if operator == "^":
        some = [atoms[j] for j in rng.permutation(len(atoms))[:3]]
        named.update(some)
        singles: list[Product] = [(atom,) for atom in some]
        pairs = [joined(a, b) for a, b in combinations(singles, 2)]
        return f"({' + '.join(atom.text for atom in some)})^2", union([*singles, *pairs])
    left_text, left = draw_terms(rng, atoms, depth - 1, named)
    others: set[Atom] = set()
    right_text, right = draw_terms(rng, atoms, depth - 1, others)
    if operator == "-":  # what is taken away is there
        rest = [term for term in left if frozenset(term) not in {frozenset(gone) for gone in right}]
        if not rest:
            return left_text, left
        named |= others
        return f"({left_text} + {right_text} - {right_text})", rest
    named |= others
    if operator == "+":
        return f"({left_text} + {right_text})", union([*left, *right])
    if operator == ":":
        return f"({left_text}):({right_text})", crossed(left, right)
    if operator == "*":
        return f"({left_text})*({right_text})", union([*left, *right, *crossed(left, right)])
    whole: Product = ()
    for term in left:
        whole = joined(whole, term)
    return f"({left_text})/({right_text})", union([*left, *crossed([whole], right)])


# -- columns -------------------------------------------------------------------------------------


def indicators(atom: Atom, table: Table, levels: Sequence[Any]) -> dict[Any, Array]:
    return {level: np.array([float(value == level) for value in table[atom.column]]) for level in levels}


def candidates(term: Product, table: Table) -> dict[str, Array]:
    """Return every column a term may have, by name.

    Of each factor there are all levels, or all but its reference, or none: a term of which a part is not in the formula
    is coded as that part and the rest.
    """
    factors = [atom for atom in term if atom.is_factor]
    found = {}
    for size in range(len(factors) + 1):
        for left_out in combinations(factors, size):
            part = tuple(atom for atom in term if atom not in left_out)
            found |= _products(part, table) if part else {}
    return found


def _products(term: Product, table: Table) -> dict[str, Array]:
    parts: list[list[tuple[str, Array]]] = []
    for atom in term:
        if atom.numbers is not None:
            parts.append(list(atom.numbers(table).items()))
            continue
        assert atom.levels is not None
        each = indicators(atom, table, atom.levels(table))
        full = [(f"{atom.text}[{level}]", values) for level, values in each.items()]
        reduced = [(f"{atom.text}[T.{level}]", values) for level, values in list(each.items())[1:]]
        parts.append(full + reduced)
    n = len(next(iter(table.values())))
    found = {}
    for chosen in product(*parts):
        values = np.ones(n)
        for _, factor in chosen:
            values = values * factor
        found[":".join(name for name, _ in chosen)] = values
    return found


def everything(intercept: bool, terms: Sequence[Product], table: Table) -> Array:
    """Return the columns of all levels: more than can be told apart, and what any coding must span."""
    n = len(next(iter(table.values())))
    columns = [np.ones(n)] if intercept else []
    for term in terms:
        parts = []
        for atom in term:
            if atom.numbers is not None:
                parts.append(list(atom.numbers(table).values()))
            else:
                assert atom.levels is not None
                parts.append(list(indicators(atom, table, atom.levels(table)).values()))
        columns += [np.prod(np.column_stack(chosen), axis=1) for chosen in product(*parts)]
    return np.column_stack(columns) if columns else np.empty((n, 0))


def dimension(intercept: bool, terms: Sequence[Product], table: Table) -> int:
    """Count the columns of a full-rank coding: contrasts of every subset of the factors of a term, each once."""
    spaces: dict[frozenset[Atom], set[frozenset[Atom]]] = {}
    for term in [*([()] if intercept else []), *terms]:
        numbers = frozenset(atom for atom in term if not atom.is_factor)
        factors = [atom for atom in term if atom.is_factor]
        subsets = spaces.setdefault(numbers, set())
        for size in range(len(factors) + 1):
            subsets |= {frozenset(some) for some in combinations(factors, size)}
    total = 0
    for numbers, subsets in spaces.items():
        width = int(np.prod([len(atom.numbers(table)) for atom in numbers if atom.numbers is not None] or [1]))
        for subset in subsets:
            total += width * int(np.prod([len(atom.levels(table)) - 1 for atom in subset if atom.levels] or [1]))
    return total


def rank(matrix: Array) -> int:
    """Return the number of columns that can be told apart, each about its size."""
    if not matrix.size:
        return 0
    size = np.linalg.norm(matrix, axis=0)
    scaled = matrix[:, size > 0] / size[size > 0]
    return int(np.linalg.matrix_rank(scaled, tol=1e-8 * np.sqrt(max(scaled.shape)))) if scaled.size else 0


def group_labels(names: Sequence[str], table: Table) -> list[Any]:
    """Return the label of each row's group; of several factors the labels joined."""
    if len(names) == 1:
        return list(table[names[0]])
    return [":".join(str(table[name][row]) for name in names) for row in range(len(table[names[0]]))]


def group_levels(names: Sequence[str], table: Table, orders: Mapping[str, list[Any]]) -> list[Any]:
    """Return the labels of the groups observed, the first factor the slowest."""
    positions = [[orders[name].index(value) for value in table[name]] for name in names]
    labels = group_labels(names, table)
    return list(dict(sorted(zip(zip(*positions, strict=True), labels, strict=True))).values())


def missing_rows(frame: pd.DataFrame, used: Sequence[str]) -> NDArray[np.bool_]:
    return np.asarray(frame[list(used)].isna().any(axis=1))
