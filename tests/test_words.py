"""Names and texts: names in any order, families of other packages, models without groups, moved groups."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_fit, seizure_like
from matplotlib.text import Text

from bayesglmm import Fit, check_separation, glmm, plots
from bayesglmm.errors import FamilyError, FigureError, OptionError, PriorError
from bayesglmm.faces import cli
from bayesglmm.faces.report import Wanted, draw_figures, results, write_report, write_results
from bayesglmm.sensitivity.prior_ladder import PriorLadder
from bayesglmm.specify.families import FAMILIES, get_family

SAME = {
    "another order": ("time:trt", "trt:time"),
    "as figures write it": ("trt × time", "trt:time"),
    "of a table": ("beta[time:trt]", "trt:time"),
    "of its head": ('coef["time:trt"]', "trt:time"),
    "a level without its coding": ("severity[Severe]", "severity[T.Severe]"),
    "of two factors": ("time:severity[T.Severe]", "severity[T.Severe]:time"),
}


@pytest.mark.parametrize(("key", "name"), SAME.values(), ids=SAME)
def test_a_prior_is_given_to_a_coefficient_in_any_order_of_its_factors(key: str, name: str) -> None:
    model = glmm("count ~ trt*time + severity*time + (1 | id)", seizure_like(), "poisson", priors={key: "normal(0, 7)"})
    given = [
        one for one, prior in zip(model.design.coef[1:], model.priors.slopes, strict=True) if prior.prior.sigma == 7
    ]
    assert given == [name]


def test_priors_of_sds_are_found_in_any_order_too() -> None:
    data = seizure_like()
    formula = "count ~ trt*time + (1 + trt:time | id) + (1 | severity:trt)"
    priors = {'sd["id"]["time:trt"]': "half_normal(7)", 'sd["trt:severity"]': "half_normal(8)"}
    model = glmm(formula, data, "poisson", priors=priors)
    assert str(model.priors.sd["id"][1].prior) == "half_normal(7)"
    assert str(model.priors.sd["severity:trt"][0].prior) == "half_normal(8)"
    with pytest.raises(PriorError, match="trt:time is given two priors"):
        glmm(formula, data, "poisson", priors={"trt:time": "normal(0, 1)", "time:trt": "normal(0, 2)"})
    with pytest.raises(PriorError, match="no parameter of this model"):
        glmm(formula, data, "poisson", priors={"time:trt:age": "normal(0, 1)"})


def test_terms_are_found_in_any_order_wherever_they_are_named() -> None:
    fit = hand_made(
        glmm("count ~ trt*time + (1 + time:trt | id) + (1 | trt:severity)", seizure_like(), "poisson"), draws=60
    )
    (axes,) = fit.random_effects("id").plot(columns="trt:time").axes
    assert axes.get_xlabel().startswith("random effect b of time × trt")
    (axes,) = fit.random_effects("id").plot("pairs", columns="trt:time").axes
    assert axes.get_xlabel().startswith("random effect b of time × trt")
    assert len(fit.random_effects("id").plot("quantiles", columns="trt:time").axes) == 1
    assert fit.random_effects("severity:trt").factor == "trt:severity"
    assert fit.random_effects("id").ranks("trt:time").attrs["column"] == "time:trt"
    both = fit.epred(frame={"id": "typical", "severity:trt": "group"})
    np.testing.assert_array_equal(both, fit.epred(frame={"id": "typical", "trt:severity": "group"}))
    with pytest.raises(OptionError, match="two entries for 'trt:severity'"):
        fit.epred(frame={"id": "typical", "severity:trt": "group", "trt:severity": "typical"})
    own = fit.random_effects("id", quantity="coefficients")
    beta = fit.posterior["beta"].sel(coef="trt:time").values.reshape(-1)
    np.testing.assert_array_equal(own.centre[:, 1], beta)


def test_a_ladder_draws_a_parameter_in_any_order() -> None:
    index = pd.MultiIndex.from_product([["beta[trt:time]", "beta[trt]"], [1.0, 2.5]], names=["parameter", "scale"])
    table = pd.DataFrame({"median": 0.1, "lower": 0.0, "upper": 0.2}, index=index)
    ladder: PriorLadder[Any] = PriorLadder(table, None, "slopes", {}, {}, {}, "log scale")  # type: ignore[arg-type]
    assert [axes.get_title(loc="left") for axes in ladder.plot(["beta[time:trt]"]).axes] == ["beta[trt × time]"]


ELSEWHERE = {
    "quasipoisson": ("negative_binomial1", "maximum likelihood"),
    "quasi-poisson": ("negative_binomial1", "maximum likelihood"),
    "quasibinomial": ("(1 | row)", "maximum likelihood"),
    "lognormal": ("family='gaussian' for log(y)",),
    "Log-Normal": ("family='gaussian' for log(y)",),
    "beta_binomial": ("(1 | row)", "brms"),
    "zero_inflated_poisson": ("zero-inflated", "brms"),
    "hurdle_gamma": ("hurdle", "brms"),
    "cumulative": ("ordinal", "brms"),
    "inverse.gaussian": ("called 'inverse_gaussian' here",),
    "Gamma": ("called 'gamma' here", "inverse link"),
    "normal": ("called 'gaussian' here",),
    "logistic": ("called 'bernoulli' here",),
    "binary": ("called 'bernoulli' here",),
    "t": ("called 'student' here",),
    "student_t": ("called 'student' here",),
    "nbinom2": ("called 'negative_binomial' here",),
    "nbinom1": ("called 'negative_binomial1' here",),
    "negbinomial": ("called 'negative_binomial' here",),
    "Negative Binomial": ("called 'negative_binomial' here",),
    "Poisson": ("called 'poisson' here",),
    "beta_family": ("called 'beta' here",),
}


@pytest.mark.parametrize(("family", "said"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_a_family_of_another_package_is_told_what_it_is_here(family: str, said: tuple[str, ...]) -> None:
    with pytest.raises(FamilyError) as error:
        get_family(family)
    assert all(text in str(error.value) for text in said)
    assert "did you mean" not in str(error.value)


def test_what_is_said_of_other_families_names_families_that_are_there() -> None:
    from bayesglmm.specify.families import elsewhere

    assert set(elsewhere._ELSEWHERE.values()) <= set(FAMILIES)
    for text in elsewhere._ABSENT.values():
        named = re.findall(r"'([a-z_0-9]+)'", text)
        assert {name for name in named if name != "inverse"} <= set(FAMILIES), text


CLAIMS = re.compile(r"conditional|typical|b = 0|averaged over the random|random effects of|marginal|new_group")


def test_a_model_without_groups_is_conditional_on_nothing(tmp_path: Path) -> None:
    fit = hand_made(glmm("event ~ trt*time", seizure_like(), "bernoulli"), draws=60)
    estimates = (fit.predictions(by="trt"), fit.comparisons("trt"), fit.slopes("trt"))
    implied = fit.model.implied_priors(draws=100)
    said = [str(fit), fit._repr_html_(), str(fit.model), str(implied), str(fit.summary().attrs)]
    said += [f"{one}{one._repr_html_()}{one.draws.attrs}" for one in estimates]
    said += [str(fit.coefficients()), str(fit.prior_sensitivity()), str(fit.prior_sensitivity().table.index.tolist())]
    figures = draw_figures(fit, Wanted(("coefficients", "diagnostics", "population"), "trt", "time"))
    figures |= {"implied": implied.plot(), "compared": fit.comparisons("trt").plot()}
    said += [text.get_text() for figure in figures.values() for text in figure.findobj(Text)]
    said += [str(figure.get_label()) for figure in figures.values()]
    page = write_report(fit, figures, tmp_path / "report.html").read_text(encoding="utf-8")
    said.append(re.sub(r"base64,[^\"]*|<style>.*?</style>", "", page, flags=re.DOTALL))
    for text in said:
        assert "to be conditional on" in text or not CLAIMS.search(text), CLAIMS.search(text)
    assert "frame" not in str(estimates[0])
    assert fit.coefficients().table.attrs["conditional"] == "no random effects in the model"
    grouped = hand_made(glmm("event ~ trt*time + (1 | id)", seizure_like(), "bernoulli"), draws=60)
    assert "coefficients are conditional (typical subject, b = 0), on the scale" in str(grouped)
    assert "coefficients are on the scale of the logit link" in str(fit)


@pytest.fixture(scope="module")
def blocked() -> Fit:
    g = np.repeat(np.arange(24), 4)
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {"trt": np.where(g % 2, "p", "q"), "blk": g // 4, "x": rng.normal(size=96), "y": rng.normal(size=96)}
    )
    return hand_made(glmm("y ~ trt + x + (1 | blk) + (1 | blk:trt)", data), chains=2, draws=40)


def test_rows_set_to_another_value_are_not_in_their_own_groups(blocked: Fit) -> None:
    moved = "in the observed level of blk:trt to which it belongs once trt is set"
    both = f"each row in its own observed blk and {moved}, so averaged over the levels observed"
    assert both in blocked.comparisons("trt", frame="group").estimand
    assert both in blocked.predictions(by=[], at={"trt": "p"}, frame="group").estimand
    assert (
        f"each row in its own observed blk and {moved}." in blocked.predictions(at={"trt": "p"}, frame="group").estimand
    )
    assert "blk:trt to which it belongs once blk, trt are set" in (
        blocked.predictions(at={"trt": "p", "blk": 1}, frame="group").estimand
    )
    own = "each row in its own observed blk, blk:trt, so averaged"
    for estimates in (blocked.comparisons("x", frame="group"), blocked.slopes("x", frame="group")):
        assert own in estimates.estimand
    assert own in blocked.predictions(by="trt", frame="group").estimand
    point = blocked.conditional_effects("trt", at={"blk": 3}, frame="group").estimand
    assert "in the observed level of blk, blk:trt of each point" in point


def fails(*_: object, **__: object) -> None:
    raise ValueError("no such\nmathematics")


def test_a_figure_that_fails_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = seizure_fit(draws=60)
    monkeypatch.setattr(results, "_forest", fails)
    names = []
    wanted = Wanted(("random_effects", "coefficients"), title="A study")
    with pytest.raises(FigureError, match=r"could not be drawn: random_effects \(no such mathematics\)") as error:
        names.extend(path.name for path in write_results(fit, wanted, tmp_path))
    assert isinstance(error.value.__cause__, ValueError)
    assert names == ["fit", "summary.csv", "covariance.csv", "coefficients.png", "report.html"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>random_effects</b> could not be drawn: no such mathematics." in page
    assert page.count("<figure>") == 3 + 1  # those of the checks, and the coefficients


def test_a_figure_that_fails_only_when_it_is_laid_out_is_left_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fit: Fit) -> plots.Picture:
        picture = fit.random_effects().plot()
        picture.axes[0].set_title("$x_{$", parse_math=True)
        return picture

    monkeypatch.setattr(results, "_coefficients", broken)
    names = []
    fit, wanted = seizure_fit(draws=60), Wanted(("coefficients", "random_effects"))
    with pytest.raises(FigureError, match="coefficients"):
        names.extend(path.name for path in write_results(fit, wanted, tmp_path))
    assert names[-2:] == ["random_effects.png", "report.html"]
    assert not (tmp_path / "coefficients.png").exists()


SPEC = """
title = "$10k-$20k"
data = "data.csv"
formula = "k ~ pay*x + (1 | g)"
family = "poisson"
focal = "pay"
by = "x"
[labels]
pay = "$pay_{$"
[sampler]
draws = 60
tune = 100
chains = 2
seed = 1
"""


def test_a_run_with_labels_like_mathematics_writes_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    pay = np.array(["$10k-$20k", "$x_{$", "a_b"])[np.arange(90) % 3]
    groups = [f"$g_{{{i}" for i in range(9)]
    data = pd.DataFrame({"pay": pay, "x": np.arange(90) % 2, "g": np.repeat(groups, 10), "k": rng.poisson(4, 90)})
    data.to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "spec.toml").write_text(SPEC, encoding="utf-8")
    code = cli.main(["run", str(tmp_path / "spec.toml"), "--out", str(tmp_path / "out"), "--quiet"])
    assert code in (0, 3)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    figures = {f"{name}.png" for name in ("coefficients", "random_effects", "diagnostics", "population")}
    assert names == {"fit", "summary.csv", "covariance.csv", "report.html", *figures}
    assert "could not be drawn" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "error" not in capsys.readouterr().err


def test_a_run_whose_figure_fails_says_so_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = seizure_like()
    data.to_csv(tmp_path / "data.csv", index=False)
    spec = SPEC.replace("k ~ pay*x + (1 | g)", "count ~ trt + (1 | id)").partition("focal")[0]
    (tmp_path / "spec.toml").write_text(f"{spec}[sampler]\ndraws = 500\nchains = 4\nseed = 1\n", encoding="utf-8")
    monkeypatch.setattr(results, "_coefficients", fails)
    code = cli.main(["run", str(tmp_path / "spec.toml"), "--out", str(tmp_path / "out"), "--quiet"])
    said = capsys.readouterr().err
    assert "bayesglmm: error: a figure could not be drawn: coefficients (no such mathematics)" in said
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "diagnostics.png").exists()
    assert code == (1 if "FAILED" not in said else 3)


def test_a_column_called_as_a_word_of_the_sentence_stands_in_quotes() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"mean": rng.normal(size=40), "body weight": rng.normal(size=40), "y": rng.normal(size=40)})
    fit = hand_made(glmm("y ~ mean + `body weight`", data.assign(age=data["y"] ** 2)), draws=40)
    assert "'mean' as it is and 1 more in all rows" in fit.comparisons("mean").estimand
    assert "'body weight' set to 0 and 1" in fit.comparisons({"body weight": [0, 1]}).estimand
    assert "with respect to 'mean', per unit of it" in fit.slopes("mean").estimand
    assert ", with 'mean' at 0" in fit.predictions(at={"mean": 0}).estimand
    own = hand_made(glmm("mean ~ y", data), draws=40)
    assert own.comparisons("y").estimand.startswith("Difference of the average expected 'mean': y as it is and 1 more")
    assert own.epred().attrs["estimand"].startswith("expected 'mean'")


def test_what_not_identified_means_stands_below_its_table() -> None:
    data = pd.DataFrame({"y": [0, 1, 0, 1, 0, 1] * 4, "x": [0, 0, 0, 1, 1, 1] * 4, "g": np.repeat(range(4), 6)})
    found = check_separation("y ~ x + (1 | g)", data)
    assert str(found).splitlines()[-1].startswith("not identified: the effects of the groups can take its place")
    assert "not identified: the effects" in found._repr_html_()
    assert check_separation("y ~ x", data).legend == []


def test_a_terminal_obeys_no_label(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["run", str(tmp_path / "no\x1b[31m spec.toml")]) == 1
    assert r"no\x1b[31m spec.toml" in capsys.readouterr().err


def test_the_heading_speaks_of_what_there_is(tmp_path: Path) -> None:
    bare = hand_made(glmm("count ~ 0 + (1 | id)", seizure_like(), "poisson"), draws=60)
    assert "standard deviations are on the scale of the log link" in str(bare)
    assert "coefficients" not in str(bare).partition("\n\n")[0]
    fit = hand_made(glmm("age ~ trt + (1 | id)", seizure_like(), "gaussian"), draws=60)
    page = write_report(fit, {}, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "(identity link); those of the family on a scale of their own" in page
