"""Priors: one row a distribution against scipy; who gets which prior; presets by hand on the seizure data."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from by_hand import PRIOR_ROWS, PriorRow
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bayesglmm import datasets
from bayesglmm.errors import PriorError
from bayesglmm.specify import priors
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import DISTRIBUTIONS, LKJ, Flat, HalfNormal, HalfStudentT, Normal, parse_prior
from bayesglmm.specify.priors.numeric import draw, log_density

SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"
DATA = datasets.load("seizure")


every_prior = pytest.mark.parametrize("row", PRIOR_ROWS.values(), ids=PRIOR_ROWS)
every_known = pytest.mark.parametrize(
    "row", [row for row in PRIOR_ROWS.values() if row.distribution], ids=lambda row: row.prior.text
)


def assigned(given: Any = None, formula: str = SEIZURE, data: Any = DATA, family: str = "poisson") -> Model:
    return glmm(formula, data, family, priors=given)


@every_known
def test_numpy_form_is_that_of_scipy(row: PriorRow) -> None:
    x = np.array([0.01, 0.3, 0.9, 1.7, 12.0, -0.4, -30.0])
    np.testing.assert_allclose(log_density(row.prior, x), row.known.logpdf(x), rtol=1e-12)
    drawn = draw(row.prior, np.random.default_rng(11), 5000)
    assert stats.kstest(drawn, row.known.cdf).pvalue > 1e-4


def test_numpy_form_at_an_end_is_the_limit_and_flat_has_no_draws() -> None:
    assert log_density(HalfNormal(2), 0.0) == pytest.approx(stats.halfnorm(scale=2).logpdf(0))
    assert np.exp(log_density(priors.Gamma(2, 1), 0.0)) == pytest.approx(0)
    assert np.exp(log_density(priors.InvGamma(2, 1), 0.0)) == 0
    assert log_density(Flat(), 3.0) == 0
    for prior in (Flat(), LKJ(2)):
        with pytest.raises(PriorError, match="cannot be drawn from"):
            draw(prior, np.random.default_rng(1), 3)


def test_every_prior_has_a_row() -> None:
    for name in set(DISTRIBUTIONS) ^ set(PRIOR_ROWS):
        pytest.fail(
            f"PRIOR_ROWS of tests/by_hand.py and bayesglmm/specify/priors/distributions/ differ in '{name}': write the "
            f"row PriorRow('{name}(…)', distribution), with numbers and scipy's distribution of them, see "
            "docs/extending.md"
        )
    assert {prior.__name__ for prior in DISTRIBUTIONS.values()} <= set(dir(priors))


@every_prior
def test_text_and_object_are_the_same_prior(row: PriorRow) -> None:
    prior = row.prior
    assert str(prior) == row.text
    assert parse_prior(str(prior)) == prior
    assert getattr(priors, type(prior).__name__)(*prior.numbers()) == prior
    named = ", ".join(f"{name}={value!r}" for name, value in zip(prior.arguments(), prior.numbers(), strict=True))
    assert parse_prior(f" {prior.text} ( {named} ) ") == prior


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
)
def test_every_number_survives_the_text(mu: float, sigma: float) -> None:
    prior = Normal(mu, sigma)
    assert parse_prior(str(prior)) == prior


@every_known
def test_pymc_density_is_scipys(row: PriorRow) -> None:
    with pm.Model():
        distribution = row.prior.in_pymc("v", row.prior.to_pymc())
    for x in row.known.ppf([0.1, 0.4, 0.9]):
        logp = pm.logp(distribution, np.float64(x)).eval(mode="FAST_COMPILE")
        expected = row.known.logpdf(x)
        np.testing.assert_allclose(logp, expected, rtol=1e-8)  # PyMC has log 2 in single precision
    lower = row.known.support()[0]
    assert lower == row.prior.bounds[0]
    if np.isfinite(lower):
        assert pm.logp(distribution, np.float64(lower - 0.1)).eval(mode="FAST_COMPILE") == -np.inf


def test_flat_is_the_only_improper_prior() -> None:
    assert [row.prior.text for row in PRIOR_ROWS.values() if not row.prior.proper] == ["flat"]
    assert pm.logp(pm.Flat.dist(**Flat().to_pymc()), np.float64(1e6)).eval(mode="FAST_COMPILE") == 0


@every_prior
def test_a_prior_suits_a_parameter_if_its_mass_lies_where_the_parameter_may_be(row: PriorRow) -> None:
    on_the_line, positive = row.prior.text != "lkj", row.distribution is not None and row.known.support()[0] >= 0
    for key, fits in (("trt", on_the_line), ("sd", positive), ("correlation", not on_the_line)):
        if fits:
            assert row.text in str(assigned({key: row.prior}))
        else:
            with pytest.raises(PriorError, match=r"does not suit it; .*give"):
                assigned({key: row.prior})


@pytest.mark.parametrize(("prior", "fits"), [("uniform(0, 9)", True), ("uniform(-1, 9)", False)])
def test_a_uniform_suits_a_standard_deviation_if_its_bounds_do(prior: str, fits: bool) -> None:
    assert parse_prior(prior).suits("positive") is fits


RESOLUTION = {
    "default": (None, "normal(0, 4.998)", "half_student_t(3, 0, 6.239)"),
    "class": ({"slopes": "normal(0, 1)", "sd": "half_normal(1)"}, "normal(0, 1)", "half_normal(1)"),
    "name and block": (
        {"trt": "normal(0, 2)", "slopes": "normal(0, 1)", "sd": "half_normal(1)", 'sd["id"]': "half_normal(2)"},
        "normal(0, 2)",
        "half_normal(2)",
    ),
    "column": (
        {'sd["id"]["time"]': "half_normal(3)", 'sd["id"]': "half_normal(2)", "sd": "half_normal(1)"},
        "normal(0, 4.998)",
        "half_normal(3)",
    ),
    "without quotes": ({"coef[trt]": "flat", "sd[id][time]": "half_normal(3)"}, "flat()", "half_normal(3)"),
    "nested": (
        {"coef": {"trt": Normal(0, 4)}, "sd": {"id": {"time": HalfNormal(4)}}},
        "normal(0, 4)",
        "half_normal(4)",
    ),
    "paths": ({("coef", "trt"): "flat", ("sd", "id", "time"): "half_normal(5)"}, "flat()", "half_normal(5)"),
    "over a preset": ({"preset": "brms", "trt": "cauchy(0, 1)"}, "cauchy(0, 1)", "half_student_t(3, 0, 2.5)"),
}


@pytest.mark.parametrize(("said", "trt", "sd_time"), RESOLUTION.values(), ids=RESOLUTION)
def test_the_most_specific_prior_wins(said: Any, trt: str, sd_time: str) -> None:
    model = assigned(said)
    assert str(model.priors.slopes[0].prior) == trt
    assert str(model.priors.sd["id"][1].prior) == sd_time


@pytest.mark.parametrize(("said", "trt", "sd_time"), RESOLUTION.values(), ids=RESOLUTION)
def test_what_was_given_builds_the_same_priors_again(said: Any, trt: str, sd_time: str) -> None:
    first = assigned(said).priors
    again = assigned({"preset": first.preset, **first.specified}).priors
    assert again == first


def test_blocks_on_one_factor_are_addressed_together_or_by_name() -> None:
    formula = "count ~ time + (1 | id) + (0 + time | id)"
    both = assigned({'sd["id"]': "half_normal(1)"}, formula).priors.sd
    assert [str(block[0].prior) for block in both.values()] == ["half_normal(1)"] * 2
    second = assigned({'sd["id_2"]': "half_normal(2)", 'sd["id"]["Intercept"]': "half_normal(3)"}, formula).priors.sd
    assert [str(block[0].prior) for block in second.values()] == ["half_normal(3)", "half_normal(2)"]


@pytest.mark.parametrize("name", ["phi", "sd", "slopes"])
def test_a_coefficient_named_like_a_parameter_is_addressed_as_a_coefficient(name: str) -> None:
    data = DATA.rename(columns={"trt": name})
    formula = f"count ~ {name} + (1 | id)"
    given = {f'coef["{name}"]': "cauchy(0, 3)", "phi": "half_normal(7)"}
    found = assigned(given, formula, data, "negative_binomial").priors
    assert str(found.slopes[0].prior) == "cauchy(0, 3)"
    assert str(found.parameters["phi"].prior) == "half_normal(7)"


def test_the_intercept_is_centred_unless_it_is_named_as_a_coefficient() -> None:
    for said, centred in ((None, True), ({"intercept": "normal(1, 2)"}, True), ({"Intercept": "normal(1, 2)"}, False)):
        model = assigned(said)
        assert model.priors.centred is centred
        assert ("predictors at their means" in str(model)) is centred


def values(column: str) -> np.ndarray:
    return DATA[column].to_numpy(dtype=float)


def brms_by_hand() -> tuple[float, float]:
    """Return location and scale of brms' intercept: student_t(3, m, s) on log(y), zeros at 0.1."""
    y = np.log(np.where(values("count") == 0, 0.1, values("count")))
    s = max(2.5, round(1.4826 * np.median(np.abs(y - np.median(y))), 1))
    return round(np.median(y), 1) - np.mean(np.log(values("weeks"))), s


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def test_default_priors_on_the_seizure_data() -> None:
    found = assigned(family="negative_binomial").priors
    columns = {"trt": values("trt"), "time": values("time"), "trt:time": values("trt") * values("time")}
    assert found.intercept.prior == Normal(rounded(np.log(values("count").sum() / values("weeks").sum())), 2.5)
    assert [a.prior for a in found.slopes] == [Normal(0, rounded(2.5 / x.std(ddof=1))) for x in columns.values()]
    assert [a.prior for a in found.sd["id"]] == [
        HalfStudentT(3, 0, 2.5),
        HalfStudentT(3, 0, rounded(2.5 / values("time").std(ddof=1))),
    ]
    assert found.correlation["id"].prior == LKJ(2)
    assert str(found.parameters["phi"].prior) == "lognormal(1.4, 2.5)"
    assert found.proper


def test_brms_priors_on_the_seizure_data() -> None:
    found = assigned("brms", family="negative_binomial").priors
    m, s = brms_by_hand()
    assert found.intercept.prior == priors.StudentT(3, rounded(m), s)
    assert [a.prior for a in found.slopes] == [Flat()] * 3
    assert [a.prior for a in found.sd["id"]] == [HalfStudentT(3, 0, s)] * 2
    assert found.correlation["id"].prior == LKJ(1)
    assert str(found.parameters["phi"].prior) == "inv_gamma(0.4, 0.3)"
    assert found.improper == (0, 1, 2)
    assert not found.proper


def test_rstanarm_priors_on_the_seizure_data() -> None:
    found = assigned("rstanarm", family="negative_binomial").priors
    assert found.intercept.prior == Normal(0, 2.5)
    assert found.slopes[1].prior == Normal(0, rounded(2.5 / values("time").std(ddof=1)))
    assert [a.prior for a in found.sd["id"]] == [priors.Exponential(1)] * 2
    assert found.parameters["phi"].prior == priors.Exponential(1)


GAUSSIAN = {
    None: ("normal({m}, {wide})", "normal(0, {slope})", "half_student_t(3, 0, {wide})"),
    "brms": ("student_t(3, {median}, {mad})", "flat()", "half_student_t(3, 0, {mad})"),
    "rstanarm": ("normal({m}, {wide})", "normal(0, {slope})", "exponential({rate})"),
}


@pytest.mark.parametrize("preset", GAUSSIAN)
def test_gaussian_priors_on_the_sleep_data(preset: str | None) -> None:
    data = datasets.load("sleepstudy")
    y, x = data["Reaction"], data["Days"]
    numbers = {
        "m": y.mean(),
        "wide": 2.5 * y.std(),
        "slope": 2.5 * y.std() / x.std(),
        "median": round(y.median(), 1),
        "mad": round(1.4826 * (y - y.median()).abs().median(), 1),
        "rate": 1 / y.std(),
    }
    numbers = {name: f"{value:.4g}" for name, value in numbers.items()}
    found = assigned(preset, "Reaction ~ Days + (1 | Subject)", data, "gaussian").priors
    shown = (found.intercept, found.slopes[0], found.parameters["sigma"])
    assert [str(a.prior) for a in shown] == [form.format(**numbers) for form in GAUSSIAN[preset]]


@pytest.mark.parametrize("factor", [1000.0, 1e-6, 7.3])
def test_rescaling_a_predictor_rescales_its_priors_and_no_other(factor: float) -> None:
    before, after = assigned().priors, assigned(data=DATA.assign(time=DATA["time"] * factor)).priors
    for old, new in ((before.slopes[1], after.slopes[1]), (before.sd["id"][1], after.sd["id"][1])):
        assert new.prior.sigma * factor == pytest.approx(old.prior.sigma, rel=1e-3)  # to four figures
    assert (after.intercept, after.slopes[0], after.sd["id"][0]) == (
        before.intercept,
        before.slopes[0],
        before.sd["id"][0],
    )


def test_brms_gives_degrees_of_freedom_from_1_on() -> None:
    """brms: `real<lower=1> nu` under `gamma_lpdf(nu | 2, 0.1) - gamma_lccdf(1 | 2, 0.1)`."""
    data = datasets.load("sleepstudy")
    found = assigned("brms", "Reaction ~ Days + (1 | Subject)", data, "student").priors.parameters["nu"]
    assert str(found.prior) == "truncated_gamma(2, 0.1, 1)"
    assert found.prior.bounds == (1, np.inf)


@pytest.mark.parametrize("name", ["gaussian", "student"])
def test_rescaling_the_response_rescales_every_default(name: str) -> None:
    data = datasets.load("sleepstudy")
    formula = "Reaction ~ Days + (1 + Days | Subject)"

    def widths(scaled: pd.DataFrame) -> list[float]:
        found = assigned(None, formula, scaled, name).priors
        every = [found.intercept, *found.slopes, *found.sd["Subject"], found.parameters["sigma"]]
        return [a.prior.sigma for a in every]

    ten = widths(data.assign(Reaction=data["Reaction"] * 10))
    assert ten == pytest.approx([10 * width for width in widths(data)], rel=1e-12)


@pytest.mark.parametrize(
    "column", [np.zeros(59), np.full(59, 1e6), np.arange(59.0)], ids=["all zero", "large", "a range"]
)
@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "negative_binomial1", "gaussian"])
@pytest.mark.parametrize("preset", [None, "brms", "rstanarm"])
def test_defaults_are_finite_for_any_outcome(column: np.ndarray, family: str, preset: str | None) -> None:
    data = pd.DataFrame({"y": column + (np.arange(59) == 3), "x": np.arange(59) % 5, "g": np.arange(59) % 7})
    assert assigned(preset, "y ~ x + (1 | g)", data, family).priors.intercept is not None


REFUSED = {
    "unknown name": ({"trd": "normal(0, 1)"}, r"trd is no parameter.*did you mean 'trt'.*known: intercept, slopes, sd"),
    "printed name": ({"sd_id[time]": "half_normal(1)"}, r"did you mean 'sd\[\"id\"\]\[\"time\"\]'"),
    "unknown block": ({'sd["di"]': "half_normal(1)"}, r"sd\[\"di\"\] is no parameter.*did you mean 'sd\[\"id\"\]'"),
    "unknown column": (
        {'sd["id"]["tim"]': "half_normal(1)"},
        r"did you mean.*known: sd\[\"id\"\]\[\"Intercept\"\], sd\[\"id\"\]\[\"time\"\]$",
    ),
    "too deep": ({'sd["id"]["time"]["x"]': "half_normal(1)"}, "is no parameter of this model"),
    "a block for correlation": ({'correlation["g"]': "lkj(1)"}, r"known: correlation\[\"id\"\]$"),
    "nested class": ({"intercept": {"time": "normal(0, 1)"}}, "is no parameter of this model"),
    "a parameter of another family": ({"sigma": "half_normal(1)"}, "sigma is no parameter of this model"),
    "two for one": ({"trt": "flat", 'coef["trt"]': "flat"}, "^trt is given two priors; keep one"),
    "unknown distribution": ({"slopes": "norml(0, 1)"}, "slopes: 'norml' is not a prior; did you mean 'normal'"),
    "another case": ({"slopes": "Normal(0, 1)"}, "did you mean 'normal'"),
    "misspelt argument": ({"slopes": "normal(0, sgima=1)"}, r"no argument 'sgima'; the form is normal\(mu, sigma\)"),
    "missing argument": ({"slopes": "normal(0)"}, r"lacks sigma; the form is normal\(mu, sigma\)"),
    "no argument": ({"slopes": "normal"}, "lacks mu, sigma"),
    "too many": ({"slopes": "normal(0, 1, 2)"}, "2 arguments, not more"),
    "twice": ({"slopes": "normal(0, mu=1)"}, "mu is given twice"),
    "not a number": ({"slopes": "normal(0, two)"}, "'two' is not a number"),
    "not finite": ({"slopes": "normal(0, inf)"}, "sigma=inf is not a finite number; the form is"),
    "zero scale": ({"slopes": "normal(0, 0)"}, "sigma=0.0 must be above zero"),
    "crossed bounds": ({"slopes": "uniform(2, 1)"}, "lower=2 must be below upper=1"),
    "nothing left": ({"sd": "truncated_gamma(2, 1, 1e4)"}, "has no mass above lower=10000"),
    "a moved half": ({"sd": "half_student_t(3, 1, 2)"}, "the location is 0, not 1"),
    "not a form": ({"slopes": "normal(0, 1"}, "is not a prior; write it as"),
    "not text": ({"slopes": 2.5}, "a text such as .* not float"),
    "none": ({"slopes": None}, "a text such as .* not NoneType"),
    "key not text": ({3: "flat"}, r"a name such as 'slopes' or 'sd\[\"id\"\]', not for 3"),
    "odd paths": ({("sd", 3): "half_normal(1)"}, "a name such as"),
    "unknown preset": ("bmrs", "'bmrs' is not a preset; did you mean 'brms'"),
    "preset within": ({"preset": 2}, "2 is not a preset"),
    "a list": (["normal(0, 1)"], "priors is a mapping .* not list"),
}


@pytest.mark.parametrize(("given", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_bad_prior_is_refused_with_what_exists(given: Any, expected: str) -> None:
    with pytest.raises(PriorError, match=expected):
        assigned(given)


@pytest.mark.parametrize(
    ("formula", "given", "expected"),
    [
        ("count ~ 0 + time + (1 | id)", {"intercept": "flat"}, "there is no intercept in this model; leave it out"),
        ("count ~ 0 + time + (1 | id)", {"Intercept": "flat"}, "Intercept is no parameter"),
        ("count ~ 1 + (1 | id)", {"slopes": "flat"}, "there are no slopes"),
        ("count ~ time", {"sd": "half_normal(1)"}, "there are no grouping factors"),
        ("count ~ time", {'sd["id"]': "half_normal(1)"}, "there are no grouping factors"),
        ("count ~ time + (time || id)", {"correlation": "lkj(1)"}, "no block of this model has correlated columns"),
    ],
)
def test_a_prior_for_what_the_model_lacks_is_refused(formula: str, given: Any, expected: str) -> None:
    with pytest.raises(PriorError, match=expected):
        assigned(given, formula)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "1", None, [1.0], 1j])
def test_an_object_takes_finite_numbers_only(value: Any) -> None:
    with pytest.raises(PriorError, match="not a finite number"):
        Normal(0, value)


@pytest.mark.parametrize("value", [2, np.float32(2), np.int64(2)])
def test_an_object_takes_numbers_of_any_type(value: Any) -> None:
    assert Normal(0, value) == Normal(0.0, 2.0)
