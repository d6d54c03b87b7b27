"""Generalized estimating equations agree with R's gee and geepack; what they cannot use is said or refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import reference

import bayesglmm as bg
from bayesglmm.errors import DataError, FamilyError, FormulaError, OptionError, ResponseError
from bayesglmm.marginal_models.data import MarginalData, clustered, read
from bayesglmm.marginal_models.families import MARGINAL
from bayesglmm.marginal_models.solve import solve_gee
from bayesglmm.marginal_models.working import Correlation, Exchangeable, Groups

R = reference("gee")

FORMULAS = {
    "seizure": ("count ~ trt*time + offset(log(weeks)) + (1 | id)", "poisson"),
    "asthma": ("control ~ treat*weeks + severity + (1 | id)", "bernoulli"),
    "toenail": ("outcome ~ month*treatment + (1 | id)", "bernoulli"),
    "cbpp": ("p(incidence, size) ~ C(period) + (1 | herd)", "binomial"),
    "crossover": ("outcome ~ trt*period + (1 | id)", "bernoulli"),
    "sleepstudy": ("Reaction ~ Days + (1 | Subject)", "gaussian"),
}

OURS = {
    "AR-M": "autoregressive",
    "unstructured": "unstructured",
    "exchangeable": "exchangeable",
    "independence": "independence",
}


def asked(call: str) -> tuple[str, str | None, str | None]:
    """Return the working correlation, the link and another family that a call of R asks for."""
    working = OURS[call.partition('corstr = "')[2].partition('"')[0]]
    link = call.partition('link = "')[2].partition('"')[0] or None
    return working, link, "gamma" if "Gamma" in call else None


def fitted(study: str, working: str = "exchangeable", family: str | None = None, **options: object) -> bg.GEEFit:
    formula, usual = FORMULAS[study]
    reference_levels = {"treat": "Usual"} if study == "asthma" else None
    data = bg.datasets.load(study)
    return bg.gee(formula, data, family or usual, working, reference=reference_levels, **options)


@pytest.mark.parametrize("theirs", R["gee"], ids=[f"{each['study']}-{i}" for i, each in enumerate(R["gee"])])
def test_coefficients_standard_errors_dispersion_and_correlation_are_those_of_gee(theirs):
    working, link, family = asked(theirs["call"])
    ours = fitted(theirs["study"], working, family, link=link)
    np.testing.assert_allclose(ours.beta, theirs["coef"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.summary()["std_error"], theirs["robust"], rtol=1e-6)
    np.testing.assert_allclose(ours.summary(standard_errors="naive")["std_error"], theirs["naive"], rtol=1e-6)
    np.testing.assert_allclose(ours.dispersion, theirs["scale"], rtol=1e-6)
    if working == "independence":
        assert ours.correlation is None
    else:
        np.testing.assert_allclose(ours.correlation, theirs["alpha"], rtol=1e-6, atol=1e-8)


class Given(Correlation):
    """Correlations that are not estimated: a matrix by group."""

    def __init__(self, groups, matrix):
        super().__init__(groups)
        self.matrix = matrix

    def estimate(self, e, phi):
        return None

    def solve(self, value, group, right):
        return np.linalg.solve(self.matrix(self.groups.time[self.groups.rows[group]]), right)

    def text(self, value):
        return "given"


def numbers(formula: str, data: pd.DataFrame, family: str) -> MarginalData:
    parsed, _ = clustered(formula)
    return read(parsed, data, family, known=tuple(MARGINAL), link=None, missing="error", reference=None)


def exchangeable(alpha):
    return lambda time: (1 - alpha) * np.eye(len(time)) + alpha


GEEPACK = {
    "cbpp": (FORMULAS["cbpp"][0], exchangeable(0.3), None),
    "seizure": (
        "count | weights(1 + w + period/2) ~ trt*time + offset(log(weeks)) + (1 | id)",
        exchangeable(0.5),
        None,
    ),
    "toenail": (FORMULAS["toenail"][0], lambda t: 0.9 ** np.abs(t[:, None] - t), "month"),
}


@pytest.mark.parametrize("theirs", R["geepack"], ids=[each["study"] for each in R["geepack"]])
def test_weights_trials_and_any_correlation_act_as_in_geepack(theirs):
    formula, matrix, time = GEEPACK[theirs["study"]]
    table = bg.datasets.load(theirs["study"])
    if theirs["study"] == "seizure":
        table = table.assign(w=table["id"] % 3)
    data = numbers(formula, table, FORMULAS[theirs["study"]][1])
    times = np.zeros(len(data.y)) if time is None else table[time].to_numpy()
    groups = Groups(data.group, data.weight, times, "time", data.x.shape[1])
    solved = solve_gee(data, Given(groups, matrix))
    np.testing.assert_allclose(solved.beta, theirs["coef"], rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(solved.robust)), theirs["robust"], rtol=1e-6)


def test_independence_is_the_published_logistic_regression_of_the_crossover_trial():
    ours = fitted("crossover", "independence")
    np.testing.assert_allclose(ours.beta, [-1.5404, 1.1097, 0.8473, -1.0227], atol=5e-5)
    np.testing.assert_allclose(fitted("crossover").beta, ours.beta, rtol=1e-6)  # saturated and balanced


def test_a_whole_weight_is_a_row_repeated_within_its_group():
    table = bg.datasets.load("toenail").query("id < 120").reset_index(drop=True)
    weight = 1 + table["visit"] % 3
    repeated = table.loc[table.index.repeat(weight)]
    formula = "outcome | weights(w) ~ month*treatment + (1 | id)"
    once = bg.gee(formula, table.assign(w=weight), "bernoulli", "independence")
    often = bg.gee(formula, repeated.assign(w=1), "bernoulli", "independence")
    for name in ("beta", "robust", "naive", "dispersion"):
        np.testing.assert_allclose(getattr(once, name), getattr(often, name), rtol=1e-8)


@pytest.mark.parametrize("working", ["exchangeable", "autoregressive", "unstructured"])
def test_a_group_of_weight_two_is_two_groups_to_all_but_the_robust_standard_errors(working):
    table = bg.datasets.load("asthma").query("id <= 80").reset_index(drop=True)
    weight = 1 + table["id"] % 2
    twice = pd.concat([table, table[weight == 2].assign(id=lambda rows: rows["id"] + 1000)])
    formula = "control | weights(w) ~ treat*weeks + (1 | id)"
    once = bg.gee(formula, table.assign(w=weight), "bernoulli", working)
    often = bg.gee(formula, twice.assign(w=1), "bernoulli", working)
    for name in ("beta", "naive", "dispersion", "correlation"):
        np.testing.assert_allclose(getattr(once, name), getattr(often, name), rtol=1e-7)
    assert (np.diag(once.robust) != np.diag(often.robust)).all()


def test_rows_of_weight_zero_are_not_there():
    table = bg.datasets.load("asthma")
    formula = "control | weights(w) ~ treat*weeks + (1 | id)"
    present = (table["visit"] != 3) & (table["id"] > 7)
    all_rows = bg.gee(formula, table.assign(w=present * 1), "bernoulli", "unstructured", time="visit")
    fewer = bg.gee(formula, table[present].assign(w=1), "bernoulli", "unstructured", time="visit")
    assert all_rows.groups == fewer.groups == 113
    np.testing.assert_allclose(all_rows.robust, fewer.robust, rtol=1e-12)
    pd.testing.assert_frame_equal(all_rows.correlation, fewer.correlation)


@pytest.mark.parametrize("working", ["independence", "exchangeable", "autoregressive", "unstructured"])
def test_order_of_rows_and_labels_do_not_matter_where_time_is_named(working):
    table = bg.datasets.load("asthma")
    mixed = table.sample(frac=1, random_state=4).assign(id=lambda rows: "child " + (999 - rows["id"]).astype(str))
    formula = "control ~ treat*weeks + (1 | id)"
    first, second = (bg.gee(formula, rows, "bernoulli", working, time="visit") for rows in (table, mixed))
    np.testing.assert_allclose(first.beta, second.beta, rtol=1e-8)
    np.testing.assert_allclose(first.robust, second.robust, rtol=1e-8)
    np.testing.assert_allclose(first.bias_reduced, second.bias_reduced, rtol=1e-8)


def test_units_of_columns_and_of_the_response_do_not_matter():
    table = bg.datasets.load("sleepstudy")
    first = bg.gee("Reaction ~ Days + (1 | Subject)", table, "gaussian", "autoregressive")
    scaled = table.assign(Reaction=1e6 * table["Reaction"], Days=1e5 * table["Days"])
    second = bg.gee("Reaction ~ Days + (1 | Subject)", scaled, "gaussian", "autoregressive")
    np.testing.assert_allclose(second.beta, first.beta * [1e6, 10], rtol=1e-9)
    np.testing.assert_allclose(second.summary()["statistic"], first.summary()["statistic"], rtol=1e-8)


def test_the_bias_reduced_sandwich_is_the_formula_of_mancl_and_derouen():
    ours = fitted("cbpp", "exchangeable")
    design = ours.design
    outcome, block = design.outcome, design.blocks[0]
    mu = ours.link.inverse(design.x @ ours.beta)
    parts, bread = [], 0
    for group in range(len(block.levels)):
        rows = block.index == group
        d = design.x[rows] * (mu * (1 - mu))[rows, None]
        sd = np.sqrt((mu * (1 - mu) / outcome.trials)[rows])
        v = np.outer(sd, sd) * exchangeable(ours.correlation)(sd)
        residual = (outcome.y / outcome.trials - mu)[rows]
        parts.append((d, np.linalg.inv(v), residual))
        bread = bread + d.T @ parts[-1][1] @ d
    bread, meat = np.linalg.inv(bread), 0
    for d, v, residual in parts:
        score = d.T @ v @ np.linalg.solve(np.eye(len(residual)) - d @ bread @ d.T @ v, residual)
        meat = meat + np.outer(score, score)
    np.testing.assert_allclose(ours.bias_reduced, bread @ meat @ bread, rtol=1e-8)
    larger = ours.summary(standard_errors="bias_reduced")["std_error"]
    assert (larger > ours.summary()["std_error"]).all()


def test_quasi_poisson_is_poisson_here_and_takes_fractions():
    table = bg.datasets.load("seizure")
    formula = FORMULAS["seizure"][0]
    same = bg.gee(formula, table, "quasi_poisson")
    np.testing.assert_array_equal(same.robust, bg.gee(formula, table, "poisson").robust)
    halves = table.assign(count=table["count"] / 2)
    np.testing.assert_allclose(bg.gee(formula, halves, "quasi_poisson").dispersion, same.dispersion / 2, rtol=1e-8)
    with pytest.raises(ResponseError, match="poisson"):
        bg.gee(formula, halves, "poisson")


def test_an_exposure_is_an_offset():
    table = bg.datasets.load("seizure")
    formula, offset = "count | rate(weeks) ~ trt*time + (1 | id)", fitted("seizure")
    for family in ("poisson", "quasi_poisson"):
        np.testing.assert_allclose(bg.gee(formula, table, family).robust, offset.robust, rtol=1e-9)
    with pytest.raises(DataError, match="rate"):
        bg.gee("age | rate(weeks) ~ trt + (1 | id)", table, "gaussian")


def test_quasi_binomial_takes_labels_counts_and_proportions():
    table = bg.datasets.load("crossover")
    labels = table.assign(outcome=np.where(table["outcome"] == 1, "relief", "none"))
    formula, bernoulli = FORMULAS["crossover"][0], fitted("crossover")
    for rows in (table, labels):
        np.testing.assert_allclose(bg.gee(formula, rows, "quasi_binomial").beta, bernoulli.beta)
    shares = bg.datasets.load("cbpp").assign(share=lambda rows: rows["incidence"] / rows["size"])
    fit = bg.gee("share ~ C(period) + (1 | herd)", shares, "quasi_binomial", "independence")
    theirs = next(each for each in R["glm"] if "share" in each["call"])
    np.testing.assert_allclose(fit.beta, theirs["coef"], rtol=1e-6)
    with pytest.raises(ResponseError, match="proportions"):
        bg.gee("incidence ~ C(period) + (1 | herd)", shares, "quasi_binomial")


def test_the_log_link_gives_risk_ratios_and_the_identity_link_differences():
    table = bg.datasets.load("crossover")
    means = table.groupby(["trt", "period"])["outcome"].mean()
    ratio = bg.gee("outcome ~ trt*period + (1 | id)", table, "bernoulli", "independence", link="log")
    difference = bg.gee("outcome ~ trt*period + (1 | id)", table, "bernoulli", "independence", link="identity")
    np.testing.assert_allclose(np.exp(ratio.beta[1]), means[1, 0] / means[0, 0], rtol=1e-7)
    np.testing.assert_allclose(difference.beta[1], means[1, 0] - means[0, 0], rtol=1e-7)


def test_coefficients_have_the_names_of_a_fit():
    fit = fitted("asthma", time="visit")
    model = bg.glmm(FORMULAS["asthma"][0], bg.datasets.load("asthma"), "bernoulli", reference={"treat": "Usual"})
    assert fit.coef == model.design.coef
    table = fit.summary(ci_prob=0.9)
    assert list(table.index) == [f"beta[{name}]" for name in model.design.coef]
    assert list(table.columns) == ["estimate", "std_error", "statistic", "p_value", "lower", "upper"]
    assert table.attrs["frame"].startswith("population")
    row = table.loc["beta[weeks]"]
    np.testing.assert_allclose(row["estimate"] + 1.6448536269514722 * row["std_error"], row["upper"])
    np.testing.assert_allclose(fit.covariance().loc["weeks", "weeks"], row["std_error"] ** 2)


def test_text_and_html_say_whose_coefficients_they_are_and_how_they_were_found():
    fit = fitted("toenail")
    for text in (str(fit), repr(fit), fit._repr_html_()):
        said = " ".join(text.split())
        assert "population-averaged (marginal) coefficients by generalized estimating equations" in said
        assert "robust standard errors; working correlation exchangeable, α = 0.4212" in said
        assert "1,908 rows, 294 levels of id" in said
        assert "dispersion φ = 1.0" in said
        assert "beta[month:treatment]" in said
    assert fit.findings == ()
    assert "time of rows" not in str(fit)
    assert "time of rows: the order of the rows in the data" in str(fitted("asthma", "autoregressive"))
    assert "time of rows: visit" in str(fitted("asthma", "autoregressive", time="visit"))


def test_random_slopes_are_said_not_to_be_used():
    table = bg.datasets.load("sleepstudy")
    slopes = bg.gee("Reaction ~ Days + (1 + Days | Subject)", table, "gaussian")
    np.testing.assert_array_equal(slopes.beta, fitted("sleepstudy").beta)
    assert "not used: the random slopes of Days" in str(slopes)
    apart = bg.gee("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", table, "gaussian")
    assert apart.notes == slopes.notes


def test_few_groups_are_a_finding_with_its_remedy():
    (finding,) = fitted("cbpp").findings
    assert finding.startswith("15 groups are few")
    assert "bias_reduced" in finding
    assert finding.split(";")[0] in " ".join(str(fitted("cbpp")).split())


def test_a_group_that_alone_determines_a_coefficient_has_no_bias_reduced_standard_error():
    table = bg.datasets.load("sleepstudy")
    table["one"] = (table["Subject"] == table["Subject"].iloc[0]) * 1
    fit = bg.gee("Reaction ~ Days + one + (1 | Subject)", table, "gaussian", "independence")
    assert fit.bias_reduced is None
    assert "cannot be corrected" in fit.findings[0]
    with pytest.raises(OptionError, match="one group alone"):
        fit.summary(standard_errors="bias_reduced")


def toenail(**columns: object) -> pd.DataFrame:
    return bg.datasets.load("toenail").assign(**columns)


def separated() -> pd.DataFrame:
    table = bg.datasets.load("crossover")
    return table.assign(outcome=np.where(table["trt"] == 1, table["outcome"], 0))


REFUSED = {
    "no groups": (FormulaError, r"add the groups, as in \+ \(1 \| id\)", "outcome ~ month", {}),
    "two factors": (FormulaError, "keep the outermost", "outcome ~ month + (1 | treatment) + (1 | id)", {}),
    "nested": (FormulaError, "2 grouping factors", "outcome ~ month + (1 | treatment/id)", {}),
    "one level": (DataError, "single level", "outcome ~ month + (1 | same)", {"same": 1}),
    "response as groups": (DataError, "response and a grouping factor", "outcome ~ month + (1 | outcome)", {}),
    "few groups": (DataError, "2 groups of treatment cannot", "outcome ~ month + (1 | treatment)", {}),
    "own rows": (OptionError, "pairs of rows within groups", "outcome ~ month + (1 | row)", {"row": range(1908)}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_formulas_without_the_groups_needed_are_refused(case):
    error, text, formula, columns = REFUSED[case]
    with pytest.raises(error, match=text):
        bg.gee(formula, toenail(**columns), "bernoulli")


def test_groups_of_one_row_are_independent_rows():
    table = toenail(row=range(1908))
    ours = bg.gee("outcome ~ month*treatment + (1 | row)", table, "bernoulli", "independence")
    np.testing.assert_allclose(ours.beta, fitted("toenail", "independence").beta, rtol=1e-10)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("negative_binomial", "parameter beside the mean.*quasi_poisson"),
        ("negative_binomial1", "is that of 'quasi_poisson'"),
        ("student", "use 'gaussian'"),
        ("beta", "quasi_binomial"),
        ("quasipoisson", "is called 'quasi_poisson' here"),
        ("poison", "did you mean 'poisson'"),
        ("lognormal", "log"),
        (3, "not int"),
    ],
)
def test_families_without_estimating_equations_are_refused_with_what_to_use(family, text):
    with pytest.raises(FamilyError, match=text):
        bg.gee(FORMULAS["seizure"][0], bg.datasets.load("seizure"), family)


def test_a_family_of_the_package_brings_its_link_and_one_of_your_own_is_refused():
    family = bg.families.get_family("bernoulli", "probit")
    ours = bg.gee(FORMULAS["toenail"][0], toenail(), family)
    assert ours.link.name == "probit"
    own = dataclasses.replace(family, variance=lambda mu, parameters, trials: mu)
    with pytest.raises(FamilyError, match="of your own"):
        bg.gee(FORMULAS["toenail"][0], toenail(), own)


@pytest.mark.parametrize("link", ["sqrt", "logitt", 3])
def test_links_that_a_family_does_not_have_are_refused_with_the_list(link):
    with pytest.raises(FamilyError, match="known: logit, probit, cloglog"):
        bg.gee(FORMULAS["toenail"][0], toenail(), "bernoulli", link=link)


def test_separated_data_are_refused_before_anything_diverges():
    with pytest.raises(DataError, match=r"separated.*Intercept.*bg\.fit"):
        bg.gee("outcome ~ trt + (1 | id)", separated(), "bernoulli")
    counts = bg.datasets.load("seizure").assign(count=lambda rows: rows["count"] * rows["trt"])
    with pytest.raises(DataError, match=r"trt \(\+inf\)"):
        bg.gee("count ~ trt + (1 | id)", counts, "poisson")


def test_means_outside_the_range_of_the_family_are_no_solution():
    x = np.tile(np.linspace(0, 1, 12), 30)
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": x, "y": (rng.random(360) < np.clip(3 * x - 1, 0, 1)) * 1, "g": np.repeat(range(30), 12)})
    with pytest.raises(DataError, match=r"identity link have no solution.*logit"):
        bg.gee("y ~ x + (1 | g)", table, "bernoulli", "independence", link="identity")


def test_a_fit_without_error_is_refused():
    table = pd.DataFrame({"x": np.arange(40.0), "y": 1 + 2 * np.arange(40.0), "g": np.repeat(range(10), 4)})
    with pytest.raises(DataError, match="without error"):
        bg.gee("y ~ x + (1 | g)", table, "gaussian")


def test_options_are_checked():
    with pytest.raises(OptionError, match="did you mean 'exchangeable'"):
        bg.gee(FORMULAS["toenail"][0], toenail(), "bernoulli", "exchangable")
    with pytest.raises(OptionError, match="no argument corstr=; set working="):
        bg.gee(FORMULAS["toenail"][0], toenail(), "bernoulli", corstr="exchangeable")
    with pytest.raises(OptionError, match="standard_errors"):
        fitted("toenail").summary(standard_errors="sandwich")
    with pytest.raises(DataError, match="log"):
        bg.gee("count ~ trt + offset(baseline) + (1 | id)", bg.datasets.load("seizure"), "poisson")


def test_missing_values_are_refused_or_dropped_as_everywhere():
    table = bg.datasets.load("seizure")
    table["count"] = table["count"].astype(float).mask(table["period"] == 4)
    with pytest.raises(DataError, match="missing"):
        bg.gee(FORMULAS["seizure"][0], table, "poisson")
    dropped = bg.gee(FORMULAS["seizure"][0], table, "poisson", missing="drop")
    fewer = bg.gee(FORMULAS["seizure"][0], table.dropna(), "poisson")
    np.testing.assert_array_equal(dropped.beta, fewer.beta)
    assert "59 rows with missing values were dropped" in str(dropped)


def test_a_family_left_out_is_gaussian_with_a_warning_for_counts():
    table = bg.datasets.load("seizure")
    with pytest.warns(bg.BayesGLMMWarning, match="no family was given"):
        bg.gee("count ~ trt + (1 | id)", table)
    assert bg.gee("age ~ trt + (1 | id)", table, working="independence").family.name == "gaussian"


def test_it_is_exchangeable_by_the_closed_form_and_by_the_matrix():
    rng = np.random.default_rng(1)
    index = np.repeat([0, 1, 2], [4, 1, 7])
    groups = Groups(index, np.ones(12), np.arange(12), "time", 1)
    working, right = Exchangeable(groups), rng.normal(size=(7, 3))
    np.testing.assert_allclose(working.solve(-0.1, 2, right), np.linalg.solve(exchangeable(-0.1)(right), right))
