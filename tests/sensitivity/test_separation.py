"""Separation: known data, the definition in exact rational arithmetic, and what a fit says of it."""

import json
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.integrate import quad
from scipy.stats import t as student

import bayesglmm as bg
from bayesglmm.errors import BayesGLMMWarning, OptionError
from bayesglmm.sensitivity.separation import feasibility, programme, separation
from bayesglmm.sensitivity.separation import recession as stage
from bayesglmm.sensitivity.separation.cells import merge
from bayesglmm.sensitivity.separation.fitted import kept_finite, unbounded
from bayesglmm.sensitivity.separation.recession import recession

SEX2 = Path(__file__).parents[3] / "shared" / "data" / "sex2.csv"
CULCITA = "predation ~ C(ttt) + (1 | block)"
TREATMENTS = ["C(ttt)[T.2]", "C(ttt)[T.3]", "C(ttt)[T.4]"]


def culcita_without_row_20():
    return bg.datasets.load("culcita").drop(index=19)


def estimates(table):
    return dict(table["estimate"])


# Known data


def test_endometrial_is_quasi_separated_in_neovascularisation():
    """Heinze & Schemper (2002), section 4: no low-grade case has NV = 1 (13 cases); its estimate is infinite."""
    found = bg.check_separation("HG ~ NV + PI + EH", bg.datasets.load("endometrial"))
    expected = {"Intercept": "finite", "NV": "+inf", "PI": "finite", "EH": "finite"}
    assert estimates(found.given_x) == estimates(found.given_groups) == expected
    assert (found.separated, found.kind, found.complete) == (True, "quasi-complete", False)
    assert found.cells.values.tolist() == [["X", "NV = 1", 13, "all 1", 13]]
    data = bg.datasets.load("endometrial")
    assert_array_equal(found.rows.index, np.flatnonzero(data["NV"] == 1))


@pytest.mark.skipif(not SEX2.exists(), reason="the data may not be shipped")
def test_urinary_tract_infection_is_quasi_separated_in_the_diaphragm():
    """Heinze & Schemper (2002), section 5; logistf's sex2: the seven women who used one are all cases."""
    found = bg.check_separation("case ~ age + oc + vic + vicl + vis + dia", pd.read_csv(SEX2))
    assert found.infinite == {"dia": "+inf"}
    assert (found.given_x["estimate"] == "finite").sum() == 6
    assert found.cells.values.tolist() == [["X", "dia = 1", 7, "all 1", 7]]


def test_culcita_is_separated_given_the_blocks_once_row_20_is_gone():
    """McKeon et al. (2012): X is clean with and without the row; [X Z] is separated in every treatment without it."""
    whole, less = (
        bg.check_separation(CULCITA, data) for data in (bg.datasets.load("culcita"), culcita_without_row_20())
    )
    for found in (whole, less):
        assert (found.given_x["estimate"] == "finite").all()
        assert found.kind == "none"
    assert not whole.separated
    assert estimates(whole.given_groups) == {"Intercept": "not identified", **dict.fromkeys(TREATMENTS, "finite")}
    assert less.separated
    assert less.kind_given_groups == "quasi-complete"
    assert estimates(less.given_groups) == {"Intercept": "not identified", **dict.fromkeys(TREATMENTS, "-inf")}
    assert list(whole.groups.index) == [("block", 7), ("block", 8), ("block", 9)]
    assert list(less.groups.index) == [("block", 7), ("block", 8), ("block", 9), ("block", 10)]
    assert list(less.groups["outcome"]) == ["all 1"] * 4
    assert not less.rows["given_x"].any()
    assert not set(less.rows.index) & set(np.flatnonzero(culcita_without_row_20()["block"] >= 7))


def test_crossover_is_separated_given_the_patients():
    """Jones & Kenward (1989), Table 3.1: of the patients on placebo first, six change from 0 to 1 and none back.

    With trt and period alone, their sum goes to infinity and, the other sequence changing both ways, each with
    it; with trt × period the sum of all three does, and none of the three is identified within patients.
    """
    data = bg.datasets.load("crossover")
    main = bg.check_separation("outcome ~ trt + period + (1 | id)", data)
    assert main.kind == "none"
    assert main.infinite_given_groups == {"trt": "+inf", "period": "+inf"}
    full = bg.check_separation("outcome ~ trt*period + (1 | id)", data)
    assert full.kind == "none"
    assert full.separated
    assert (full.given_x["estimate"] == "finite").all()
    assert (full.given_groups["estimate"] == "not identified").all()
    assert "none of which is identified alone" in full.message
    for found in (main, full):
        changed = data.groupby("id")["outcome"].transform("nunique") == 2
        assert_array_equal(found.rows.index, np.flatnonzero(changed & (data["sequence"] == 1)))
        assert found.groups["outcome"].value_counts().to_dict() == {"all 0": 40, "all 1": 15}


def test_a_cell_says_how_many_of_its_rows_are_informative_given_the_groups():
    """28 of the 34 outcomes under placebo in the first period are failures; 6 of them are of patients who changed."""
    data = bg.datasets.load("crossover")
    found = bg.check_separation("outcome ~ trt*period + (1 | id)", data)
    changed = data.groupby("id")["outcome"].transform("nunique") == 2
    for (trt, period), outcome, text in (((0, 0), 0, "all 0"), ((1, 1), 1, "all 1")):
        cell = (data["trt"] == trt) & (data["period"] == period)
        informative = data["outcome"][cell & changed]
        assert (informative == outcome).all()
        assert data["outcome"][cell].nunique() == 2
        row = ["groups", f"trt = {trt}, period = {period}", len(informative), text, int(cell.sum())]
        assert row in found.cells.values.tolist()
        said = f"{row[1]} ({len(informative)} of its {cell.sum()} rows are informative given the groups: {text})"
        assert said in str(found)


def test_given_the_groups_what_is_constant_within_them_is_not_identified_and_no_separation():
    found = bg.check_separation("outcome ~ month*treatment + (1 | id)", bg.datasets.load("toenail"))
    assert not found.separated
    assert list(found.given_groups["estimate"]) == ["not identified", "finite", "not identified", "finite"]
    assert found.groups["outcome"].value_counts().to_dict() == {"all 0": 163, "all 1": 16}


# Small tables whose answer is seen by eye

X = np.arange(1, 7)

SEEN = {
    "complete": (X > 3, {"Intercept": "-inf", "x": "+inf"}, "complete"),
    "complete, the threshold on either side of 0": (X - 3.5 > 0, {"Intercept": "±inf", "x": "+inf"}, "complete"),
    "quasi-complete, tied at the threshold": (np.array([0, 0, 0, 0, 1, 1]), {"Intercept": "-inf", "x": "+inf"}, ""),
    "overlap": (np.array([0, 1, 0, 1, 0, 1]), {"Intercept": "finite", "x": "finite"}, "none"),
}


@pytest.mark.parametrize("case", SEEN)
def test_one_predictor(case):
    y, expected, kind = SEEN[case]
    x = X - 3.5 if "either" in case else np.array([1, 2, 3, 4, 4, 5]) if "tied" in case else X
    found = bg.check_separation("y ~ x", {"x": x, "y": y.astype(int)})
    assert estimates(found.given_x) == expected
    assert found.kind == (kind or "quasi-complete")


def test_outcomes_of_one_kind_are_complete_separation():
    found = bg.check_separation("y ~ 1 + (1 | g)", {"y": [1, 1, 1, 1], "g": [1, 1, 2, 2]})
    assert estimates(found.given_x) == {"Intercept": "+inf"}
    assert found.complete
    assert estimates(found.given_groups) == {"Intercept": "not identified"}
    assert found.kind_given_groups == "none"


def test_cells_are_named_by_the_fewest_predictors():
    data = pd.DataFrame(
        [(a, b, y) for a in "uv" for b in "pqr" for y in (0, 1) for _ in range(2)], columns=["a", "b", "y"]
    )
    data.loc[(data["a"] == "v") & (data["b"] == "q"), "y"] = 0
    found = bg.check_separation("y ~ a*b", data)
    assert found.infinite == {"a[T.v]:b[T.q]": "-inf"}
    assert found.cells.values.tolist() == [["X", "a = v, b = q", 4, "all 0", 4]]


def test_a_label_of_the_outcome_names_what_is_predicted():
    data = pd.DataFrame({"x": ["n", "n", "n", "y", "y"], "y": ["sick", "well", "sick", "well", "well"]})
    found = bg.check_separation("y ~ x", data)
    assert found.infinite == {"x[T.y]": "+inf"}
    assert found.cells.values.tolist() == [["X", "x = y", 2, "all well", 2]]


# Counts and trials


def test_trials_say_what_their_single_outcomes_say():
    rng = np.random.default_rng(3)
    for _ in range(8):
        table = pd.DataFrame({"x": rng.integers(0, 3, 6), "z": rng.integers(0, 3, 6), "g": [1, 1, 2, 2, 3, 3]})
        table["n"] = rng.integers(1, 4, 6)
        table["y"] = np.minimum(rng.integers(0, 4, 6), table["n"])
        single = table.loc[table.index.repeat(table["n"])].reset_index()
        single["one"] = (single.groupby("index").cumcount() < single["y"]).astype(int)
        try:
            trials = bg.check_separation("p(y, n) ~ x + z + (1 | g)", table, "binomial")
        except bg.BayesGLMMError:  # a column that is constant or depends on the other
            continue
        ones = bg.check_separation("one ~ x + z + (1 | g)", single)
        pd.testing.assert_frame_equal(trials.given_x, ones.given_x)
        pd.testing.assert_frame_equal(trials.given_groups, ones.given_groups)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "negative_binomial1"])
def test_a_cell_of_zero_counts_goes_to_minus_infinity(family):
    data = {"y": [0, 0, 0, 3, 1, 0, 2, 5], "a": list("uuuvvwww"), "g": [1, 2, 1, 2, 1, 2, 1, 2]}
    found = bg.check_separation("y ~ a + (1 | g)", data, family)
    assert estimates(found.given_x) == {"Intercept": "-inf", "a[T.v]": "+inf", "a[T.w]": "+inf"}
    assert estimates(found.given_groups) == {"Intercept": "not identified", "a[T.v]": "+inf", "a[T.w]": "+inf"}
    assert found.cells.values.tolist() == [["X", "a = u", 3, "all 0", 3], ["groups", "a = u", 3, "all 0", 3]]


def test_a_positive_count_bounds_on_both_sides():
    """The same table with 0 and 1 for none and some is separated; counts are not, since more is not always likelier."""
    data = {"y": [0, 0, 0, 3, 1, 2], "x": [0, 1, 0, 1, 1, 1], "b": [0, 0, 0, 1, 1, 1]}
    assert bg.check_separation("b ~ x", data).infinite == {"Intercept": "-inf", "x": "+inf"}
    assert bg.check_separation("y ~ x", data, "poisson").infinite == {"Intercept": "-inf", "x": "+inf"}
    data["y"][2] = 1
    assert not bg.check_separation("y ~ x", data, "poisson").separated


@pytest.mark.parametrize(("family", "link"), [("gaussian", None), ("gamma", None), ("poisson", "sqrt")])
def test_a_family_without_separation_is_refused(family, link):
    with pytest.raises(OptionError, match=family):
        bg.check_separation("y ~ x", {"y": [1, 2, 3], "x": [1, 2, 2]}, family, link=link)


# The definition, in exact arithmetic


def feasible(rows: list[list[int]], least: list[int]) -> bool:
    """Whether some real v has rows · v ≥ least, by the simplex method in fractions with Bland's rule."""
    m = len(rows)
    body = []
    for i, (row, right) in enumerate(zip(rows, least, strict=True)):
        entries = [*row, *(-a for a in row), *(-int(i == j) for j in range(m)), *(int(i == j) for j in range(m)), right]
        body.append([Fraction(entry) for entry in entries])
    basis = [len(body[0]) - 1 - m + i for i in range(m)]
    cost = [sum((line[j] for line in body), Fraction(0)) for j in range(len(body[0]))]
    cost[-1 - m : -1] = [Fraction(0)] * m
    while cost[-1] > 0:
        enter = next((j for j in range(len(cost) - 1 - m) if cost[j] > 0), None)
        if enter is None:
            return False
        ratios = [(line[-1] / line[enter], basis[i], i) for i, line in enumerate(body) if line[enter] > 0]
        _, _, out = min(ratios)
        pivot = body[out][enter]
        body[out] = [entry / pivot for entry in body[out]]
        for i in range(m):
            if i != out and body[i][enter]:
                body[i] = [a - body[i][enter] * b for a, b in zip(body[i], body[out], strict=True)]
        cost = [a - cost[enter] * b for a, b in zip(cost, body[out], strict=True)]
        basis[out] = enter
    return True


def cone(x: list[list[int]], z: list[list[int]], y: list[int]) -> list[list[int]]:
    """The rows turned so that a direction of recession has none below 0; an outcome of 2 stands for 0 and 1 at once."""
    signed = [(s, [*a, *b]) for a, b, c in zip(x, z, y, strict=True) for s in ((1, -1) if c == 2 else (2 * c - 1,))]
    return [[s * entry for entry in row] for s, row in signed]


def defined(x, z, y) -> tuple[list[str], list[bool]]:
    """Each coefficient's estimate, and whether each row is strict, by definition and one feasibility problem each."""
    p, q = len(x[0]), len(z[0])
    rows = cone(x, z, y)
    twice = [[*row, *[0] * q] for row in rows] + [[*(-e for e in row[:p]), *[0] * q, *row[p:]] for row in rows]
    unit = [[int(j == k) for j in range(p + q)] for k in range(p)]
    found = []
    for k in range(p):
        if feasible([*twice, [*unit[k], *[0] * q]], [*[0] * len(twice), 1]):
            found.append("not identified" if q else "impossible")
            continue
        up, down = (feasible([*rows, [s * e for e in unit[k]]], [*[0] * len(rows), 1]) for s in (1, -1))
        found.append({(True, True): "±inf", (True, False): "+inf", (False, True): "-inf"}.get((up, down), "finite"))
    strict = []
    for a, b, c in zip(x, z, y, strict=True):
        goal = [(2 * c - 1) * e for e in (*a, *b)]
        alone = [row[p:] for row in rows]
        joint = c != 2 and feasible([*rows, goal], [*[0] * len(rows), 1])
        strict.append(joint and not (q and feasible([*alone, goal[p:]], [*[0] * len(rows), 1])))
    return found, strict


class Block:
    """What `merge` reads of a block."""

    def __init__(self, factor: str, index: list[int], z: list[list[int]]):
        self.factor, self.index, self.z = factor, np.array(index), np.array(z, dtype=float)
        self.levels = range(max(index) + 1)


def dummies(index: list[int], z: list[list[int]]) -> list[list[int]]:
    m = max(index) + 1
    return [[int(g == i) * e for i in range(m) for e in row] for g, row in zip(index, z, strict=True)]


def ours(x, blocks, y) -> tuple[list[str], list[bool]]:
    """What is found by the programme alone, which must be what is found where feasibility is asked first."""
    sides = np.array(y) == 1, np.array(y) == 0
    cells = merge(np.array(x, dtype=float), blocks, *sides)
    found = recession(cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programme, "_WIDE", 0)
        asked = recession(cells)
    assert asked.estimates == found.estimates
    assert_array_equal(asked.strict, found.strict)
    return list(found.estimates), found.strict[cells.cell].tolist()


@st.composite
def designs(draw, n=7, p=2, values=(-1, 0, 1, 2)):
    x = draw(st.lists(st.tuples(*[st.sampled_from(values)] * p), min_size=n, max_size=n))
    x = [[1, *row] for row in x]
    assume(np.linalg.matrix_rank(x) == p + 1)
    y = draw(st.lists(st.sampled_from([0, 1, 0, 1, 0, 1, 2]), min_size=n, max_size=n))
    return x, y


@settings(max_examples=25, deadline=None)
@given(designs())
def test_given_x_is_the_definition(design):
    x, y = design
    assert ours(x, (), y) == defined(x, [[] for _ in x], y)


@settings(max_examples=25, deadline=None)
@given(designs(n=7), st.lists(st.integers(0, 2), min_size=7, max_size=7), st.booleans())
def test_given_the_groups_is_the_definition(design, index, slope):
    """An intercept a group, or one and the slope of a column of x: what each group separates alone says nothing."""
    x, y = design
    index = np.unique(index, return_inverse=True)[1].tolist()
    z = [[1, row[1]] if slope else [1] for row in x]
    assert ours(x, [Block("g", index, z)], y) == defined(x, dummies(index, z), y)


@settings(max_examples=10, deadline=None)
@given(designs(n=7, p=1), *[st.lists(st.integers(0, 2), min_size=7, max_size=7)] * 2)
def test_given_crossed_groups_is_the_definition(design, first, second):
    x, y = design
    blocks = [
        Block(name, np.unique(i, return_inverse=True)[1].tolist(), [[1]] * 7)
        for name, i in (("g", first), ("h", second))
    ]
    z = [[*a, *b] for a, b in zip(*(dummies(b.index.tolist(), [[1]] * 7) for b in blocks), strict=True)]
    assert ours(x, blocks, y) == defined(x, z, y)


@settings(max_examples=30, deadline=None)
@given(st.data(), designs(n=8), st.sampled_from(["X", "intercepts", "slopes", "crossed"]))
def test_separated_outcomes_are_as_the_definition_has_them(data, design, groups):
    """Outcomes by the sign of a linear predictor, drawn where it is 0: separated, completely where it never is."""
    x = design[0]
    kinds = {"X": [], "intercepts": [[[1]] * 8], "slopes": [[[1, row[1]] for row in x]], "crossed": [[[1]] * 8] * 2}
    whole = st.integers(-2, 2)
    index = [data.draw(st.lists(st.integers(0, 2), min_size=8, max_size=8)) for _ in kinds[groups]]
    index = [np.unique(i, return_inverse=True)[1].tolist() for i in index]
    z = [[e for row in rows for e in row] for rows in zip(*map(dummies, index, kinds[groups]), strict=True)]
    z = z or [[] for _ in x]
    columns = np.hstack([np.array(x), np.array(z, dtype=int).reshape(8, -1)])
    slopes = data.draw(st.lists(whole, min_size=columns.shape[1], max_size=columns.shape[1]))
    y = [int(eta > 0) if eta else drawn for eta, drawn in zip(columns @ np.array(slopes), design[1], strict=False)]
    blocks = [Block(name, i, block) for name, i, block in zip("gh", index, kinds[groups], strict=False)]
    assert ours(x, blocks, y) == defined(x, z, y)


FLIP = {"+inf": "-inf", "-inf": "+inf"}


@settings(max_examples=10, deadline=None)
@given(designs(n=7, values=(0, 1)), st.lists(st.integers(0, 2), min_size=7, max_size=7), st.randoms())
def test_order_copies_scales_and_names_of_the_outcomes_change_nothing(design, index, random):
    x, y = np.array(design[0], dtype=float), np.array(design[1])
    index = np.unique(index, return_inverse=True)[1]

    def found(rows, *, scale=(1.0, 1.0, 1.0), flip=False):
        outcome = np.array([1, 0, 2])[y] if flip else y
        block = Block("g", index[rows].tolist(), [[1.0]] * len(rows))
        return [ours((x * scale)[rows], blocks, outcome[rows])[0] for blocks in ((), [block])]

    rows = list(range(7))
    plain = found(rows)
    assert found(random.sample(rows, 7)) == plain
    assert found(rows + random.choices(rows, k=5)) == plain
    assert found(rows, scale=(1.0, 1e6, 1e-5)) == plain
    turned = [[FLIP.get(label, label) for label in labels] for labels in plain]
    assert found(rows, flip=True) == turned
    assert found(rows, scale=(-1.0, -1.0, -1.0)) == turned


# Large data


def simulated(separated):
    rng = np.random.default_rng(11)
    n, m = 1500, 150
    g, x, t = rng.integers(0, m, n), rng.normal(size=n), rng.integers(0, 2, n)
    b = rng.normal(size=m)
    y = rng.random(n) < 1 / (1 + np.exp(-(x + t + b[g])))
    y = {"no": y, "cell": y | (t == 1), "within": x + t + b[g] > 0}[separated]
    return {"y": y.astype(int), "x": x, "t": t, "g": g, "h": rng.integers(0, 12, n)}


FORMULAS = [
    "y ~ t + x + (1 | g)",
    "y ~ t + x + (1 + t | g)",
    "y ~ t + x + (1 + x | g)",
    "y ~ t + x + (1 | g) + (1 | h)",
]


@pytest.mark.parametrize("separated", ["no", "cell", "within"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_looking_at_some_groups_first_changes_nothing(monkeypatch, formula, separated):
    model = bg.glmm(formula, simulated(separated), "bernoulli")
    whole = separation(model)
    assert whole.separated == (separated != "no")
    monkeypatch.setattr(stage, "_FIRST", 100)
    monkeypatch.setattr(programme, "_SAMPLE", 50)
    assert separation(model).to_json() == whole.to_json()
    monkeypatch.setattr(programme, "_WIDE", 0)
    assert separation(model).to_json() == whole.to_json()


BALANCED = [[1, 0], [-1, 0]], [[1, 0], [-1, 0], [1, 1]]


def test_a_direction_called_infeasible_wrongly_changes_no_estimate(monkeypatch):
    """One value of x is a million times the others, and so are the directions: the programme has the last word."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(programme, "direction_with_entry", lambda *_: None)
    data = {"x": rng.normal(size=120), "t": rng.integers(0, 2, 120), "g": np.arange(120) % 12}
    data["y"] = (data["x"] - 0.7 * data["t"] > -0.3).astype(int)
    data["x"][0] = 1e6 if data["y"][0] else -1e6
    plain = bg.check_separation(FORMULAS[0] + " + (0 + t | g)", data).to_json()
    monkeypatch.setattr(programme, "_WIDE", 0)
    assert bg.check_separation(FORMULAS[0] + " + (0 + t | g)", data).to_json() == plain


def test_an_answer_of_feasibility_proves_itself(monkeypatch):
    """Rows as columns: all can rise, none can, some can; and a solver that returns no direction is not believed."""
    none = sp.csc_matrix((2, 0))
    every, no, some = (sp.csc_matrix(np.array(rows, dtype=float).T) for rows in ([[1, 0], [1, -1]], *BALANCED))
    assert (every.T @ feasibility.strict_direction(every) >= 0.5).all()
    assert feasibility.balancing_weights(every, none) is None
    assert feasibility.strict_direction(no) is None
    assert_array_equal(no @ feasibility.balancing_weights(no, none), 0)
    assert feasibility.strict_direction(some) is None
    assert feasibility.balancing_weights(some, none) is None
    assert [feasibility.direction_with_entry(some, none, 0, sign) for sign in (1, -1)] == [None, None]
    assert (some.T @ feasibility.direction_with_entry(some, none, 1, 1) >= 0).all()
    assert feasibility.direction_with_entry(some, none, 1, -1) is None
    assert feasibility.direction_with_entry(every, sp.csc_matrix([[0.0], [1.0]]), 1, 1) is None
    monkeypatch.setattr(feasibility, "_solve", lambda size, **_: np.full(size, -1.0))
    assert feasibility.strict_direction(every) is None
    assert feasibility.balancing_weights(every, none) is None
    assert feasibility.direction_with_entry(every, none, 0, 1) is None


def test_where_there_is_no_separation_the_programme_never_sees_all_rows(monkeypatch):
    """What makes large data quick: a part of the groups that leaves no direction settles it for all."""
    sizes = []
    solve = stage.strict_rows
    monkeypatch.setattr(stage, "strict_rows", lambda cone: sizes.append(len(cone.up)) or solve(cone))
    monkeypatch.setattr(stage, "_FIRST", 200)
    assert not bg.check_separation(FORMULAS[0], simulated("no")).separated
    assert max(sizes) < 300


def test_too_many_rows_for_the_programme_are_said_to_be_unchecked(monkeypatch):
    monkeypatch.setattr(stage, "_MOST", 100)
    found = bg.check_separation(FORMULAS[1], simulated("within"))
    assert (found.given_groups["estimate"] == "not checked").all()
    assert not found.separated
    assert found.unchecked
    assert "not checked" in found.message
    assert "check_separation" in str(found)


# What is shown and kept


def test_the_display_says_it_in_words_and_a_table():
    found = bg.check_separation(CULCITA, culcita_without_row_20())
    text = str(found)
    assert repr(found) == text
    assert "given X: none" in text
    assert "given the groups of block: quasi-complete" in text
    assert "C(ttt)[T.2], C(ttt)[T.3], C(ttt)[T.4] to minus infinity" in text
    assert "4 of 10 levels of block are all 1" in text
    html = found._repr_html_()
    assert "<table" in html
    assert "-inf" in html
    assert "<b>" not in bg.check_separation("y ~ a", {"y": [0, 1, 1], "a": ["<b>", "<b>", "z"]})._repr_html_()


def test_text_gives_the_same_back():
    for formula, data in ((CULCITA, culcita_without_row_20()), ("HG ~ NV + PI + EH", bg.datasets.load("endometrial"))):
        found = bg.check_separation(formula, data)
        again = bg.Separation.from_json(found.to_json())
        for name in ("given_x", "given_groups", "groups", "rows", "cells"):
            pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name))
        assert str(again) == str(found)
    record = json.loads(found.to_json())
    record["cells"] = [cell[:4] for cell in record["cells"]]  # as written before cells had the number of all their rows
    assert bg.Separation.from_json(json.dumps(record)).cells.empty


def fitted(formula, data, family="bernoulli", **options):
    return bg.fit(formula, data, family, draws=300, chains=2, seed=4, progress=False, **options)


@pytest.fixture(scope="session")
def separated_fit():
    return fitted("HG ~ NV + PI + EH", bg.datasets.load("endometrial"))


def test_a_fit_says_it_as_information_and_keeps_it(separated_fit, tmp_path):
    (said,) = (finding for finding in separated_fit.check().findings if finding.kind == "separation")
    assert not said.failure
    assert said.parameters == ("beta[NV]",)
    assert said.advice.startswith("only the priors keep these coefficients finite: NV ~ normal(0, ")
    assert said not in separated_fit.check().failures
    assert said.message not in separated_fit.check().verdict
    assert str(said) in str(separated_fit.check())
    assert "NV to plus infinity" in str(separated_fit)
    loaded = bg.load(separated_fit.save(tmp_path / "fit"))
    assert loaded.draws.attrs["separation"] == separated_fit.separation().to_json()
    assert str(loaded.separation()) == str(separated_fit.separation())


def test_where_a_combination_is_infinite_all_priors_that_it_meets_are_named():
    """In the crossover trial none of the three coefficients is identified within patients, so each prior has a say."""
    model = bg.glmm("outcome ~ trt*period + (1 | id)", bg.datasets.load("crossover"), "bernoulli")
    said = kept_finite(model, separation(model))
    assert said.startswith("the priors concerned: trt ~ normal(0, 4.981), period ~ ")
    assert "trt:period ~ " in said
    assert "sd_id[Intercept] ~ half_student_t(3, 0, 2.5)" in said
    assert "alone" not in said


def test_the_report_says_it(separated_fit, tmp_path):
    from bayesglmm.faces.report import write_report

    text = write_report(separated_fit, {}, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Separation</h2>" in text
    assert text.count("NV to plus infinity") == text.count("no finite maximum likelihood estimate") == 1
    assert "<tr><td>NV</td><td>+∞</td></tr>" in text
    assert "<tr><td>PI</td><td>finite</td></tr>" in text
    assert "<li>predicted without error given X: 13 rows: NV = 1 (13 rows, all 1)</li>" in text


def test_a_fit_without_separation_says_nothing(seizure_fit):
    assert seizure_fit.separation() is not None
    assert not seizure_fit.separation().separated
    assert all(finding.kind != "separation" for finding in seizure_fit.check().findings)


@pytest.mark.parametrize("preset", ["default", "rstanarm", "brms"])
def test_estimates_are_finite_under_every_preset(preset):
    """Under brms' flat slopes only the t prior of the centred intercept holds NV: said in a warning."""
    cases = {CULCITA: culcita_without_row_20(), "HG ~ NV + PI + EH": bg.datasets.load("endometrial")}
    for formula, data in cases.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = fitted(formula, data, priors=preset)
        assert np.abs(fit.summary()["mean"]).max() < 1e3
        warned = [str(entry.message) for entry in caught if issubclass(entry.category, BayesGLMMWarning)]
        assert len(warned) == (preset == "brms" and formula.startswith("HG"))
        assert all("the prior of NV is flat" in text and "improper" in text for text in warned)


COMPLETE = {"x": [0, 0, 0, 0, 1, 1, 1, 1], "y": [0, 0, 0, 0, 1, 1, 1, 1], "g": [0, 0, 1, 1, 2, 2, 3, 3]}


def exact_means(prior_sd):
    """E(β) of y ~ x on the table above by a grid: intercept at x = 1/2 ~ N(0, 2.5), slope ~ N(0, prior_sd)."""
    a, slope = np.linspace(-15, 15, 601)[:, None], np.linspace(-30, 40, 1401)
    log = -4 * np.logaddexp(0, a - slope / 2) - 4 * np.logaddexp(0, -(a + slope / 2))
    weight = np.exp(log - (a / 2.5) ** 2 / 2 - (slope / prior_sd) ** 2 / 2)
    weight /= weight.sum()
    return {"beta[Intercept]": ((a - slope / 2) * weight).sum(), "beta[x]": (slope * weight).sum()}


@pytest.mark.parametrize("preset", ["default", "rstanarm"])
@pytest.mark.parametrize("groups", ["", " + (1 | g)"])
def test_under_complete_separation_proper_presets_give_finite_estimates(preset, groups):
    fit = bg.fit(f"y ~ x{groups}", COMPLETE, "bernoulli", priors=preset, seed=4, draws=2000, progress=False)
    assert fit.separation().complete
    assert all(np.isfinite(values).all() for values in fit.posterior.data_vars.values())
    table = fit.summary()
    exact = exact_means(fit.model.priors.slopes[0].prior.numbers()[1])
    assert exact["beta[x]"] > 6
    for name, mean in exact.items():
        line = table.loc[name]
        within = 4 * line["sd"] / np.sqrt(line["ess_bulk"]) if not groups else line["sd"]
        assert abs(line["mean"] - mean) < within
    effect = fit.comparisons("x").table.iloc[0]
    assert -1 < effect["lower"] < 0.5 < effect["mean"] < effect["upper"] < 1


@pytest.mark.parametrize("groups", ["", " + (1 | g)"])
def test_under_complete_separation_the_flat_preset_is_called_improper_and_fails_its_checks(groups):
    """No number is promised there: the warning comes before sampling, and the draws do not agree on one."""
    with pytest.warns(BayesGLMMWarning, match="the posterior is improper: .* the prior of x is flat"):
        fit = fitted(f"y ~ x{groups}", COMPLETE, priors="brms")
    assert "SAMPLING FAILED" in str(fit)
    assert all(np.isfinite(values).all() for values in fit.posterior.data_vars.values())


# Flat priors


class Stopped(Exception):
    pass


def stop(*_, **__):
    raise Stopped


IMPROPER = {"x": [0, 1, 2, 3, 4, 5], "y": [0, 0, 0, 1, 1, 1]}
HELD = {"x": [0, 0, 0, 0, 0, 1], "y": [0, 1, 0, 1, 0, 1]}


def slope_density(data, slope):
    """The marginal posterior of a slope with a flat prior at a value, the centred intercept being t(3, 0, 2.5)."""
    x, y = np.array(data["x"]) - np.mean(data["x"]), np.array(data["y"])
    turned = 2 * y - 1

    def joint(intercept):
        return np.exp(-np.logaddexp(0, -turned * (intercept + slope * x)).sum()) * student.pdf(intercept, 3, 0, 2.5)

    edges = sorted({-slope * value for value in x})
    return quad(joint, edges[0] - 50, edges[-1] + 50, points=edges, limit=500)[0]


@pytest.mark.parametrize(("data", "improper"), [(IMPROPER, True), (HELD, False)], ids=["improper", "held"])
def test_improper_is_where_the_density_of_the_slope_does_not_fall(data, improper):
    priors = {"preset": "brms", "intercept": "student_t(3, 0, 2.5)"}
    model = bg.glmm("y ~ x", data, "bernoulli", priors=priors)
    ratio = slope_density(data, 400.0) / slope_density(data, 100.0)
    assert (unbounded(model) == ("x",)) == improper
    assert ratio > 0.9 if improper else ratio < 0.1


@pytest.mark.parametrize(("data", "improper"), [(IMPROPER, True), (HELD, False)], ids=["improper", "held"])
def test_a_flat_prior_that_meets_separation_warns_before_sampling(monkeypatch, data, improper):
    monkeypatch.setattr("bayesglmm.fitting.sample", stop)
    said = "the posterior is improper: .* the prior of x is flat" if improper else "the prior of x is flat: only"
    with pytest.warns(BayesGLMMWarning, match=said), pytest.raises(Stopped):
        fitted("y ~ x", data, priors="brms")


def test_a_flat_intercept_that_is_separated_is_named():
    model = bg.glmm("y ~ 0 + a", {"y": [1, 1, 0, 1], "a": list("uuvv")}, "bernoulli", priors={"slopes": "flat"})
    assert unbounded(model) == ("a[u]",)
    model = bg.glmm("y ~ 1", {"y": [1, 1, 1]}, "bernoulli", priors={"intercept": "flat"})
    assert unbounded(model) == ("Intercept",)
