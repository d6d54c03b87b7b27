"""The report stands alone, says the verdict first, embeds every figure and escapes what the user's data say."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_fit, seizure_like
from matplotlib.figure import Figure

from bayesglmm import ElpdComparison, Fit, compare, glmm, model_steps
from bayesglmm.errors import OptionError, StorageError
from bayesglmm.faces.report import Wanted, draw_figures, prepare, write_report, write_results
from bayesglmm.faces.report.reading import how_to_read
from bayesglmm.faces.report.tables import _estimate
from bayesglmm.plots.rounding import decimals, rounded


class Page(HTMLParser):
    """The tags of a page with their attributes, its texts, and the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        if self.rows and self.open[-1:] in (["td"], ["th"]):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def row(self, name: str, cells: int) -> list[str]:
        (found,) = (row for row in self.rows if len(row) == cells and row[0] == name)
        return found


@pytest.fixture(scope="module")
def fit() -> Fit:
    return seizure_fit()


def page_of(fit: Fit, folder: Path, **options: Any) -> tuple[Page, str]:
    options = {"checks": False, **options}
    path = write_report(fit, options.pop("figures", {}), folder / "report.html", **options)
    text = path.read_text(encoding="utf-8")
    return Page(text), text


def test_report_stands_alone_with_every_figure(fit: Fit, tmp_path: Path) -> None:
    drawn = fit.coefficients().plot()
    png = fit.random_effects().plot().png(dpi=50)
    page, text = page_of(fit, tmp_path, figures={"coefficients": drawn, "group_effects": png}, title="A study")
    assert not re.search(r"https?://|@import|url\(|<script|<link|<iframe|javascript:", text)
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(sources) == 2
    assert all(str(source).startswith("data:image/png;base64,") for source in sources)
    assert base64.b64decode(str(sources[1]).partition(",")[2]) == png
    assert all(
        value == "data:" or "src" not in key for _, attrs in page.tags for key, value in attrs.items() if key != "src"
    )
    assert str(drawn.get_label()) in page.text
    assert "Figure 2. group effects" in page.text
    assert page.open == []
    assert "@media print" in text
    assert mpl.rcParams["savefig.dpi"] == mpl.rcParamsDefault["savefig.dpi"]


def test_verdict_stands_first_and_is_an_alarm_when_bad(fit: Fit, tmp_path: Path) -> None:
    page, _ = page_of(fit, tmp_path, title="A study", description="What was studied.")
    assert page.text.index("Sampling passed its checks.") < page.text.index("What was studied.")
    assert not any(attrs.get("role") == "alert" for _, attrs in page.tags)
    broken, text = page_of(seizure_fit(broken=True), tmp_path)
    assert broken.text.index("DO NOT REPORT THESE RESULTS") < broken.text.index("Model")
    assert any(attrs.get("role") == "alert" for _, attrs in broken.tags)
    assert all(finding.advice in broken.text for finding in seizure_fit(broken=True).check().findings)
    assert '<td class="beyond">' in text


def test_tables_hold_the_rounded_summary(fit: Fit, tmp_path: Path) -> None:
    page, _ = page_of(fit, tmp_path)
    table = fit.summary()
    for name, line in table.iterrows():
        places = decimals(line["sd"])
        mean, sd, low, high = (rounded(line[key], places) for key in ("mean", "sd", "lower", "upper"))
        assert page.row(str(name), 7)[1:4] == [mean, sd, f"[{low}, {high}]"]
        assert page.row(str(name), 7)[4] == f"{line['r_hat']:.3f}"
        assert page.row(str(name), 7)[5] == f"{line['ess_bulk']:,.0f}"
    covariance = fit.varcorr().loc["id", "covariance", "time", "Intercept"]
    found = [row for row in page.rows if row and row[0] == "time, Intercept"]
    assert len(found) == 2
    assert found[1][1] == rounded(covariance["mean"], decimals(covariance["sd"]))


def test_conditional_and_marginal_ratios_stand_beside_each_other(fit: Fit, tmp_path: Path) -> None:
    page, _ = page_of(fit, tmp_path)
    line = fit.coefficients(exponentiate=True).wide.loc["time"]
    (found,) = (row for row in page.rows if row and row[0] == "time" and len(row) == 7 and "[" in row[2])
    assert float(found[1]) == pytest.approx(line["conditional", "median"], abs=0.005)
    assert float(found[4]) == pytest.approx(line["marginal", "median"], abs=0.005)
    assert float(found[6]) == pytest.approx(line["marginal", "probability_positive"], abs=0.0005)
    assert "Rate ratio, exp(coefficient)" in page.text
    linear, _ = page_of(hand_made(glmm("age ~ trt + (1 | severity)", seizure_like(), "gaussian")), tmp_path)
    assert "Marginal" not in linear.text


def test_a_ratio_keeps_two_digits_however_far_its_interval_reaches() -> None:
    """Rounded by its width, [0.951, 446.8] is [1, 447], which excludes what it does not."""
    line = pd.Series({"median": 15.6, "lower": 0.951, "upper": 446.8, "probability_positive": 0.9734})
    assert "<td>16</td>" in _estimate(line, ratio=True)
    assert "[0.95, 447]" in _estimate(line, ratio=True)
    assert "[1, 447]" in _estimate(line, ratio=False)
    narrow = pd.Series({"median": 1.00523, "lower": 1.00112, "upper": 1.00934, "probability_positive": 0.99})
    assert "[1.0011, 1.0093]" in _estimate(narrow, ratio=True)


def test_model_priors_data_and_settings_are_there(fit: Fit, tmp_path: Path) -> None:
    page, _ = page_of(fit, tmp_path)
    assert "count ~ Poisson(μ)" in page.text
    assert "b_id ~ Normal(0, G)" in page.text
    assert page.row("corr_id", 3) == ["corr_id", "lkj(2)", "default"]
    assert "60 rows, 12 levels of id" in page.text
    assert page.row("seed", 2) == ["seed", "1"]
    assert page.row("backend", 2) == ["backend", "by hand"]
    assert page.row("versions when fitted", 2)[1] == "Python 3, bayesglmm 0.0.1"
    assert page.row("time", 2)[1] == "0.2 s preparing, 1.8 s sampling"
    assert "95 % equal-tailed" in page.text
    assert page.text.startswith("count ~ trt * time")


def test_what_rests_on_the_data_and_what_on_the_prior_is_said_with_its_table(fit: Fit, tmp_path: Path) -> None:
    page, text = page_of(fit, tmp_path)
    found = fit.prior_sensitivity(max_draws=500)
    assert text.count("<h2>Prior sensitivity</h2>") == 1
    assert found.sentence in page.text
    assert "(at 500 of 2,000 draws)" in found.sentence
    assert found.estimand in page.text
    for name, line in found.table.iterrows():
        figures = [rounded(line["prior"], 2), f"{line['strongest']} {rounded(line['alone'], 2)}"]
        row = [str(name), line["frame"], *figures, rounded(line["likelihood"], 2), line["diagnosis"]]
        assert page.row(str(name), 6) == row
    assert page.row("population log ratio[time: 1 / 0]", 6)[1] == "population"


def test_where_power_scaling_says_nothing_the_report_says_why(tmp_path: Path) -> None:
    prior = seizure_fit(draws=50)
    prior.draws.attrs["prior_only"] = 1
    page, _ = page_of(prior, tmp_path)
    assert "Prior sensitivity Not available: these are draws from the prior alone" in page.text
    flat = glmm("event ~ age", seizure_like(), "bernoulli", priors={"slopes": "flat", "Intercept": "flat"})
    page, _ = page_of(hand_made(flat, draws=50), tmp_path)
    assert "Not available: the priors of intercept, slopes are flat or uniform" in page.text


def test_everything_from_the_user_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    data = seizure_like().rename(columns={"trt": "<b>trt</b>", "id": "a&b", "count": '"q">'})
    data["severity"] = data["severity"].where(data["severity"] != "Severe", evil)
    fit = hand_made(glmm('`"q">` ~ `<b>trt</b>` + severity + (1 | `a&b`)', data, "poisson"))
    figure = Figure()
    figure.set_label(f'{evil}" onerror="alert(1)')
    page, text = page_of(fit, tmp_path, figures={"f": figure}, title=evil, description=f"${{style}} {evil} $1")
    assert "<script" not in text
    assert "<b>trt" not in text
    assert {"script", "onerror"} & {name for tag, attrs in page.tags for name in (tag, *attrs)} == set()
    assert page.text.count(evil) >= 4
    assert "${style}" in page.text
    assert "beta[`<b>trt</b>`]" in page.text


def test_a_model_without_groups_has_no_covariance_and_nothing_conditional(tmp_path: Path) -> None:
    page, _ = page_of(hand_made(glmm("age ~ trt", seizure_like(), "gaussian")), tmp_path)
    assert "Random-effects covariance" not in page.text
    assert "no random effects to be conditional on" in page.text
    assert "b = 0" not in page.text
    assert page.row("sigma", 7)[0] == "sigma"


@pytest.mark.parametrize(
    ("family", "response", "word"),
    [
        ("poisson", "count", "exp(zᵀGz/2)"),
        ("bernoulli", "event", "nearer to zero"),
        ("gaussian", "age", "equals the typical subject's"),
        ("gamma", "age", "read off the population means"),
    ],
)
def test_reading_says_what_averaging_does(family: str, response: str, word: str) -> None:
    link = "inverse" if family == "gamma" else None
    sentences = " ".join(how_to_read(glmm(f"{response} ~ trt + (1 | id)", seizure_like(), family, link=link)))
    assert word in sentences
    assert "conditional on b = 0" in sentences
    assert "not the population's" in sentences
    assert "marginal" not in sentences


@pytest.mark.parametrize(
    ("formula", "family", "sentence"),
    [
        ("p(count, size) ~ trt + (1 | id)", "binomial", "successes in 1,200 trials"),
        ("answer ~ trt + (1 | id)", "bernoulli", "answer = yes in 24 of them (40.0 %)"),
    ],
)
def test_data_sentence_by_kind_of_outcome(formula: str, family: str, sentence: str, tmp_path: Path) -> None:
    data = seizure_like()
    data["count"] = data["count"].clip(upper=20)
    data["answer"] = np.where(np.arange(len(data)) % 5 < 2, "yes", "no")
    page, _ = page_of(hand_made(glmm(formula, data, family)), tmp_path)
    assert sentence in page.text


def test_figures_must_be_pictures_and_the_file_writable(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"figures\['x'\] is neither"):
        write_report(fit, {"x": b"GIF89a"}, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        write_report(fit, {}, tmp_path / "file" / "report.html")


def test_results_are_all_written_and_named(fit: Fit, tmp_path: Path) -> None:
    wanted = Wanted(("coefficients", "random_effects", "population"), "time", "trt", title="A study")
    prepare(tmp_path / "new" / "results")
    written = list(write_results(fit, wanted, tmp_path / "new" / "results"))
    names = [path.name for path in written]
    figures = ["coefficients.png", "random_effects.png", "population.png"]
    assert names == ["fit", "summary.csv", "covariance.csv", *figures, "report.html"]
    assert all(path.exists() for path in written)
    assert (written[1]).read_text().splitlines()[0] == "parameter,mean,median,sd,lower,upper,r_hat,ess_bulk,ess_tail"
    list(write_results(fit, Wanted(()), tmp_path / "new" / "results"))  # again, over the old


def test_each_block_has_its_own_figure_and_population_needs_a_focal() -> None:
    fit = hand_made(glmm("count ~ time + (1 | id) + (1 | severity:trt)", seizure_like(), "poisson"))
    drawn = draw_figures(fit, Wanted(("random_effects",)))
    assert list(drawn) == ["random_effects_id", "random_effects_severity.trt"]
    with pytest.raises(OptionError, match="needs focal"):
        draw_figures(fit, Wanted(("population",)))
    with pytest.raises(OptionError, match="did you mean 'population'"):
        draw_figures(fit, Wanted(("populaton",)))


def test_a_folder_that_cannot_take_results_is_refused_before_sampling(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        prepare(tmp_path / "file" / "results")
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="is not a saved fit"):
        prepare(tmp_path)


def test_the_population_figure_compares_rows_of_the_levels_that_are_held() -> None:
    data = seizure_like(24)
    data["size2"] = np.arange(len(data)) % 7
    formula = 'event ~ age*trt + C(severity, Treatment("Moderate")) + size2 + (1 | id)'
    fit = hand_made(glmm(formula, data, "bernoulli"), draws=50)
    labels = {"age": "age (years)", "trt": "arm", "event": "risk"}
    figure = draw_figures(fit, Wanted(("population",), "age", "trt", labels))["population"]
    moderate = data[(data["severity"] == "Moderate") & (data["trt"] == 1)]
    expected = moderate.groupby("age")["event"].mean()
    for axes in figure.axes:
        (raw,) = (artist for artist in axes.get_children() if artist.get_gid() == "raw 1")
        np.testing.assert_allclose(raw.get_offsets()[:, 1], expected)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "typical: b = 0 of id",
        "population: averaged over id",
    ]
    assert figure.axes[0].get_ylabel() == "risk"
    assert figure.axes[0].get_xlabel() == "age (years)"
    assert "with severity = Moderate" in " ".join(figure.get_supxlabel().split())


def test_the_population_figure_has_no_raw_means_where_none_compare() -> None:
    fit = hand_made(glmm("age ~ time + offset(weeks) + (1 | id)", seizure_like(), "gaussian"), draws=50)
    figure = draw_figures(fit, Wanted(("population",), "time"))["population"]
    assert not [one for axes in figure.axes for one in axes.get_children() if "raw" in str(one.get_gid())]


def test_checks_stand_before_the_figures_and_are_numbered_with_them(fit: Fit, tmp_path: Path) -> None:
    png = fit.random_effects().plot().png(dpi=50)
    page, text = page_of(fit, tmp_path, figures={"effects": png}, checks=True)
    assert "Checks" in page.texts
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 4
    assert re.findall(r"<b>Figure (\d)\.</b>", text) == ["1", "2", "3", "4"]
    assert " ".join(fit.dispersion(seed=1).reading.split()) in page.text
    assert "redrawn" in page.text


def test_a_check_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    data = {"y": [1, 2, 0, 3, 1, 4], "x": [0.0, 1, 2, 0, 1, 2], "w": [1, 2, 1.5, 3, 1, 1]}
    model = glmm("y | weights(w) ~ x", data, "poisson")
    page, _ = page_of(model.fit(seed=1, draws=30, tune=50, chains=1, progress=False), tmp_path, checks=True)
    assert "Not available: the rows of y | weights(w) have weights that are not whole numbers" in page.text
    assert not [tag for tag, _ in page.tags if tag == "img"]


def compared(fit: Fit) -> ElpdComparison:
    other = hand_made(fit.model.update(family="negative_binomial"), draws=200, seed=2)
    return compare({"mine": fit.loo(exact=False), "<b>wider</b>": other.loo(exact=False)})


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_comparisons_stand_in_a_section_with_their_sentences_tables_and_pictures(fit: Fit, tmp_path: Path) -> None:
    elpds = compared(fit)
    smaller = hand_made(fit.model.update("~ . - trt:time"), draws=200, seed=2)
    steps = model_steps({"without": smaller, "mine": fit})
    png = fit.random_effects().plot().png(dpi=50)
    shown = {"Rows left out": elpds, "Steps": steps}
    page, text = page_of(fit, tmp_path, figures={"effects": png}, comparisons=shown)
    assert text.count("<h2>Comparison with other models</h2>") == 1
    assert page.text.index("Rows left out") < page.text.index("Steps") < page.text.index("Prior sensitivity")
    assert all(f"{reading}." in page.text for reading in elpds.readings)
    assert page.row("model", 7) == ["model", "elpd", "se", "elpd_diff", "se_diff", "p_loo", "weight"]
    for name, line in elpds.table.iterrows():
        assert page.row(str(name), 7)[1:] == [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in line]
    assert "mine: + trt:time" in page.text
    mean, sd = steps.estimates.loc[("mine", "beta[trt:time]"), ["mean", "sd"]]
    row = ["beta[trt:time]", "", f"{mean:.3f} ({sd:.3f})".replace("-", "\N{MINUS SIGN}")]
    assert page.row("beta[trt:time]", 3) == row
    assert re.findall(r"<b>Figure (\d)\.</b>", text) == ["1", "2"]  # steps have no picture
    assert page.text.index("elpd") < page.text.index("Figure 1") < page.text.index("Figure 2. effects")
    assert "<b>wider" not in text


def test_what_is_no_comparison_is_refused(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"comparisons\['x'\] is no comparison but Fit; give what bayesglmm.compare"):
        write_report(fit, {}, tmp_path / "report.html", checks=False, comparisons={"x": fit})  # type: ignore[dict-item]
