"""Bambi models read as ours: the text, the priors, the density of Bambi's own graph, and its posterior."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.compile.mode import Mode

from bayesglmm.errors import BayesGLMMError, DataError, FamilyError, FormulaError, OptionError, PriorError
from bayesglmm.specify.bambi_model import from_bambi
from bayesglmm.specify.design import BlockDesign
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import LKJ

pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")  # Bambi on pandas 3
QUICK = Mode("py", "fast_compile")
N = 60


def table() -> pd.DataFrame:
    """Every combination of g and h is observed: Bambi has an effect for those that are not."""
    rng = np.random.default_rng(20261121)
    row = np.arange(N)
    return pd.DataFrame(
        {
            "x": rng.normal(1, 1, N),
            "w": rng.normal(-1, 2, N),
            "s": rng.choice(list("abc"), N),
            "g": row % 5,
            "h": row // 5 % 4,
            "y": rng.normal(size=N),
            "k": rng.integers(0, 5, N),
            "n": 7,
            "b": rng.integers(0, 2, N),
            "e": rng.uniform(1, 2, N),
            "u": rng.uniform(0.1, 0.9, N),
            "yes": rng.choice(["no", "yes"], N),
            "status": "none",
            "a": pd.Categorical(rng.choice(list("abc"), N), categories=list("bca")),
            "o": pd.Categorical(rng.choice(list("abc"), N), categories=list("bca"), ordered=True),
            "t": rng.integers(0, 4, N),
        }
    )


def bambi(formula: Any, family: Any = "gaussian", *, data: pd.DataFrame | None = None, **options: Any) -> bmb.Model:
    return bmb.Model(formula, table() if data is None else data, family=family, **options)


def read(formula: Any, family: Any = "gaussian", *, correlated: bool = False, **options: Any) -> Model:
    return from_bambi(bambi(formula, family, **options), correlated=correlated)


@dataclass(frozen=True)
class Case:
    """A Bambi model, and its formula, family and link here."""

    formula: str
    family: str
    text: str
    named: str
    link: str
    options: dict[str, Any] = field(default_factory=dict)


P = bmb.Prior
CASES = {
    "no group": Case("y ~ x + s*w", "gaussian", "y ~ x + s * w", "gaussian", "identity"),
    "slopes": Case("y ~ x + (1 + x | g)", "gaussian", "y ~ x + (1 + x || g)", "gaussian", "identity"),
    "slope alone": Case("y ~ x + (0 + x | g)", "gaussian", "y ~ x + (0 + x || g)", "gaussian", "identity"),
    "levels": Case("y ~ (s | g)", "gaussian", "y ~ 1 + (s || g)", "gaussian", "identity"),
    "cells": Case("y ~ 0 + s + x + (0 + s | g)", "gaussian", "y ~ 0 + s + x + (0 + s || g)", "gaussian", "identity"),
    "two bars": Case("y ~ (1|g) + (0 + x|g)", "gaussian", "y ~ 1 + (1 | g) + (0 + x || g)", "gaussian", "identity"),
    "crossed": Case("k ~ (1|g) + (x|h)", "poisson", "k ~ 1 + (1 | g) + (x || h)", "poisson", "log"),
    "nested": Case("y ~ x + (1 | g/h)", "gaussian", "y ~ x + (1 | g / h)", "gaussian", "identity"),
    "exposure": Case("k ~ x + offset(log(e)) + (1|g)", "poisson", "k ~ x + offset(log(e)) + (1 | g)", "poisson", "log"),
    "binary": Case("b ~ x + (1|g)", "bernoulli", "b ~ x + (1 | g)", "bernoulli", "logit"),
    "event": Case("yes['yes'] ~ x", "bernoulli", "yes ~ x", "bernoulli", "probit", {"link": "probit"}),
    "trials": Case("p(k, n) ~ x + (1|g)", "binomial", "p(k, n) ~ x + (1 | g)", "binomial", "logit"),
    "proportion": Case("prop(k, n) ~ x", "binomial", "p(k, n) ~ x", "binomial", "cloglog", {"link": "cloglog"}),
    "counts": Case("k ~ x + (x|g)", "negativebinomial", "k ~ x + (x || g)", "negative_binomial", "log"),
    "heavy tails": Case("y ~ x + (1|g)", "t", "y ~ x + (1 | g)", "student", "identity"),
    "inverse": Case(
        "e ~ x", "gamma", "e ~ x", "gamma", "inverse", {"priors": {"Intercept": P("Normal", mu=5, sigma=1)}}
    ),
    "numpy": Case(
        "k ~ np.log(e) + offset(np.log(e + 1)) + (1|g)",
        "poisson",
        "k ~ log(e) + offset(log(e + 1)) + (1 | g)",
        "poisson",
        "log",
    ),
    "scaled by n": Case(
        "y ~ scale(x)*w + (1|g)", "gaussian", "y ~ scale(x, ddof=0) * w + (1 | g)", "gaussian", "identity"
    ),
    "reordered levels": Case(
        "y ~ a*x + (1|g)", "gaussian", 'y ~ C(a, Treatment("a")) * x + (1 | g)', "gaussian", "identity"
    ),
    "positive": Case("e ~ x + (1|g)", "gamma", "e ~ x + (1 | g)", "gamma", "log", {"link": "log"}),
    "skewed": Case("e ~ x + (1|g)", "wald", "e ~ x + (1 | g)", "inverse_gaussian", "log", {"link": "log"}),
    "share": Case("u ~ x + (1|g)", "beta", "u ~ x + (1 | g)", "beta", "logit"),
    "uncentred": Case(
        "y ~ x + (1|g)", "gaussian", "y ~ x + (1 | g)", "gaussian", "identity", {"center_predictors": False}
    ),
    "centred groups": Case(
        "y ~ x + (1|g)", "gaussian", "y ~ x + (1 | g)", "gaussian", "identity", {"noncentered": False}
    ),
    "priors": Case(
        "k ~ x + s + (x|g)",
        "negativebinomial",
        "k ~ x + s + (x || g)",
        "negative_binomial",
        "log",
        {
            "priors": {
                "Intercept": P("StudentT", nu=4, mu=1, sigma=2),
                "s": P("Normal", mu=[1, -1], sigma=[0.5, 2]),
                "1|g": P("Normal", mu=0, sigma=P("HalfCauchy", beta=2)),
                "x|g": P("Normal", mu=0, sigma=P("HalfCauchy", beta=0.5)),
                "alpha": P("Gamma", alpha=2, beta=0.5),
            }
        },
    ),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_case
def test_the_formula_the_family_and_the_link_are_bambis(case: Case) -> None:
    model = read(case.formula, case.family, **case.options)
    assert (str(model.formula), model.family.name, model.family.link.name) == (case.text, case.named, case.link)
    assert not any(block.correlated for block in model.design.blocks)


@every_case
def test_the_density_is_that_of_bambis_graph(case: Case) -> None:
    """At random points of what both graphs sample; Bambi's probit takes √2 in single precision."""
    theirs = bambi(case.formula, case.family, **case.options)
    theirs.build()
    ours = from_bambi(theirs)
    compiled = [
        remove_value_transforms(graph).compile_logp(mode=QUICK) for graph in (ours.to_pymc(), theirs.backend.model)
    ]
    rng = np.random.default_rng(1)
    for _ in range(2):
        here, there = matched_points(ours, theirs, rng)
        assert compiled[0](here) == pytest.approx(
            compiled[1](there) + change_of_variables(theirs, here), rel=1e-10, abs=1e-6
        )


RENAMED = {
    "negative_binomial": {"alpha": "phi"},
    "gamma": {"alpha": "shape"},
    "inverse_gaussian": {"lam": "shape"},
    "beta": {"kappa": "phi"},
}


def matched_points(ours: Model, theirs: bmb.Model, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the same random values under our names and under Bambi's, whose terms are our columns in order."""
    component = theirs.parameters[theirs.family.likelihood.parent]
    here: dict[str, Any] = {}
    there: dict[str, Any] = {}
    if ours.priors.intercept is not None:
        here["intercept"] = there["Intercept"] = np.array(5.0 if ours.family.link.name == "inverse" else rng.random())
    if ours.priors.slopes:
        here["slopes"] = rng.normal(0, 0.1, len(ours.priors.slopes))
        there |= split(here["slopes"], component.common_terms, "{}")
    for name in theirs.marginal_parameters:
        value = np.array(rng.uniform(1, 3))
        here[RENAMED.get(ours.family.name, {}).get(name, name)] = there[name] = value
    for block in ours.design.blocks:
        sd, z = rng.uniform(0.1, 0.5, block.size), rng.normal(size=(len(block.levels), block.size))
        here |= {f"sd_{block.name}": sd, f"z_{block.name}": z}
        own = {name: term for name, term in component.group_specific_terms.items() if claimed(name, block)}
        there |= split(sd, own, "{}_sigma") | split(z, own, "{}_offset") | split(z * sd, own, "{}")
    sampled = {variable.name for variable in theirs.backend.model.free_RVs}
    return here, {name: value for name, value in there.items() if name in sampled}


def claimed(name: str, block: BlockDesign) -> bool:
    """Whether a group term of Bambi is of a block: of its factor, and an intercept or not as its columns are."""
    effect, factor = name.split("|")
    return factor == block.factor and (block.size > 1 or (effect == "1") == (block.columns == ("Intercept",)))


def split(values: Any, terms: dict[str, Any], name: str) -> dict[str, Any]:
    """Cut the last axis into Bambi's terms; a term of one column has no axis of its own."""
    cut, start = {}, 0
    for key, term in terms.items():
        data = np.asarray(getattr(term, "predictor", term.data))
        width = data.shape[1] if data.ndim == 2 else 1
        cut[name.format(key)] = values[..., start : start + width] if data.ndim == 2 else values[..., start]
        start += width
    assert start == values.shape[-1]
    return cut


def change_of_variables(theirs: bmb.Model, here: dict[str, Any]) -> float:
    """Return log |∂b/∂z| where Bambi samples b and we z: Σ log σ over groups."""
    if theirs.noncentered:
        return 0.0
    return sum(
        len(here[f"z_{name[3:]}"]) * np.log(value).sum() for name, value in here.items() if name.startswith("sd_")
    )


IDIOMS = {
    "np.log(e)": "log(e)",
    "np.log10(e) + np.log1p(e)": "log10(e) + log1p(e)",
    "np.exp(-x)": "exp(-x)",
    "np.exp2(x) + exp2(w)": "I(2^x) + I(2^w)",
    "np.sqrt(e) + np.abs(x)": "sqrt(e) + abs(x)",
    "np.square(x) + np.power(w, 3)": "I(x^2) + I(w^3)",
    "np.log(1 + np.exp(x))": "log(1 + exp(x))",
    "{x**2} + {x + w}": "I(x^2) + I(x + w)",
    "I(x**2) + I(x > 0)": "I(x^2) + I(x > 0)",
    "scale(np.log(e))": "scale(log(e), ddof=0)",
    "standardize(x) + center(w)": "scale(x, ddof=0) + center(w)",
    "scale(x):scale(w)": "scale(x, ddof=0):scale(w, ddof=0)",
    "a": 'C(a, Treatment("a"))',
    "a:x + x": 'C(a, Treatment("a")):x + x',
    "0 + a": '0 + C(a, Treatment("a"))',
    "C(a) + o": 'C(a, Treatment("a")) + o',
    "(x + a)**2": '(x + C(a, Treatment("a")))^2',
    "a/x": 'C(a, Treatment("a")) / x',
    "T(a, 'c')": 'C(a, Treatment("c"))',
    "T(s, ref='b')": 'C(s, Treatment("b"))',
    "T(s)": "C(s, Treatment())",
    "C(a, Treatment('b'))": 'C(a, Treatment("b"))',
    "S(s) + C(t)": "C(s, Sum()) + C(t)",
    "C(s, Sum)": "C(s, Sum())",
    "binary(s, 'b')": 'I(s == "b")',
    "binary(t, 2)": "I(t == 2)",
    "B(s)": 'I(s == "a")',
    "poly(x, 2) + poly(w, 2, raw=True)": "poly(x, 2) + poly(w, 2, raw=True)",
    "bs(x, df=5)": "bs(x, df=5)",
    "x + (np.log(e) | g)": "x + (log(e) || g)",
    "x + (scale(x) | g) + (1 | a)": "x + (scale(x, ddof=0) || g) + (1 | a)",
    "x + (a | g)": 'x + (C(a, Treatment("a")) || g)',
    "x + (0 + a | g)": 'x + (0 + C(a, Treatment("a")) || g)',
}


@pytest.mark.parametrize("idiom", IDIOMS)
def test_bambis_idiom_gives_the_same_columns(idiom: str) -> None:
    """Column by column, in whatever order: X, and z with its groups."""
    theirs = bambi(f"y ~ {idiom}")
    theirs.build()
    model = from_bambi(theirs)
    assert str(model.formula) == f"y ~ {IDIOMS[idiom]}"
    component = theirs.parameters["mu"]
    terms = [np.reshape(term.data, (N, -1)) for term in component.common_terms.values()]
    intercept = [np.ones((N, 1))] if component.intercept_term is not None else []
    columns = np.column_stack([*intercept, *terms])
    assert columns.shape == model.design.x.shape
    for column in columns.T:
        assert min(np.abs(model.design.x - column[:, None]).max(axis=0)) < 1e-12 * (1 + np.abs(column).max())
    grouped = [np.reshape(term.predictor, (N, -1)) for term in component.group_specific_terms.values()]
    ours = [block.z for block in model.design.blocks]
    assert sum(z.shape[1] for z in grouped) == sum(z.shape[1] for z in ours)
    for column in np.column_stack(grouped).T if grouped else ():
        assert min(np.abs(np.column_stack(ours) - column[:, None]).max(axis=0)) < 1e-12 * (1 + np.abs(column).max())


@pytest.mark.parametrize(
    ("response", "family", "text"),
    [
        ("np.log(e)", "gaussian", "log(e)"),
        ("{e*2}", "gaussian", "I(e * 2)"),
        ("binary(yes, 'yes')", "bernoulli", 'I(yes == "yes")'),
        ("yes['yes']", "bernoulli", "yes"),
        ("proportion(k, 7)", "binomial", "p(k, 7)"),
        ("prop(k, n)", "binomial", "p(k, n)"),
    ],
)
def test_bambis_responses_are_read(response: str, family: str, text: str) -> None:
    assert str(read(f"{response} ~ x", family).formula) == f"{text} ~ x"


def test_every_prior_goes_to_its_parameter() -> None:
    priors = {
        "x": P("Laplace", mu=0, b=2),
        "s": P("Normal", mu=[1, -1], sigma=[0.5, 2]),
        "x:s": P("Normal", mu=0, tau=4),
        "1|g": P("Normal", mu=0, sigma=P("Exponential", lam=3)),
        "s|g": P("Normal", mu=0, sigma=P("HalfNormal", sigma=[1, 2])),
        "1|h": P("Normal", sigma=P("HalfStudentT", nu=4, sigma=3)),
        "sigma": P("Gamma", mu=2, sigma=1),
    }
    found = read("y ~ x*s + (s|g) + (1|h)", priors=priors, auto_scale=False).priors
    assert found.intercept is not None
    assert [str(a.prior) for a in (found.intercept, *found.slopes)] == [
        *("flat()", "laplace(0, 2)", "normal(1, 0.5)", "normal(-1, 2)", "normal(0, 0.5)", "normal(0, 0.5)")
    ]
    assert [str(a.prior) for a in found.sd["g"]] == ["exponential(3)", "half_normal(1)", "half_normal(2)"]
    assert [str(a.prior) for a in found.sd["h"]] == ["half_student_t(4, 0, 3)"]
    assert str(found.parameters["sigma"].prior) == "gamma(4, 2)"


def test_bambis_intercept_is_that_of_the_centred_design_unless_told() -> None:
    assert read("y ~ x").priors.centred
    assert not read("y ~ x", center_predictors=False).priors.centred


def test_correlated_reads_the_formula_as_it_stands() -> None:
    model = read("y ~ x + (1 + x | g)", correlated=True)
    assert str(model.formula) == "y ~ x + (1 + x | g)"
    assert model.priors.correlation["g"].prior == LKJ(2)


def test_the_data_given_may_be_of_any_kind_and_the_rows_incomplete() -> None:
    data = table()
    data.loc[[3, 7], "x"] = np.nan
    model = from_bambi(bambi("y ~ x + (1|g)", data=data, dropna=True), data.to_dict("list"))
    assert (model.design.n, model.design.columns.dropped) == (N - 2, 2)


FORMS = [
    ("Beta", {"alpha": 2, "beta": 3}),
    ("Beta", {"mu": 0.3, "nu": 5}),
    ("Beta", {"mu": 0.3, "sigma": 0.2}),
    ("Cauchy", {"alpha": 1, "beta": 2}),
    ("Exponential", {"lam": 3}),
    ("Exponential", {"scale": 3}),
    ("Gamma", {"alpha": 2, "beta": 3}),
    ("Gamma", {"mu": 2, "sigma": 3}),
    ("HalfCauchy", {"beta": 2}),
    ("HalfNormal", {}),
    ("HalfNormal", {"sigma": 2}),
    ("HalfNormal", {"tau": 2}),
    ("HalfStudentT", {"nu": 4}),
    ("HalfStudentT", {"nu": 4, "sigma": 2}),
    ("HalfStudentT", {"nu": 4, "lam": 2}),
    ("InverseGamma", {"alpha": 2, "beta": 3}),
    ("InverseGamma", {"mu": 2, "sigma": 3}),
    ("Logistic", {"mu": 1, "s": 2}),
    ("Laplace", {"mu": 1, "b": 2}),
    ("LogNormal", {"sigma": 2}),
    ("LogNormal", {"mu": 1, "tau": 2}),
    ("Normal", {}),
    ("Normal", {"mu": 1}),
    ("Normal", {"mu": 1, "sigma": 2}),
    ("Normal", {"tau": 2}),
    ("StudentT", {"nu": 4}),
    ("StudentT", {"nu": 4, "mu": 1, "sigma": 2}),
    ("StudentT", {"nu": 4, "mu": 1, "lam": 2}),
    ("Uniform", {}),
    ("Uniform", {"lower": -1, "upper": 2}),
]


@pytest.mark.parametrize(("name", "arguments"), FORMS, ids=lambda value: str(value))
def test_a_prior_has_the_density_that_pymc_gives_its_arguments(name: str, arguments: dict[str, float]) -> None:
    (assigned,) = read("y ~ 0 + x", priors={"x": P(name, **arguments)}).priors.slopes
    at = np.array([0.1, 0.5, 0.9])
    ours, theirs = (
        pm.logp(
            getattr(pm, distribution).dist(**{key: np.array(value, dtype=float) for key, value in taken.items()}), at
        )
        for distribution, taken in ((assigned.prior.pymc, assigned.prior.to_pymc()), (name, arguments))
    )
    np.testing.assert_allclose(ours.eval(mode=QUICK), theirs.eval(mode=QUICK), rtol=1e-12)


NOT_READ: dict[str, tuple[Callable[[], Model], type[BayesGLMMError], str]] = {
    "no model of Bambi": (lambda: from_bambi("y ~ x"), OptionError, "not str"),
    "potentials": (lambda: read("y ~ x", potentials=[("x", lambda x: -(x**2))]), OptionError, "pm.Potential"),
    "hsgp": (lambda: read("y ~ hsgp(x, m=5, c=1.5)"), FormulaError, "hsgp"),
    "distributional": (lambda: read(bmb.Formula("y ~ x", "sigma ~ x")), FormulaError, "formula for sigma"),
    "censored": (lambda: read("censored(e, status) ~ x"), FormulaError, "a censored response"),
    "truncated": (lambda: read("truncated(e, 0.5) ~ x", "gamma"), FormulaError, "a truncated response"),
    "constrained": (lambda: read("constrained(e, 0.5, 3) ~ x"), FormulaError, "a constrained response"),
    "weighted": (lambda: read("weighted(y, e) ~ x"), FormulaError, "a weighted response"),
    "numpy": (lambda: read("y ~ np.sin(e)"), FormulaError, "np.sin has no counterpart here; read are np.log"),
    "sums of reordered levels": (lambda: read("y ~ S(a)"), DataError, "sorts the levels of 'a'.*Sum coding"),
    "dropped tokens": (lambda: read("y ~ x w + (1|g)"), FormulaError, "an operator is missing"),
    "another function": (
        lambda: read("y ~ half(x)", extra_namespace={"half": lambda x: x / 2}),
        FormulaError,
        r"half\(\) is not a function of formulas",
    ),
    "another log": (
        lambda: read("y ~ log(e)", extra_namespace={"log": np.log2}),
        DataError,
        r"'log\(e\)' has columns that the same formula does not give",
    ),
    "intercept twice": (lambda: read("y ~ (1|g) + (x|g)"), DataError, "same groups"),
    "other event": (lambda: read("yes ~ x", "bernoulli"), DataError, "probability of yes = 'no'"),
    "family": (lambda: read("y ~ x", "laplace"), FamilyError, "'laplace'"),
    "categorical": (lambda: read("s ~ x", "categorical"), FamilyError, "'categorical'"),
    "link": (lambda: read("k ~ x", "poisson", link="identity"), FamilyError, "identity"),
    "own family": (lambda: read("e ~ x", OWN_FAMILY), FamilyError, "'gamma'"),
    "fixed parameter": (lambda: read("k ~ x", "negativebinomial", priors={"alpha": 2.5}), PriorError, "fixed at 2.5"),
    "unknown prior": (lambda: read("y ~ x", priors={"x": P("SkewNormal", alpha=1)}), PriorError, "'x' is SkewNormal"),
    "half-flat": (lambda: read("y ~ (1|g)", auto_scale=False), PriorError, r"'1\|g_sigma' is HalfFlat"),
    "ignored names": (
        lambda: read("y ~ x", priors={"x": P("Normal", mean=9, sd=1)}),
        PriorError,
        r"takes \(mu, sigma\)",
    ),
    "missing argument": (
        lambda: read("y ~ x", priors={"x": P("StudentT", mu=0)}),
        PriorError,
        r"takes \(nu, mu, sigma",
    ),
    "impossible prior": (lambda: read("y ~ x", priors={"x": P("Normal", sigma=-1)}), PriorError, "'x'.*above zero"),
    "own distribution": (lambda: read("y ~ x", priors={"x": P("Normal", dist=pm.Normal)}), PriorError, "'x'"),
    "effects with a mean": (lambda: read("y ~ (1|g)", priors={"1|g": group(mu=1)}), PriorError, r"mu=0"),
    "uncertain mean": (lambda: read("y ~ (1|g)", priors={"1|g": group(mu=P("Normal"))}), PriorError, r"mu=0"),
    "effects not normal": (lambda: read("y ~ (1|g)", priors={"1|g": group("Laplace", b=1)}), PriorError, r"mu=0"),
    "prior in a prior": (
        lambda: read("y ~ (1|g)", priors={"1|g": P("Normal", sigma=P("HalfNormal", sigma=P("HalfNormal")))}),
        PriorError,
        "are numbers",
    ),
}
OWN_FAMILY = bmb.Family("gamma", bmb.Likelihood("Gamma", params=["mu", "alpha"], parent="mu"), "log")
OWN_FAMILY.set_default_priors({"alpha": P("HalfCauchy", beta=1)})


def group(name: str = "Normal", **arguments: Any) -> bmb.Prior:
    return P(name, sigma=P("HalfNormal", sigma=1), **arguments)


@pytest.mark.parametrize(("reading", "error", "match"), NOT_READ.values(), ids=NOT_READ)
def test_what_cannot_be_read_is_refused(reading: Callable[[], Model], error: type[BayesGLMMError], match: str) -> None:
    with pytest.raises(error, match=match):
        reading()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.assign(x=d.x + 1e-3), "'x' has columns"),
        (lambda d: d.assign(g=np.sort(d.g)), r"'1\|g' has columns"),
        (lambda d: d.assign(g=d.g % 4), r"'1\|g' has columns"),
        (lambda d: d.assign(s=d.s.where(d.index != d.index[d.s == "a"][0], "d")), r"Bambi has not: s\[T.d\]"),
        (lambda d: d.assign(k=d.k + 1), "response 'k'"),
        (lambda d: d.assign(e=d.e * 2), "offset"),
        (lambda d: d.iloc[1:], "60 rows"),
    ],
)
def test_other_data_than_bambis_are_refused(change: Callable[[pd.DataFrame], pd.DataFrame], match: str) -> None:
    model = bambi("k ~ x + s + offset(log(e)) + (1|g)", "poisson")
    with pytest.raises(DataError, match=match):
        from_bambi(model, change(table()))


def test_groups_numbered_otherwise_are_the_same_groups() -> None:
    model = from_bambi(bambi("y ~ x + (1|g)"), table().assign(g=lambda d: 9 - d.g))
    assert model.design.blocks[0].levels == (5, 6, 7, 8, 9)


# -- the posterior ---------------------------------------------------------------------------------

ERRORS = 5.0
"""How many Monte Carlo standard errors two posterior means may be apart."""


def compare_posteriors(formula: str, family: str, data: pd.DataFrame, priors: dict[str, Any], **sampler: int) -> None:
    from bayesglmm.sample.sampling import sample
    from bayesglmm.sample.settings import Sampler

    model = bambi(formula, family, data=data, priors=priors)
    ours = sample(from_bambi(model), Sampler(seed=1, target_accept=0.95, **sampler), progress=False)
    nuts = {"target_accept": 0.95}
    theirs = model.fit(inference_method="nutpie", random_seed=2, progressbar=False, nuts=nuts, **sampler)
    here, there = ours["posterior"].dataset, theirs["posterior"].dataset
    pairs = [(here["beta"].sel(coef=name), there[name]) for name in ("Intercept", "x")]
    pairs += [(here["sd_g"].sel(g_coef=n), there[f"{t}|g_sigma"]) for n, t in (("Intercept", "1"), ("x", "x"))]
    pairs += [(here["b_g"].sel(g_coef=n)[..., 0], there[f"{t}|g"][..., 0]) for n, t in (("Intercept", "1"), ("x", "x"))]
    for mine, other in pairs:
        errors = [float(draws.std() / np.sqrt(az.ess(draws.values, method="mean"))) for draws in (mine, other)]
        assert abs(float(mine.mean() - other.mean())) < ERRORS * np.hypot(*errors)


def grouped(groups: int, each: int, seed: int) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Return x and g of rows in groups, and their linear predictor with independent intercepts and slopes."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(1, 1, groups * each), "g": np.repeat(np.arange(groups), each)})
    b = rng.normal(size=(groups, 2)) * [0.8, 0.5]
    return data, 0.5 - 0.7 * data.x.to_numpy() + b[data.g, 0] + b[data.g, 1] * data.x.to_numpy()


PRIORS = {
    "Intercept": P("Normal", mu=0, sigma=2),
    "x": P("Normal", mu=0, sigma=1),
    "1|g": group(mu=0),
    "x|g": group(mu=0),
}


def test_the_posterior_is_bambis() -> None:
    data, eta = grouped(10, 6, 3)
    data["y"] = eta + np.random.default_rng(4).normal(size=len(eta))
    compare_posteriors("y ~ x + (x | g)", "gaussian", data, PRIORS, draws=500, tune=500, chains=2)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["poisson", "bernoulli", "negativebinomial", "t"])
def test_the_posterior_is_bambis_at_length(family: str) -> None:
    data, eta = grouped(30, 10, 5)
    rng = np.random.default_rng(6)
    outcomes = {
        "poisson": lambda: rng.poisson(np.exp(eta)),
        "bernoulli": lambda: (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(int),
        "negativebinomial": lambda: rng.poisson(np.exp(eta) * rng.gamma(2, 0.5, len(eta))),
        "t": lambda: eta + rng.standard_t(4, len(eta)),
    }
    data["y"] = outcomes[family]()
    compare_posteriors("y ~ x + (x | g)", family, data, PRIORS, draws=4000, tune=2000, chains=4)
