"""Bad and odd calls: each works as one would expect, or is refused with the thing, the reason and the remedy.

None reaches the sampler, and no error of a library underneath comes through: `refused` lets only ours pass.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bayesglmm.errors import BayesGLMMError
from bayesglmm.specify.model import Model, glmm

N = 24
ROW = np.arange(N)
BASE = pd.DataFrame(
    {
        "y": ROW % 5 + 0.25 * (ROW % 3),
        "count": ROW % 4,
        "binary": ROW % 2,
        "x": (ROW * 7 % 11) / 3,
        "z": (ROW * 5 % 7) * 1.0,
        "g": np.repeat(list("abcdef"), 4),
        "k": np.tile(list("uvw"), 8),
        "n": np.full(N, 6),
    }
)
GAPS = np.where(ROW == 3, np.nan, BASE["x"])
INFINITE = np.where(ROW == 3, np.inf, BASE["x"])
DATES = pd.date_range("2020-01-01", periods=N)
MILLION = np.arange(10**6)


@dataclass(frozen=True)
class Call:
    """A call of `glmm`, on the base table with columns changed or renamed."""

    formula: Any = "y ~ x + (1 | g)"
    family: Any = "gaussian"
    data: Any = field(default_factory=lambda: BASE)
    columns: Mapping[str, Any] | None = None
    rename: Mapping[str, str] | None = None
    options: Mapping[str, Any] | None = None

    def __call__(self) -> Model:
        data = self.data.assign(**self.columns) if self.columns else self.data
        data = data.rename(columns=self.rename) if self.rename else data
        return glmm(self.formula, data, self.family, **(self.options or {}))


def refused(*fragments: str) -> Callable[[Call], None]:
    """Expect one of our errors, whose message has the thing, the reason and the remedy."""

    def check(call: Call) -> None:
        with pytest.raises(BayesGLMMError) as caught:
            call().to_pymc()
        message = str(caught.value)
        missing = [fragment for fragment in fragments if fragment not in message]
        assert not missing, message
        assert len(fragments) == 3

    return check


def coefficients(*names: str) -> Callable[[Call], None]:
    """Expect a model, whose graph can be built, with these coefficients after the intercept."""

    def check(call: Call) -> None:
        model = call()
        assert model.design.coef == ("Intercept", *names)
        assert np.isfinite(model.design.x).all()
        assert set(model.to_pymc().named_vars) >= {"beta", "y"}

    return check


def levels(*names: Any) -> Callable[[Call], None]:
    """Expect a model, whose graph can be built, with these groups."""

    def check(call: Call) -> None:
        model = call()
        assert model.design.blocks[0].levels == names
        model.to_pymc()

    return check


def rows(n: int) -> Callable[[Call], None]:
    """Expect a model of so many rows."""

    def check(call: Call) -> None:
        assert call().design.n == n

    return check


DATA = {
    "a missing predictor": (Call("y ~ xx + (1 | g)"), refused("'xx'", "no column", "did you mean 'x'")),
    "a missing response": (Call("w ~ x + (1 | g)"), refused("'w'", "no column", "known: y, count")),
    "a missing group": (Call("y ~ x + (1 | gg)"), refused("'gg'", "no column", "did you mean 'g'")),
    "no rows": (Call(data=BASE.iloc[:0]), refused("the data", "no rows", "check")),
    "no columns": (Call(data=pd.DataFrame()), refused("'y'", "no column", "there are none")),
    "one row": (Call("y ~ 1 + (1 | g)", data=BASE.iloc[:1]), refused("'g'", "single level (a)", "drop the block")),
    "data=None": (Call(data=None), refused("data is", "not NoneType", "a dataframe (pandas, polars")),
    "a path": (Call(data="seizure.csv"), refused("data is", "not str", "a dataframe")),
    "a Path": (Call(data=Path("seizure.csv")), refused("data is", "PosixPath", "a dataframe")),
    "a list": (Call(data=[1, 2]), refused("data is", "not list", "a mapping of columns")),
    "an array": (Call(data=np.eye(3)), refused("data is", "not ndarray", "a mapping of columns")),
    "a series": (Call(data=BASE["x"]), refused("data is", "not Series", "a dataframe")),
    "a grouped frame": (Call(data=BASE.groupby("g")), refused("data is", "GroupBy", "a dataframe")),
    "a lazy frame": (Call(data=pl.from_pandas(BASE).lazy()), refused("data is", "not LazyFrame", "data.collect()")),
    "polars": (Call(data=pl.from_pandas(BASE)), coefficients("x")),
    "arrow": (Call(data=pa.Table.from_pandas(BASE)), coefficients("x")),
    "a mapping of arrays": (Call(data={name: BASE[name].to_numpy() for name in BASE}), coefficients("x")),
    "a mapping of lists": (Call(data=BASE.to_dict("list")), coefficients("x")),
    "a mapping of scalars": (Call(data={"y": 1, "x": 2, "g": 3}), refused("mapping", "cannot be made", "table")),
    "a ragged mapping": (
        Call(data={"y": [1, 2], "x": [1], "g": ["a", "b"]}),
        refused("mapping", "cannot be made into a table", "same length"),
    ),
    "repeated columns": (
        Call(data=pd.concat([BASE, BASE[["x"]]], axis=1)),
        refused("x", "more than once", "rename or drop one"),
    ),
    "repeated columns, arrow": (
        Call(data=pa.table([pa.array([1.0, 2.0])] * 2, names=["x", "x"])),
        refused("'x'", "more than once", "rename one"),
    ),
    "hierarchical columns": (
        Call(data=pd.concat({"a": BASE}, axis=1)),
        refused("column names", "hierarchical", "flatten them"),
    ),
    "numbers for column names": (Call(data=BASE.rename(columns={"z": 0})), coefficients("x")),
    "a million rows of text": (
        Call(
            data=pd.DataFrame(
                {
                    "y": MILLION % 7 * 1.0,
                    "x": MILLION % 11,
                    "g": np.array([f"group {i}" for i in range(500)], dtype=object)[MILLION % 500],
                }
            )
        ),
        rows(10**6),
    ),
    "a million distinct texts as a predictor": (
        Call(
            "y ~ k + (1 | g)",
            data={"y": MILLION[:50_000] % 7, "k": MILLION[:50_000].astype(str), "g": MILLION[:50_000] % 9},
        ),
        refused("'k'", "49,999 columns for 50,000 rows", "grouping factor, (1 | k)"),
    ),
    "more columns than rows": (
        Call("y ~ x*z*k + (1 | g)", data=BASE.iloc[[0, 1, 2, 5, 9]]),
        refused("population-level", "12 columns for 5 rows", "fewer terms or more data"),
    ),
}

VALUES = {
    "a missing value": (Call(columns={"x": GAPS}), refused("'x' 1", "missing values", 'missing="drop"')),
    "a missing value, dropped": (Call(columns={"x": GAPS}, options={"missing": "drop"}), rows(N - 1)),
    "a missing response": (Call(columns={"y": GAPS}), refused("'y' 1", "missing values", 'missing="drop"')),
    "a missing label": (
        Call("y ~ k + (1 | g)", columns={"k": [None, *BASE["k"][1:]]}),
        refused("'k' 1", "missing values", "impute"),
    ),
    "a missing whole number": (
        Call(columns={"x": pd.array([None, *range(1, N)], dtype="Int64")}),
        refused("'x' 1", "missing values", 'missing="drop"'),
    ),
    "all missing": (
        Call(columns={"x": np.nan}, options={"missing": "drop"}),
        refused("'x' 24", "every row has a missing value", "nothing is left"),
    ),
    "missing=ignore": (
        Call(options={"missing": "ignore"}),
        refused("missing='ignore'", "not an option", "error, drop"),
    ),
    "an infinite predictor": (Call(columns={"x": INFINITE}), refused("'x'", "infinite in row 3", "remove or recode")),
    "an infinite response": (Call(columns={"y": INFINITE}), refused("'y'", "infinite in row 3", "remove or recode")),
    "infinite where unused": (Call("y ~ z + (1 | g)", columns={"x": np.inf}), coefficients("z")),
    "an enormous predictor": (Call(columns={"x": BASE["x"] * 1e200}), refused("x", "1e±100", "rescale it")),
    "a minute predictor": (Call(columns={"x": BASE["x"] * 1e-200}), refused("x", "1e±100", "rescale it")),
    "an enormous response": (Call(columns={"y": BASE["y"] * 1e200}), refused("'y'", "beyond 1e100", "rescale it")),
    "a constant predictor": (Call(columns={"x": 1.5}), refused("'x'", "constant (1.5 in every row)", "drop it")),
    "a predictor of one label": (
        Call("y ~ k + (1 | g)", columns={"k": "u"}),
        refused("'k'", "single level", "drop it"),
    ),
    "a constant response": (Call(columns={"y": 2.0}), refused("'y'", "2 in every row", "check the column")),
    "collinear predictors": (
        Call("y ~ x + w + (1 | g)", columns={"w": 2 * BASE["x"]}),
        refused("x, w", "linearly dependent", "drop a term"),
    ),
    "the response as predictor": (Call("y ~ y + (1 | g)"), refused("'y'", "response and a predictor", "remove it")),
    "the response within a predictor": (
        Call("y ~ log(y + 1) + (1 | g)"),
        refused("'log(y + 1)'", "response and a predictor", "remove it"),
    ),
    "the response as group": (
        Call("count ~ x + (1 | count)", "poisson"),
        refused("'count'", "response and a grouping factor", "group by another"),
    ),
    "log of zero": (
        Call("y ~ log(x) + (1 | g)"),
        refused("'log(x)'", "not a finite number in rows 0", "check the domain"),
    ),
    "offset of log zero": (
        Call("count ~ x + offset(log(z)) + (1 | g)", "poisson"),
        refused("'log(z)'", "not a finite number in rows 0", "check the domain"),
    ),
    "offset without its log": (
        Call("count ~ x + offset(n) + (1 | g)", "poisson", columns={"n": 1000 * ROW}),
        refused("offset n", "reaches 23000 on the log scale", "offset(log("),
    ),
    "offset of labels": (Call("count ~ x + offset(k) + (1 | g)", "poisson"), refused("'k'", "labels", "numbers")),
}

TYPES = {
    "true and false": (Call("y ~ h + (1 | g)", columns={"h": ROW % 2 == 1}), coefficients("h[T.True]")),
    "unused levels": (
        Call("y ~ k + (1 | g)", columns={"k": pd.Categorical(BASE["k"], categories=list("wvuxyz"))}),
        coefficients("k[T.v]", "k[T.u]"),
    ),
    "unused levels of a group": (
        Call(columns={"g": pd.Categorical(BASE["g"], categories=list("zfedcba"))}),
        levels(*"fedcba"),
    ),
    "polars categories": (
        Call("y ~ k + (1 | g)", data=pl.from_pandas(BASE).with_columns(pl.col("k").cast(pl.Categorical))),
        coefficients("k[T.v]", "k[T.w]"),
    ),
    "arrow dictionaries": (
        Call("y ~ k + (1 | g)", data=pa.Table.from_pandas(BASE.astype({"k": "category"}))),
        coefficients("k[T.v]", "k[T.w]"),
    ),
    "small floats": (Call(data=BASE.astype({"x": "float32", "y": "float16"})), coefficients("x")),
    "whole numbers with gaps allowed": (Call(data=BASE.astype({"count": "Int64"})), coefficients("x")),
    "decimals": (
        Call("y ~ d + (1 | g)", columns={"d": [Decimal(int(i) % 7) for i in ROW]}),
        refused("'d'", "objects of type Decimal", "convert it to numbers"),
    ),
    "complex numbers": (Call(columns={"x": BASE["x"] + 1j}), refused("'x'", "complex", "convert it")),
    "numbers beyond 2^63": (
        Call(columns={"x": pd.Series([10**30 * int(i) for i in ROW], dtype=object)}),
        refused("'x'", "2^63", "rescale it"),
    ),
    "numbers mixed with text": (Call(columns={"x": [1, "a"] * 12}), refused("'x'", "int, str", "convert it")),
    "lists in cells": (Call(columns={"x": [[1], [2]] * 12}), refused("'x'", "type list", "convert it")),
    "bytes": (Call(columns={"x": [b"a", b"b"] * 12}), refused("'x'", "type bytes", "convert it")),
    "a date": (Call(columns={"x": DATES}), refused("'x'", "dates or times", "days since")),
    "a date with a zone": (Call(columns={"x": DATES.tz_localize("UTC")}), refused("'x'", "dates", "days since")),
    "a duration": (Call(columns={"x": DATES - DATES[0]}), refused("'x'", "dates or times", "make a number")),
    "dates as objects": (
        Call(columns={"x": [datetime.date(2020, 1, 1 + int(i)) for i in ROW]}),
        refused("'x'", "type date", "convert it"),
    ),
    "times of day": (
        Call(data=pl.from_pandas(BASE).with_columns(x=pl.Series([datetime.time(int(i)) for i in ROW]))),
        refused("'x'", "type time", "convert it"),
    ),
    "a date as response": (Call(columns={"y": DATES}), refused("'y'", "dates or times", "make a number")),
    "dates as groups": (
        Call(columns={"g": np.repeat(DATES[:2], 12)}),
        levels("2020-01-01", "2020-01-02"),
    ),
    "text as numbers": (Call("y ~ I(k + 1) + (1 | g)"), refused("'k'", "labels", "numbers")),
}

GROUPS = {
    "one level": (Call(columns={"g": "a"}), refused("'g'", "single level (a)", "drop the block")),
    "a group of fractions": (Call("y ~ z + (1 | x)"), refused("'x'", "fractions", "factor(x)")),
    "a factor of fractions": (Call("y ~ z + (1 | factor(w))", rename={"x": "w"}), coefficients("z")),
    "a group of whole floats": (Call("y ~ x + (1 | z)"), levels(*range(7))),
    "true and false": (Call(columns={"g": ROW % 2 == 1}), levels("False", "True")),
    "an empty label": (Call(columns={"g": BASE["g"].replace("a", "")}), levels("", *"bcdef")),
    "every row a group": (
        Call(columns={"g": ROW}),
        refused("'g'", "a group of its own", "drop the block or group the rows"),
    ),
    "every row a group of counts": (Call("count ~ x + (1 | g)", "poisson", columns={"g": ROW}), levels(*ROW)),
    "1 and '1'": (
        Call(columns={"g": pd.Series([1, "1"] * 12, dtype=object)}),
        refused("'g'", "int, str", "convert it"),
    ),
    "a number for a group": (Call("y ~ x + (1 | 1)"), refused("grouping factor", "not a number", "a column")),
}

NAMES = {
    "a predictor called mu": (Call("y ~ mu + (1 | g)", rename={"x": "mu"}), coefficients("mu")),
    "a group called mu": (Call("y ~ x + (1 | mu)", rename={"g": "mu"}), levels(*"abcdef")),
    "a group called beta": (Call("y ~ x + (1 | beta)", rename={"g": "beta"}), levels(*"abcdef")),
    "a group called sigma": (Call("y ~ x + (1 | sigma)", rename={"g": "sigma"}), levels(*"abcdef")),
    "a group called chain": (Call("y ~ x + (1 | chain)", rename={"g": "chain"}), levels(*"abcdef")),
    "a predictor called b_id": (Call("y ~ b_id + (1 | id)", rename={"x": "b_id", "g": "id"}), coefficients("b_id")),
    "groups called id and b_id": (
        Call("y ~ x + (1 | id) + (1 | b_id)", rename={"g": "id", "k": "b_id"}),
        refused("'b_id'", "to two things", "rename the column"),
    ),
    "groups called id and id_coef": (
        Call("y ~ x + (1 | id) + (1 | id_coef)", rename={"g": "id", "k": "id_coef"}),
        refused("'id_coef'", "to two things", "rename the column"),
    ),
    "a predictor called Intercept": (
        Call("y ~ Intercept + (1 | g)", rename={"x": "Intercept"}),
        refused("'Intercept'", "pass for the intercept", "rename the column"),
    ),
    "a slope called Intercept": (
        Call("y ~ x + (0 + Intercept | g)", rename={"z": "Intercept"}),
        refused("'Intercept'", "pass for the intercept", "rename the column"),
    ),
    "a group called Intercept": (Call("y ~ x + (1 | Intercept)", rename={"g": "Intercept"}), levels(*"abcdef")),
    "letters of other alphabets": (
        Call("größe ~ рост + (1 | 病院)", rename={"y": "größe", "x": "рост", "g": "病院"}),
        coefficients("рост"),
    ),
    "blanks": (Call("y ~ `my x` + (1 | `the g`)", rename={"x": "my x", "g": "the g"}), coefficients("`my x`")),
    "blanks without backticks": (
        Call("y ~ my x + (1 | g)", rename={"x": "my x"}),
        refused("'x'", "an operator is missing", "'+'"),
    ),
    "a bar in a name": (Call("y ~ x + (1 | `a|b`)", rename={"g": "a|b"}), levels(*"abcdef")),
}

FAMILIES = {
    "a misspelt family": (Call(family="gausian"), refused("'gausian'", "not a family", "did you mean 'gaussian'")),
    "a family of another package": (Call(family="nbinom2"), refused("'nbinom2'", "called", "'negative_binomial'")),
    "family=None": (Call(family=None), refused("family", "not NoneType", "known: bernoulli")),
    "a list for a family": (Call(family=["poisson"]), refused("family", "not list", "known: bernoulli")),
    "a class for a family": (Call(family=dict), refused("family", "not type", "known: bernoulli")),
    "a link of another family": (
        Call("count ~ x + (1 | g)", "poisson", options={"link": "logit"}),
        refused("'logit'", "poisson family has no link", "log, sqrt"),
    ),
    "a number for a link": (Call(options={"link": 3}), refused("3", "gaussian family has no link", "identity, log")),
    "4.5 under Poisson": (
        Call("count ~ x + (1 | g)", "poisson", columns={"count": np.where(ROW == 5, 4.5, ROW % 4)}),
        refused("'count'", "whole numbers", "y | rate(exposure); found 4.5 in row 5"),
    ),
    "negative counts": (
        Call("count ~ x + (1 | g)", "negative_binomial", columns={"count": ROW - 1}),
        refused("'count'", "not negative", "drop these rows; found -1 in row 0"),
    ),
    "2 under Bernoulli": (
        Call("count ~ x + (1 | g)", "bernoulli", columns={"count": np.where(ROW == 5, 2, ROW % 2)}),
        refused("'count'", "0 or 1", "recode them"),
    ),
    "a third category": (Call("k ~ x + (1 | g)", "bernoulli"), refused("'k'", "3 categories (u, v, w)", "recode it")),
    "a single category": (
        Call("k ~ x + (1 | g)", "bernoulli", columns={"k": "u"}),
        refused("'k'", "u", "0 and 1"),
    ),
    "two categories": (
        Call("k ~ x + (1 | g)", "bernoulli", columns={"k": np.where(ROW % 2 == 1, "yes", "no")}),
        coefficients("x"),
    ),
    "true and false under gaussian": (
        Call("k ~ x + (1 | g)", columns={"k": ROW % 2 == 1}),
        refused("'k'", "labels (False, True)", 'family="bernoulli"'),
    ),
    "text under Poisson": (Call("k ~ x + (1 | g)", "poisson"), refused("'k'", "needs numbers", "recode it")),
    "more successes than trials": (
        Call("p(count, n) ~ x + (1 | g)", "binomial", columns={"n": 2}),
        refused("'p(count, n)'", "more successes than trials", "p(successes, trials); found 3 of 2"),
    ),
    "no trials in a row": (
        Call("p(binary, n) ~ x + (1 | g)", "binomial", columns={"n": ROW, "binary": 0}),
        refused("'p(binary, n)'", "at least one trial", "drop the rows"),
    ),
    "binomial without trials": (
        Call("binary ~ x + (1 | g)", "binomial"),
        refused("binomial family", "needs the number of trials", "p(binary, trials)"),
    ),
    "trials for another family": (
        Call("p(count, n) ~ x + (1 | g)", "poisson"),
        refused("'p(count, n)'", "has trials", 'family="binomial"'),
    ),
    "the same trials everywhere": (Call("p(count, 6) ~ x + (1 | g)", "binomial"), coefficients("x")),
    "trials of labels": (Call("p(count, k) ~ x + (1 | g)", "binomial"), refused("'k'", "labels", "convert it")),
    "zero under gamma": (Call(family="gamma"), refused("'y'", "above zero", "drop or recode these rows")),
    "one under beta": (
        Call(family="beta", columns={"y": np.where(ROW == 5, 1.0, 0.5)}),
        refused("'y'", "strictly between 0 and 1", "p(successes, trials)"),
    ),
    "nothing but zeros": (Call("count ~ x + (1 | g)", "poisson", columns={"count": 0}), coefficients("x")),
}

FORMULAS = {
    "formula=None": (Call(None), refused("formula", "not NoneType", "'y ~ x + (1 | g)'")),
    "formula and data swapped": (Call(BASE, data="y ~ x"), refused("formula", "not DataFrame", "'y ~ x + (1 | g)'")),
    "an empty formula": (Call(""), refused("formula", "empty", "write response ~")),
    "an unknown function": (Call("y ~ lg(x) + (1 | g)"), refused("lg()", "not a function", "did you mean 'log'")),
    "code": (Call("y ~ __import__('os') + (1 | g)"), refused("__import__", "double underscore", "backticks")),
    "no groups at all": (Call("y ~ x"), coefficients("x")),
    "an intercept alone": (Call("y ~ 1"), coefficients()),
}


def prior(**given: Any) -> Call:
    return Call("y ~ x + (1 + x | g)", options={"priors": given})


PRIORS = {
    "a list": (Call(options={"priors": ["normal(0, 1)"]}), refused("priors", "not list", "'normal(0, 1)'")),
    "an unknown preset": (Call(options={"priors": "bmrs"}), refused("'bmrs'", "not a preset", "did you mean 'brms'")),
    "an unknown coefficient": (prior(w="normal(0, 1)"), refused("w ", "no parameter", "known: intercept, slopes")),
    "an unknown block": (prior(sd={"h": "half_normal(1)"}), refused('sd["h"]', "no parameter", 'sd["g"]')),
    "an unknown column": (
        prior(sd={"g": {"w": "half_normal(1)"}}),
        refused('sd["g"]["w"]', "no parameter", 'sd["g"]["x"]'),
    ),
    "a parameter of another family": (prior(phi="half_normal(1)"), refused("phi", "no parameter", "sigma")),
    "a misspelt distribution": (prior(slopes="norml(0, 1)"), refused("slopes", "not a prior", "did you mean 'normal'")),
    "a misspelt argument": (prior(slopes="normal(0, sgima=1)"), refused("slopes", "'sgima'", "normal(mu, sigma)")),
    "a negative scale": (prior(slopes="normal(0, -1)"), refused("slopes", "above zero", "normal(mu, sigma)")),
    "a scale that is no number": (
        prior(slopes="normal(0, nan)"),
        refused("slopes", "not a finite", "normal(mu, sigma)"),
    ),
    "a number for a prior": (prior(slopes=2.5), refused("slopes", "not float", "'normal(0, 2.5)'")),
    "a normal for an sd": (prior(sd="normal(0, 1)"), refused("sd: normal(0, 1)", "above zero", "half_normal")),
    "a flat sd": (prior(sd="flat"), refused("sd: flat()", "above zero", "half_normal")),
    "a normal for a correlation": (prior(correlation="normal(0, 1)"), refused("correlation", "not suit", "lkj(eta)")),
    "an lkj for a slope": (prior(x="lkj(2)"), refused("x: lkj(2)", "not suit", "normal(0, 2.5)")),
    "flat slopes": (prior(slopes="flat"), coefficients("x")),
}


def flat_prior_alone(call: Call) -> None:
    with pytest.raises(BayesGLMMError, match=r"x has the improper prior flat\(\); give a proper one"):
        call().to_pymc(prior_only=True)


PRIORS["flat slopes and the prior alone"] = (prior(slopes="flat"), flat_prior_alone)

TABLES = {
    "data": DATA,
    "values": VALUES,
    "types": TYPES,
    "groups": GROUPS,
    "names": NAMES,
    "families": FAMILIES,
    "formulas": FORMULAS,
    "priors": PRIORS,
}
CASES = [
    pytest.param(call, check, id=f"{kind}: {name}")
    for kind, table in TABLES.items()
    for name, (call, check) in table.items()
]


@pytest.mark.parametrize(("call", "check"), CASES)
def test_a_bad_or_odd_call_works_or_says_what_is_wrong(call: Call, check: Callable[[Call], None]) -> None:
    check(call)


def test_nothing_given_is_changed() -> None:
    data = BASE.assign(x=GAPS, k=BASE["k"].astype("category"))
    before = data.copy(deep=True)
    glmm("y ~ scale(x) + k + (1 + x | g)", data, missing="drop")
    pd.testing.assert_frame_equal(data, before)
