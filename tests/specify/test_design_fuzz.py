"""Random formulas on random tables against a design made by hand: 20,000 with -m slow, a sample by default."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import design_oracle as oracle
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from design_oracle import Atom, Product, Table, declared_levels, led_by, number, poly, sorted_levels
from numpy.testing import assert_allclose, assert_array_equal

from bayesglmm.errors import BayesGLMMWarning, DataError
from bayesglmm.specify.design import BlockDesign, Design

LABELS = ("b", "a", "Usual care", "é", "zweifach", "x|y", "$5", "it's", "[T.a]", "N/A", "_", "(1)")
H_ORDER = ("w", "v", "u", "q")


@dataclass(frozen=True)
class Case:
    """A formula, its meaning and its data."""

    text: str
    intercept: bool
    terms: list[Product]
    blocks: list[tuple[bool, list[Product], tuple[str, ...], bool]]
    offset: Atom | None
    response: str
    frame: pd.DataFrame
    table: Table
    container: str

    @property
    def data(self) -> Any:
        return contained(self.frame, self.container)


def contained(frame: pd.DataFrame, container: str) -> Any:
    match container:
        case "polars":
            return pl.from_pandas(frame)
        case "arrow":
            return pa.Table.from_pandas(frame, preserve_index=False)
        case "mapping":
            return {name: frame[name].array for name in frame}
        case _:
            return frame


def draw_frame(rng: np.random.Generator) -> pd.DataFrame:
    """Draw a table of every kind of column."""
    n = int(rng.integers(40, 90))
    labels = list(rng.permutation(np.array(LABELS, dtype=object)))
    trials = rng.integers(1, 9, n)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n) * 10.0 ** rng.integers(-3, 4),
            "z": rng.integers(-5, 9, n),
            "w": rng.gamma(2.0, size=n).astype(rng.choice(["float32", "float64"])),
            "t": pd.array(rng.integers(0, 50, n), dtype="Int64"),
            "f": rng.choice(np.array(labels[: rng.integers(2, 5)], dtype=object), n),
            "h": pd.Categorical(rng.choice(list(H_ORDER[: rng.integers(2, 5)]), n), categories=list(H_ORDER)),
            "b": rng.random(n) < 0.5,
            "c": rng.choice([10, 9, 2], n),
            "g": rng.choice(np.array(labels[-int(rng.integers(3, 7)) :], dtype=object), n),
            "k": rng.choice([3, 20, 100, 7], n),
            "s": rng.binomial(trials, 0.4),
            "n": trials,
            "m": rng.integers(0, 9, n),
        }
    )
    if rng.random() < 0.3:
        gaps = rng.choice(n, 3, replace=False)
        frame.loc[gaps[:2], "x"] = np.nan
        frame.loc[gaps[2], "t"] = pd.NA
    return frame


def atoms_of(rng: np.random.Generator, container: str, frame: pd.DataFrame) -> list[Atom]:
    """Draw one meaning for each of some columns."""
    h_levels = sorted_levels("h") if container == "polars" else declared_levels("h", H_ORDER)
    label, level = str(rng.choice(frame["f"].unique())), int(rng.choice(frame["c"].unique()))
    quote = '"' if '"' not in label else "'"
    f, h, c = sorted_levels("f"), h_levels, sorted_levels("c")
    choices: dict[str, list[Atom]] = {
        "x": [
            number("x", lambda x: x, "x"),
            number("I(x^2)", lambda x: x**2, "x"),
            number("center(x)", lambda x: x - x.mean(), "x"),
            number("scale(x)", lambda x: (x - x.mean()) / x.std(ddof=1), "x"),
            number("I(x > 0)", lambda x: (x > 0) * 1.0, "x"),
            number("abs(x)", np.abs, "x"),
            poly("x", False),
            poly("x", True),
        ],
        "z": [
            number("z", lambda z: z, "z"),
            number("I(z / 2 - 1)", lambda z: z / 2 - 1, "z"),
            number("standardize(z)", lambda z: (z - z.mean()) / z.std(ddof=1), "z"),
            number("exp(z / 10)", lambda z: np.exp(z / 10), "z"),
        ],
        "w": [
            number("w", lambda w: w, "w"),
            number("log(w)", np.log, "w"),
            number("sqrt(w)", np.sqrt, "w"),
            number("log1p(w)", np.log1p, "w"),
            number("log10(w + 1)", lambda w: np.log10(w + 1), "w"),
        ],
        "t": [number("t", lambda t: t, "t"), number("I(-t)", lambda t: -t, "t"), number("I(t^0.5)", np.sqrt, "t")],
        "f": [
            Atom("f", ("f",), levels=f, column="f"),
            Atom("C(f)", ("f",), levels=f, column="f"),
            Atom(f"C(f, Treatment({quote}{label}{quote}))", ("f",), levels=led_by(f, label), column="f"),
            Atom(
                f"I(f == {quote}{label}{quote})",
                ("f",),
                lambda table: {
                    f"I(f == {quote}{label}{quote})": np.array([float(value == label) for value in table["f"]])
                },
            ),
        ],
        "h": [Atom("h", ("h",), levels=h, column="h"), Atom("factor(h)", ("h",), levels=h, column="h")],
        "b": [Atom("b", ("b",), levels=lambda table: [False, True], column="b")],
        "c": [
            Atom("C(c)", ("c",), levels=c, column="c"),
            Atom("factor(c)", ("c",), levels=c, column="c"),
            Atom(f"C(c, Treatment({level}))", ("c",), levels=led_by(c, level), column="c"),
            number("c", lambda values: values, "c"),
        ],
    }
    names = rng.permutation(list(choices))[: rng.integers(1, 5)]
    return [choices[name][rng.integers(len(choices[name]))] for name in names]


def draw_side(
    rng: np.random.Generator, atoms: list[Atom], depth: int, named: set[Atom]
) -> tuple[str, bool, list[Product]]:
    """Draw terms with or without an intercept, lower orders first."""
    text, terms = oracle.draw_terms(rng, atoms, depth, named)
    terms = sorted(terms, key=len)
    match rng.integers(4):
        case 0:
            return f"0 + {text}", False, terms
        case 1:
            return f"{text} - 1", False, terms
        case 2:
            return f"1 + {text}", True, terms
        case _:
            return text, True, terms


GROUPS: dict[str, list[tuple[str, ...]]] = {
    "g": [("g",)],
    "k": [("k",)],
    "factor(k)": [("k",)],
    "g:k": [("g", "k")],
    "k/g": [("k",), ("k", "g")],
}


def draw_case(seed: int) -> Case:
    rng = np.random.default_rng([2026, seed])
    frame, container = draw_frame(rng), str(rng.choice(["pandas", "polars", "arrow", "mapping"]))
    atoms = atoms_of(rng, container, frame)
    named: set[Atom] = set()
    written, intercept, terms = draw_side(rng, atoms, 2, named) if rng.random() < 0.93 else ("1", True, [])
    blocks, bars = [], []
    for group in rng.permutation(list(GROUPS))[: rng.choice([0, 1, 1, 2])]:
        if rng.random() < 0.4:
            lhs, with_intercept, lhs_terms = "1", True, []
        else:
            lhs, with_intercept, lhs_terms = draw_side(rng, atoms[:2], int(rng.integers(2)), named)
        correlated = bool(rng.random() < 0.7)
        bars.append(f"({lhs} {'|' if correlated else '||'} {group})")
        blocks += [(with_intercept, lhs_terms, names, correlated) for names in GROUPS[group]]
    offset = number("log(w)", np.log, "w") if rng.random() < 0.3 else None
    response = str(rng.choice(["y", "I(2 * y + 1)", "p(s, n)", "cbind(s, m)"]))
    parts = [written, *([f"offset({offset.text})"] if offset else []), *bars]
    gaps = [name for name in ("x", "t") if any(name in atom.bases for atom in named)]
    complete = frame[~oracle.missing_rows(frame, gaps)]
    table = {name: complete[name].tolist() for name in complete}
    text = f"{response} ~ {' + '.join(parts)}"
    return Case(text, intercept, terms, blocks, offset, response, frame, table, container)


# -- the comparison ------------------------------------------------------------------------------


def check_columns(names: Sequence[str], matrix: Any, intercept: bool, terms: list[Product], table: Table) -> None:
    """Compare columns with products made by hand under their names, and their span with that of all levels."""
    allowed = {"Intercept": np.ones(len(matrix))} if intercept else {}
    for term in terms:
        allowed |= oracle.candidates(term, table)
    assert len(set(names)) == len(names)
    for name, column in zip(names, matrix.T, strict=True):
        assert_allclose(column, allowed[name], rtol=1e-9, atol=1e-9 * max(1e-300, np.abs(allowed[name]).max()))
    assert len(names) == oracle.dimension(intercept, terms, table)
    whole = oracle.everything(intercept, terms, table)
    assert oracle.rank(whole) == oracle.rank(np.hstack([matrix, whole])) == len(names)
    if intercept:
        assert names[0] == "Intercept"
        for term in terms:
            if len(term) == 1 and term[0].levels is not None:
                expected = [f"{term[0].text}[T.{level}]" for level in term[0].levels(table)[1:]]
                assert [name for name in names if name in expected] == expected


def check_block(block: BlockDesign, meant: tuple[bool, list[Product], tuple[str, ...], bool], case: Case) -> None:
    with_intercept, lhs, names, correlated = meant
    check_columns(block.columns, block.z, with_intercept, lhs, case.table)
    orders = {"g": sorted(set(case.table["g"])), "k": sorted(set(case.table["k"]))}
    assert list(block.levels) == oracle.group_levels(names, case.table, orders)
    assert [block.levels[code] for code in block.index] == oracle.group_labels(names, case.table)
    assert block.correlated == (correlated and block.size > 1)


def check_refusal(error: DataError, case: Case) -> None:
    """See that what was refused cannot be told apart: by the ranks, or as two blocks of the same groups."""
    sides = [(case.intercept, case.terms), *((one, lhs) for one, lhs, _, _ in case.blocks)]
    deficient = [
        oracle.rank(oracle.everything(*side, case.table)) < oracle.dimension(*side, case.table) for side in sides
    ]
    too_many = "columns for" in str(error)
    partitions = [oracle.group_labels(names, case.table) for _, _, names, _ in case.blocks]
    same = any(
        len(set(a)) == len(set(b)) == len(set(zip(a, b, strict=True)))
        for j, a in enumerate(partitions)
        for b in partitions[:j]
    )
    assert any(deficient) or too_many or (same and "same groups" in str(error)), f"{case.text}: {error}"


def compare(seed: int) -> bool:
    """Compare one design with that made by hand; return whether it was built."""
    case = draw_case(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BayesGLMMWarning)
            design = Design.build(case.text, case.data, missing="drop")
    except DataError as error:
        check_refusal(error, case)
        return False
    check_columns(design.coef, design.x, case.intercept, case.terms, case.table)
    for block, meant in zip(design.blocks, case.blocks, strict=True):
        check_block(block, meant, case)
    offset = np.zeros(design.n) if case.offset is None else oracle.as_array(case.table, "w")
    assert_allclose(design.offset, offset if case.offset is None else np.log(offset), rtol=1e-12)
    assert design.outcome is not None
    values = {name: oracle.as_array(case.table, name) for name in ("y", "s", "n", "m")}
    plain = case.response == "y"
    y = values["y"] if plain else 2 * values["y"] + 1 if case.response.startswith("I") else values["s"]
    assert_allclose(design.outcome.y, y, rtol=1e-13)
    if case.response[0] in "pc":
        assert_array_equal(design.outcome.trials, values["n"] if case.response[0] == "p" else values["s"] + values["m"])
    check_new_rows(design, case, seed)
    return True


def check_new_rows(design: Design, case: Case, seed: int) -> None:
    """Rows picked from the same data, in another container, have the columns and groups they had."""
    rng = np.random.default_rng([2027, seed])
    picked = rng.choice(design.n, 7)
    rows = case.frame.iloc[design.columns.rows[picked]].reset_index(drop=True)
    fresh = design.on(contained(rows, str(rng.choice(["pandas", "polars", "arrow", "mapping"]))))
    assert_allclose(
        fresh.x, design.x[picked], rtol=1e-10, atol=1e-10 * (np.abs(design.x).max() if design.x.size else 1)
    )
    for new, old in zip(fresh.blocks, design.blocks, strict=True):
        assert_allclose(new.z, old.z[picked], rtol=1e-10, atol=1e-10 * np.abs(old.z).max())
        assert_array_equal(new.index, old.index[picked])
    assert_allclose(fresh.offset, design.offset[picked])


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_designs_are_those_made_by_hand(start: int) -> None:
    built = [compare(seed) for seed in range(start, start + 20)]
    assert sum(built) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 20_000, 500))
def test_many_designs_are_those_made_by_hand(start: int) -> None:
    built = [compare(seed) for seed in range(start, start + 500)]
    assert sum(built) >= 300


def test_the_oracle_tells_a_wrong_column() -> None:
    """A label, a product or an index that is off by one row does not pass."""
    case = next(case for case in map(draw_case, range(200)) if case.blocks and len(case.terms) > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BayesGLMMWarning)
        design = Design.build(case.text, case.data, missing="drop")
    with pytest.raises(AssertionError):
        check_columns(design.coef, np.roll(design.x, 1, axis=0), case.intercept, case.terms, case.table)
    with pytest.raises(AssertionError):
        check_columns(design.coef[:-1], design.x[:, :-1], case.intercept, case.terms, case.table)
    block = replace(design.blocks[0], index=np.roll(design.blocks[0].index, 1))
    with pytest.raises(AssertionError):
        check_block(block, case.blocks[0], case)
