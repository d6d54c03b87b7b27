"""Specs are read wholly or refused, with the nearest known key, the line, or what is wanted."""

import os
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade import seizure_like

from bayesglmm import datasets
from bayesglmm.errors import BayesGLMMError, SpecError
from bayesglmm.faces.report.results import _DRAWERS
from bayesglmm.faces.spec import FIGURES, Spec, read_data, read_spec
from bayesglmm.sample.settings import Sampler

STUDIES = sorted((Path(__file__).parents[2] / "models").glob("*.toml"))

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
    assert spec.figures_of(model) == FIGURES
    assert spec.focal in spec.labels
    assert spec.by in spec.labels


def test_a_minimal_spec_has_defaults_and_draws_what_it_can(tmp_path: Path) -> None:
    spec = read(tmp_path, MINIMAL)
    assert (spec.link, spec.priors, spec.missing, spec.sampler) == (None, None, "error", Sampler())
    assert spec.figures_of(spec.model()) == ("coefficients", "random_effects", "diagnostics")
    assert read(tmp_path, MINIMAL + "figures = []").figures_of(spec.model()) == ()


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


def test_models_to_compare_are_built_from_what_is_changed(tmp_path: Path) -> None:
    spec = read(
        tmp_path,
        MINIMAL
        + """
[compare]
name = "Poisson"
unit = "id"
max_draws = 500
[compare.wider]
family = "negative_binomial"
[compare."one change for all"]
formula = "~ . - (1 + time | id) + (1 | id)"
priors.slopes = "normal(0, 1)"
""",
    )
    assert spec.compare is not None
    assert (spec.compare.name, spec.compare.unit, spec.compare.max_draws) == ("Poisson", "id", 500)
    built = spec.alternatives(spec.model())
    assert list(built) == ["wider", "one change for all"]
    assert built["wider"].family.name == "negative_binomial"
    assert built["wider"].formula == spec.model().formula
    assert built["one change for all"].design.blocks[0].columns == ("Intercept",)
    assert str(built["one change for all"].priors.slopes[0].prior) == "normal(0, 1)"
    assert read(tmp_path, MINIMAL).alternatives(spec.model()) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[compare.b]\nfamily = 'gaussian'", "compare.b: 'this model' and 'b' cannot be compared: the gaussian family"),
        ("[compare.b]\nformula = 'weeks ~ .'", "compare.b: 'this model' and 'b' have different outcomes"),
        ("[compare.b]\nformula = '~ . + dose'", "compare.b: .*dose"),
        (
            "[compare]\nunit = 'centre'\n[compare.b]\nfamily = 'negative_binomial'",
            "compare.b: unit='centre' is neither",
        ),
        ("[compare]\nunit = 'id'\n[compare.b]\nformula = '~ trt'", "compare.b: unit='id' is neither"),
    ],
)
def test_models_that_cannot_be_compared_are_refused_before_sampling(tmp_path: Path, text: str, message: str) -> None:
    spec = read(tmp_path, MINIMAL + text)
    with pytest.raises(SpecError, match=message) as error:
        spec.alternatives(spec.model())
    assert "study.toml" in str(error.value)


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
        ("compare = 'gaussian'", r"compare is a table of models, such as \[compare.without_x\], not a text"),
        ("[compare]\nunit = 'id'", "compare names no model"),
        (
            "[compare]\nunits = 'id'",
            r"no setting 'units'; did you mean 'unit'\?.*; a model is a table, \[compare.units\]",
        ),
        (
            "[compare.unit]\nfamily = 'bernoulli'\n[compare.b]\nlink = 'log'",
            "compare.unit is a text in quotes, not a table",
        ),
        ("[compare]\nmax_draws = 99\n[compare.b]\nlink = 'log'", "max_draws is a whole number of 100 or more"),
        ("[compare]\nmax_draws = 2e3\n[compare.b]\nlink = 'log'", "max_draws is a whole number of 100 or more"),
        ("[compare]\nname = 'b'\n[compare.b]\nlink = 'log'", "name='b' is also that of another model"),
        ("[compare.b]", "compare.b changes nothing; give one of formula, family, link, priors"),
        ("[compare.b]\nfamilly = 'poisson'", r"compare.b has no key 'familly'; did you mean 'family'\?"),
        ("[compare.b]\nformula = 3", "compare.b.formula is a text in quotes, not a number"),
        ("[compare.b.priors]\nslopes = 2.5", "compare.b.priors.slopes is a prior such as"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        read(tmp_path, MINIMAL + text)
    assert "study.toml" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("description = " + "[" * 5000, "nested too deep"),
        ("[priors]\n" + "a." * 5000 + "b = 'normal(0, 1)'", "nested too deep"),
        ("[labels." + ".".join(["a"] * 5000) + "]", "nested too deep"),
        ("figures = " + "[" * 90 + "]" * 90, "nested too deep"),
        ("[sampler]\ndraws = " + "9" * 5000, "out of range"),
        ("[sampler]\ndraws = 0x" + "f" * 5000, "beyond ±2"),
        ("[sampler]\ndraws = 9223372036854775808", "beyond ±2"),
        ("[sampler]\nseed = nan", "seed=nan is not a whole number"),
        ("[sampler]\ntarget_accept = nan", "target_accept=nan is not between"),
        ("[sampler]\nbackend = ['auto']", "backend=.* is not an option"),
        ("[sampler]\nprior_only = 'no'", "neither True nor False"),
        ("x" * 5000 + " = 1", "the key 'x+…' has 5,000 characters"),
        ("link.a.b = 1", "link is a text in quotes, not a table"),
        ("[[priors]]\nslopes = 'flat'", "priors is a table of priors, or the name of a preset, not a list"),
        ("title = 'again'", "not TOML"),
        ("day = 2020-13-45", "not TOML"),
        ("title\\u0000 = 1", "not TOML"),
        ("#" * 2**22, "has 4,.* bytes"),
    ],
    ids=lambda text: text[:20],
)
def test_what_no_one_would_write_is_refused_in_few_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as error:
        read(tmp_path, MINIMAL + text)
    assert len(str(error.value)) < 1000


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    text = MINIMAL.replace("Seizures", "Épilepsie µ")
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        assert read_spec(path).title == "Épilepsie µ"
    for encoding in ("utf-16", "latin-1", "utf-32"):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(SpecError, match="not UTF-8 text at byte"):
            read_spec(path)
    for content in (b"", b"\0" * 100, os.urandom(100), b"PK\x03\x04" + b"\0" * 50):
        path.write_bytes(content)
        with pytest.raises(SpecError):
            read_spec(path)


@pytest.mark.parametrize("name", ["\0", "a" * 300, "\ud800"])
def test_a_name_that_no_file_can_have_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="there is no spec file"):
        read_spec(tmp_path / f"{name}.toml")
    with pytest.raises(SpecError, match="there is no file"):
        read_data(f"{name}.csv", tmp_path)


FULL = (
    MINIMAL
    + """
description = '''What
was studied.'''
link = "log"
missing = "drop"
figures = ["population", "coefficients"]
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
[compare]
unit = "id"
[compare.wider]
family = "negative_binomial"
"""
)
VALUES = (
    *("1", "-1", "1e400", "nan", "-inf", "0x" + "f" * 5000, "9" * 400, "9" * 5000, "true", "07:32:00", "1979-05-27"),
    *("[]", "{}", "[[]]", "''", r'"\u0000"', '"' + "x" * 5000 + '"', "[" * 3000, "{" + "a." * 4000 + "b=1}", "[1, {}]"),
)
PIECES = ('"', "'", "=", "[", "]", "{", r"\u0000", "\0", "\ufeff", "é", "\r", ",", ".", "\\", "#", "\n")


def changed(text: str, rng: random.Random) -> bytes:
    """Change bytes, remove or insert pieces, swap lines, or give a key another value."""
    lines, at = text.split("\n"), rng.randrange(len(text))
    line, key = (i := rng.randrange(len(lines))), lines[i].split("=")[0].strip() or "x"
    match rng.randrange(6):
        case 0:
            data = bytearray(text.encode())
            for _ in range(rng.choice((1, 1, 2, 5))):
                data[rng.randrange(len(data))] = rng.randrange(256)
            return bytes(data)
        case 1:
            return (text[:at] + text[at + rng.choice((1, 3, 20)) :]).encode()
        case 2:
            return (text[:at] + rng.choice(PIECES) + text[at:]).encode()
        case 3:
            other = rng.randrange(len(lines))
            lines[line], lines[other] = lines[other], lines[line]
        case 4:
            lines[line] = f"{key} = {rng.choice(VALUES)}"
        case _:
            lines.insert(line, rng.choice((f"{key}.a.b = 1", f"[[{key}]]", f"{key}{'.a' * 5000} = 1", "[labels]")))
    return "\n".join(lines).encode()


@pytest.mark.parametrize("times", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_spec_is_read_wholly_or_refused_whatever_is_in_it(tmp_path: Path, times: int) -> None:
    path, rng, built = tmp_path / "study.toml", random.Random(1), 0
    for _ in range(times):
        path.write_bytes(changed(FULL, rng))
        try:
            spec = read_spec(path)
        except SpecError:
            continue
        try:
            built += spec.model().design.n > 0
        except BayesGLMMError:
            continue
    assert built > times // 20


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
    assert figure not in (spec := read(tmp_path, text)).figures_of(spec.model())
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
