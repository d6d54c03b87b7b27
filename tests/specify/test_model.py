"""A model says what it is, in text and in HTML, and refuses parts that do not fit together."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayesglmm import datasets
from bayesglmm.errors import BayesGLMMError, DataError, PriorError, ResponseError
from bayesglmm.specify.formula import parse
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import HalfNormal

SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"


def seizure() -> Model:
    return glmm(SEIZURE, datasets.load("seizure"), "poisson", priors={"trt": "cauchy(0, 1)", "sd": HalfNormal(1)})


def herds() -> Model:
    return glmm("p(incidence, size) ~ C(period) + (1 | herd)", datasets.load("cbpp"), "binomial", link="cloglog")


def two_blocks() -> Model:
    formula = "count ~ 0 + time + (1 | id) + (1 + time || age)"
    return glmm(formula, datasets.load("seizure"), "negative_binomial", priors="brms")


SAID = {
    seizure: [
        "poisson model, log link",
        "count ~ Poisson(μ)",
        "log μ = offset(log(weeks)) + β[Intercept] + β[trt]·trt + β[time]·time + β[trt:time]·trt:time "
        "+ b_id[Intercept] + b_id[time]·time",
        "b_id ~ Normal(0, G), G = diag(sd_id) Ω diag(sd_id), one for each of 59 levels of id",
        "Intercept (predictors at their means)  ~  normal(1.391, 2.5)  default: Normal(m_y, 2.5·s_y)",
        "trt  ~  cauchy(0, 1)  given as trt",
        "time  ~  normal(0, 6.239)  default: Normal(0, 2.5·s_y/s_x)",
        "sd_id[Intercept]  ~  half_normal(1)  given as sd",
        "sd_id[time]  ~  half_normal(1)  given as sd",
        "corr_id  ~  lkj(2)  default",
        "data: 295 rows, 59 levels of id",
    ],
    herds: [
        "binomial model, cloglog link",
        "p(incidence, size) ~ Binomial(n, μ)",
        "cloglog μ = β[Intercept] + β[C(period)[T.2]]·C(period)[T.2] + ",
        " + b_herd[Intercept]",
        "b_herd ~ Normal(0, sd_herd²), one for each of 15 levels of herd",
        "C(period)[T.2]  ~  normal(0, 5.722)  default: Normal(0, 2.5·s_y/s_x)",
        "sd_herd[Intercept]  ~  half_student_t(3, 0, 2.5)  default: half-t(3, 0, 2.5·s_y)",
        "data: 56 rows, 15 levels of herd",
    ],
    two_blocks: [
        "negative_binomial model, log link",
        "count ~ NegativeBinomial(μ, φ)",
        "log μ = β[time]·time + b_id[Intercept] + b_age[Intercept] + b_age[time]·time",
        "b_id ~ Normal(0, sd_id²), one for each of 59 levels of id",
        "b_age ~ Normal(0, G), G = diag(sd_age²), one for each of 22 levels of age",
        "time  ~  flat()  preset brms: improper",
        "sd_age[time]  ~  half_student_t(3, 0, 2.5)  preset brms",
        "phi  ~  inv_gamma(0.4, 0.3)  preset brms",
        "data: 295 rows, 59 levels of id, 22 levels of age",
    ],
}


@pytest.mark.parametrize(("build", "line"), [(build, line) for build, lines in SAID.items() for line in lines])
def test_text_and_html_state_the_mathematics_and_every_prior(build: Any, line: str) -> None:
    model = build()
    assert line in re.sub(r" {2,}(?=\S)", "  ", str(model))
    html = model._repr_html_()
    for part in re.split(r"  ~  |  (?=default|given|preset)|^data: ", line):
        assert part.replace('"', "&quot;") in html


def test_every_parameter_has_a_line() -> None:
    lines = [line.split("  ~  ")[0].strip() for line in str(two_blocks()).splitlines() if "  ~  " in line]
    assert lines == ["time", "sd_id[Intercept]", "sd_age[Intercept]", "sd_age[time]", "phi"]


def toenail(labels: Any) -> pd.DataFrame:
    data = datasets.load("toenail")
    return data.assign(outcome=pd.Series(labels).take(data["outcome"]).array)


@pytest.mark.parametrize(
    ("labels", "event", "other"),
    [
        (["mild", "severe"], "severe", "mild"),
        ([True, False], "True", "False"),
        (pd.Categorical(["yes", "no"], categories=["yes", "no"]), "no", "yes"),
    ],
)
def test_the_event_of_a_binary_response_is_said(labels: Any, event: str, other: str) -> None:
    model = glmm("outcome ~ month + (1 | id)", toenail(labels), "bernoulli")
    assert model.event == event
    said = f"the event is '{event}' (the other outcome is '{other}')"
    assert said in str(model)
    assert said.replace("'", "&#x27;") in model._repr_html_()
    flips = event != "severe" and event != "no"
    assert model.design.outcome.y.mean() == pytest.approx(abs(flips - datasets.load("toenail")["outcome"].mean()))


def test_a_numeric_response_has_no_event_to_say() -> None:
    model = glmm("outcome ~ month + (1 | id)", datasets.load("toenail"), "bernoulli")
    assert model.event is None
    assert "event" not in str(model)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ([], "data: 180 rows, 18 levels of Subject$"),
        ([3], "data: 179 rows, 18 levels of Subject; 1 row with missing values was dropped$"),
        ([3, 40, 41], "data: 177 rows, 18 levels of Subject; 3 rows with missing values were dropped$"),
    ],
)
def test_dropped_rows_are_counted(gone: list[int], said: str) -> None:
    data = datasets.load("sleepstudy").astype({"Days": float})
    data.loc[gone, "Days"] = np.nan
    assert re.search(said, str(glmm("Reaction ~ Days + (1 | Subject)", data, missing="drop")))


SCRIPT = "<script>alert('x')</script> & \"co\""


@pytest.mark.parametrize("where", ["response", "predictor", "level", "group", "event"])
def test_html_escapes_whatever_comes_from_the_data(where: str) -> None:
    data = pd.DataFrame({"y": np.arange(12) % 2, "x": np.arange(12) % 5, "g": np.arange(12) % 3})
    formula = "y ~ x + (1 | g)"
    if where == "level":
        data["x"] = np.where(data["x"] > 2, SCRIPT, "!")
    elif where == "event":
        data["y"] = np.where(data["y"] == 1, SCRIPT, "A")
    else:
        name = {"response": "y", "predictor": "x", "group": "g"}[where]
        data = data.rename(columns={name: SCRIPT})
        formula = formula.replace(name, f"`{SCRIPT}`")
    html = glmm(formula, data, "bernoulli")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(" in html or "_script_" in html


def test_a_model_shows_itself_at_a_prompt() -> None:
    assert repr(herds()) == str(herds())


def test_a_formula_and_its_text_build_the_same_model() -> None:
    data = datasets.load("seizure")
    assert str(glmm(parse(SEIZURE), data, "poisson")) == str(glmm(SEIZURE, data, "poisson"))


ROWS = pd.DataFrame({"y": np.arange(12.0) % 7, "x": np.arange(12) % 5, "h": np.arange(12), "k": np.arange(12) % 4})


@pytest.mark.parametrize("family", ["gaussian", "student"])
@pytest.mark.parametrize("block", ["(1 | h)", "(1 + x | h)", "(1 | h:k)", "(1 | k/h)"])
def test_one_row_a_group_is_refused_where_the_residual_has_that_variance(family: str, block: str) -> None:
    with pytest.raises(DataError, match=r"every row is a group of its own in '.*h.*'.*residual; drop the block"):
        glmm(f"y ~ x + {block}", ROWS, family)


def test_one_row_a_group_is_overdispersion_in_counts() -> None:
    assert glmm("y ~ x + (1 | h)", ROWS, "poisson").design.blocks[0].levels == tuple(range(12))


@pytest.mark.parametrize(
    ("formula", "family", "changed", "error", "message"),
    [
        ("y ~ x + (1 | k)", "gaussian", {"y": 3.0}, ResponseError, "'y' is 3 in every row: the gaussian .*check"),
        ("y ~ x + (1 | k)", "gaussian", {"y": 1e200 * np.arange(12)}, ResponseError, "beyond 1e100; rescale"),
        ("y ~ x + (1 | y)", "poisson", {}, DataError, "'y' is the response and a grouping factor at once; group by"),
        (
            "y ~ x + offset(h) + (1 | k)",
            "poisson",
            {"h": 1000 * np.arange(12)},
            DataError,
            r"offset h reaches 11000 on the log scale, a factor of e\^11000; .*offset\(log",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    formula: str, family: str, changed: dict[str, Any], error: type[BayesGLMMError], message: str
) -> None:
    with pytest.raises(error, match=message):
        glmm(formula, ROWS.assign(**changed), family)


def test_an_improper_prior_alone_is_no_graph() -> None:
    model = two_blocks()
    with pytest.raises(PriorError, match=r"time has the improper prior flat\(\); give a proper one"):
        model.to_pymc(prior_only=True)
    assert model.to_pymc()["y"].type.ndim == 1
