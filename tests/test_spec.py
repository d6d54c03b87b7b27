"""Specs are read wholly or refused, with the nearest known key, the line, or what is wanted."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade import seizure_like

from bayesglmm import datasets
from bayesglmm.errors import BayesGLMMError, SpecError
from bayesglmm.report.results import _DRAWERS
from bayesglmm.sampling import Sampler
from bayesglmm.spec import FIGURES, Spec, read_data, read_spec

STUDIES = sorted((Path(__file__).parents[1] / "models").glob("*.toml"))

MINIMAL = """
title = "Seizures"
data = "seizure"
formula = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"
family = "poisson"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Spec:
    return read_spec(written(folder, text))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_reads_and_builds(path: Path) -> None:
    spec = read_spec(path)
    model = spec.model()
    assert spec.name == path.stem
    assert model.design.n == len(datasets.load(spec.data))
    assert spec.drawn(model) == FIGURES
    assert spec.focal in spec.labels
    assert spec.by in spec.labels


def test_a_minimal_spec_has_defaults_and_draws_what_it_can(tmp_path: Path) -> None:
    spec = read(tmp_path, MINIMAL)
    assert (spec.link, spec.priors, spec.missing, spec.sampler) == (None, None, "error", Sampler())
    assert spec.drawn(spec.model()) == ("coefficients", "random_effects", "diagnostics")
    assert read(tmp_path, MINIMAL + "figures = []").drawn(spec.model()) == ()


def test_all_keys_are_read(tmp_path: Path) -> None:
    spec = read(
        tmp_path,
        MINIMAL
        + """
description = "What was studied."
link = "log"
missing = "drop"
figures = ["population", "coefficients", "population"]
focal = "time"
by = "trt"
[priors]
slopes = "normal(0, 1)"
sd.id.time = "exponential(2)"
[sampler]
draws = 200
seed = 4
target_accept = 0.95
[labels]
time = "time (years)"
""",
    )
    assert spec.figures == ("population", "coefficients")
    assert spec.sampler == Sampler(draws=200, seed=4, target_accept=0.95)
    assert spec.labels == {"time": "time (years)"}
    priors = spec.model().priors
    assert str(priors.slopes[0].prior) == "normal(0, 1)"
    assert str(priors.sd["id"][1].prior) == "exponential(2)"
    assert str(priors.sd["id"][0].prior).startswith("half_student_t")


def test_priors_may_be_a_preset(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMAL + 'priors = "rstanarm"').model().priors.preset == "rstanarm"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('formla = "y ~ x"', r"unknown key 'formla'; did you mean 'formula'\?"),
        ("[sampler]\ndraw = 3", r"no setting 'draw'; did you mean 'draws'\?"),
        ("[sampler]\ndraws = 'many'", "draws='many' is not a whole number"),
        ("[sampler]\ndraws = 1.5", "draws=1.5 is not a whole number"),
        ("[sampler]\ntarget_accept = 2.0", "target_accept=2.0 is not between"),
        ("sampler = 3", r"sampler is a table of settings, \[sampler\], not a number"),
        ("link = true", "link is a text in quotes, not true or false"),
        ("link = ''", "link is a text in quotes, not an empty text"),
        ("link = 2020-01-01", "not a date or time"),
        ("figures = 'coefficients'", "figures is a list such as"),
        ("figures = ['coeficients']", r"'coeficients', which is not a figure; did you mean 'coefficients'\?"),
        ("figures = [1]", "has 1, which is not a figure"),
        ("figures = [['coefficients']]", "which is not a figure"),
        ("missing = 'skip'", "missing='skip' is not an option"),
        ("missing = 1", "missing=1 is not an option"),
        ("priors = 3", "priors is a table of priors"),
        ("[priors]\nslopes = 2.5", "priors.slopes is a prior such as"),
        ("[priors.sd]\nid = ['normal(0, 1)']", "priors.sd.id is a prior such as .*not a list"),
        ("labels = 'time'", "labels is a table of texts by column"),
        ("[labels]\ntime = 3", "labels.time is a text in quotes"),
        ("figures = ['population']", "needs focal"),
        ("by = 'trt'", "no focal predictor"),
        ("focal = 'trt'\nby = 'trt'", "both 'trt'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        read(tmp_path, MINIMAL + text)
    assert "study.toml" in str(error.value)


def test_missing_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the key data, formula, family is missing"):
        read(tmp_path, 'title = "Nothing"')


@pytest.mark.parametrize(
    ("text", "line"), [('title = "a"\nformula = y ~ x\n', "line 2"), ('title = "a"\ndata = """never closed', "line 2")]
)
def test_bad_toml_gives_the_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(SpecError, match=f"not TOML.*{line}"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    with pytest.raises(SpecError, match=r"there is no spec file.*did you mean 'study'"):
        read_spec(tmp_path / "studdy.toml")
    with pytest.raises(SpecError, match="there is no spec file"):
        read_spec(tmp_path)
    path.write_bytes(b'title = "\xff"')
    with pytest.raises(SpecError, match="not UTF-8 text at byte 9"):
        read_spec(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("focal = 'tme'", r"study.toml: focal='tme' is not a predictor.*did you mean 'time'\?"),
        ("focal = 'time'\nby = 'count'", "by='count' is not a predictor"),
        ("link = 'logit'", "poisson family has no link 'logit'"),
        ("[priors]\nslope = 'normal(0, 1)'", "did you mean 'slopes'"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_sampling(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BayesGLMMError, match=message):
        read(tmp_path, MINIMAL + text).model()


@pytest.mark.parametrize(
    ("formula", "figure"), [("count ~ trt", "random_effects"), ("count ~ 0 + (1 | id)", "coefficients")]
)
def test_figures_that_the_model_has_not_are_refused(tmp_path: Path, formula: str, figure: str) -> None:
    text = f'title = "a"\ndata = "seizure"\nfamily = "poisson"\nformula = "{formula}"\n'
    assert figure not in (spec := read(tmp_path, text)).drawn(spec.model())
    with pytest.raises(SpecError, match=f"figures asks for {figure}"):
        read(tmp_path, f"{text}figures = ['{figure}']").model()


def test_data_are_read_relative_to_the_spec_and_replaced_relative_to_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    data = seizure_like()
    data.to_csv(tmp_path / "own.csv", index=False)
    data.head(20).to_parquet(tmp_path / "here" / "other.parquet")
    spec = read(tmp_path, MINIMAL.replace('"seizure"', '"own.csv"'))
    monkeypatch.chdir(tmp_path / "here")
    pd.testing.assert_frame_equal(spec.load_data(), data)
    pd.testing.assert_frame_equal(spec.load_data("other.parquet"), data.head(20))
    pd.testing.assert_frame_equal(spec.load_data("cbpp"), datasets.load("cbpp"))
    assert spec.model().design.n == 60
    assert spec.model(data.head(20)).design.n == 20


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("seizures", r"neither a shipped data set nor.*did you mean 'seizure'\?"),
        ("gone.csv", "there is no file"),
        ("data.xlsx", "path of a .csv or .parquet file"),
        ("empty.csv", "cannot be read"),
        ("broken.parquet", "cannot be read"),
    ],
)
def test_data_that_cannot_be_read(tmp_path: Path, data: str, message: str) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.parquet").write_text("not parquet")
    with pytest.raises(SpecError, match=message):
        read_data(data, tmp_path)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.parquet").write_text("")

    def refuse(*_: Any, **__: Any) -> None:
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", refuse)
    with pytest.raises(SpecError, match="install it, or save the data as CSV"):
        read_data("data.parquet", tmp_path)


def test_the_figures_of_a_spec_are_those_a_report_draws() -> None:
    assert tuple(_DRAWERS) == FIGURES
