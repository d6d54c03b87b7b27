"""The command line: what it prints, what it writes, and how it exits."""

import errno
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from handmade import hand_made, seizure_like

import bayesglmm
from bayesglmm import Fit, Model, Sampler, datasets, fit
from bayesglmm.errors import SamplingError
from bayesglmm.faces.cli import main
from bayesglmm.faces.report import results
from bayesglmm.posterior import storage

STUDY = """
title = "Seizures"
description = "What was studied."
data = "seizure.csv"
formula = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"
family = "poisson"
figures = ["coefficients"]
focal = "time"

[sampler]
draws = 500
seed = 7
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with its data in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    seizure_like().to_csv(tmp_path / "seizure.csv", index=False)
    return tmp_path / "study.toml"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put draws by hand in the sampler's place, and keep what was asked of it."""
    options: dict[str, Any] = {}

    def fit(model: Model, *, broken: bool = False, **given: Any) -> Fit:
        options.update(given, rows=model.design.n)
        return hand_made(model, draws=given["draws"], chains=given["chains"], broken=broken)

    monkeypatch.setattr(Model, "fit", fit)
    return options


def test_run_writes_everything_and_says_so(
    study: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "study.toml"]) == 0
    out, err = capsys.readouterr()
    folder = Path("results") / "study"
    wanted = {"fit", "summary.csv", "covariance.csv", "coefficients.png", "report.html"}
    assert {path.name for path in folder.iterdir()} == wanted
    assert all(f"wrote {folder / name}" in out for name in wanted)
    assert "beta[trt:time]" in out
    assert "no problems found" in out
    assert err == ""
    assert asked["draws"] == 500
    assert asked["seed"] == 7
    assert asked["progress"]
    assert bayesglmm.load(folder / "fit").summary().shape == (7, 8)
    assert "What was studied." in (folder / "report.html").read_text(encoding="utf-8")


def test_options_of_run_replace_those_of_the_spec(
    study: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    seizure_like(20).to_csv("other.csv", index=False)
    options = [
        "--data",
        "other.csv",
        "--out",
        "there",
        "--seed",
        "9",
        "--draws",
        "400",
        "--chains",
        "3",
        "--cores",
        "1",
    ]
    assert main(["run", "study.toml", "--quiet", *options]) == 0
    assert capsys.readouterr() == ("", "")
    assert {key: asked[key] for key in ("seed", "draws", "chains", "cores", "rows", "progress")} == {
        "seed": 9,
        "draws": 400,
        "chains": 3,
        "cores": 1,
        "rows": 100,
        "progress": False,
    }
    assert Path("there/report.html").exists()
    assert not Path("results").exists()


COMPARE = """
[compare]
name = "Poisson"
unit = "id"
max_draws = 100

[compare.wider]
family = "negative_binomial"
"""


@pytest.fixture
def compared(study: Path, asked: dict[str, Any]) -> Path:
    """A spec that compares two models."""
    study.write_text(STUDY + COMPARE, encoding="utf-8")
    seizure_like(4).to_csv(study.parent / "seizure.csv", index=False)
    return study.parent / "results" / "study"


def test_run_fits_the_models_to_compare_and_the_report_shows_them(compared: Path) -> None:
    assert main(["run", "study.toml", "--quiet"]) == 0
    assert {path.name for path in compared.iterdir()} == WRITTEN | {"comparison.csv", "comparison.png"}
    table = pd.read_csv(compared / "comparison.csv", index_col="model")
    assert sorted(table.index) == ["Poisson", "wider"]
    page = (compared / "report.html").read_text(encoding="utf-8")
    assert "wider against Poisson: negative_binomial (log link) instead of poisson (log link)." in page
    assert "each id left out whole" in page
    assert "at 100 of 2,000 draws" in page
    assert "not to be relied on" not in page


@pytest.mark.filterwarnings("ignore:a fit without rows:bayesglmm.BayesGLMMWarning")
def test_a_comparison_with_a_fit_that_failed_its_checks_says_so(
    compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Model.fit

    def fit(model: Model, **given: Any) -> Fit:
        return good(model, broken=model.family.name == "negative_binomial", **given)

    monkeypatch.setattr(Model, "fit", fit)
    assert main(["run", "study.toml", "--quiet"]) == 0
    page = (compared / "report.html").read_text(encoding="utf-8")
    assert re.search("wider: SAMPLING FAILED .* The comparison is not to be relied on", page)
    assert "Poisson: SAMPLING FAILED" not in page


def test_a_comparison_that_fails_costs_nothing_else(
    compared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Model.fit

    def fit(model: Model, **given: Any) -> Fit:
        if model.family.name == "negative_binomial":
            raise SamplingError("no draws")
        return good(model, **given)

    monkeypatch.setattr(Model, "fit", fit)
    assert main(["run", "study.toml", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err == "bayesglmm: error: a result could not be made: comparison (no draws); all else is written\n"
    assert {path.name for path in compared.iterdir()} == WRITTEN
    assert "Not available: no draws." in (compared / "report.html").read_text(encoding="utf-8")


def test_an_interrupted_run_fits_no_other_model(
    compared: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, fitted = Model.fit, []

    def partial(model: Model, **given: Any) -> Fit:
        fitted.append(model.family.name)
        fit = good(model, **given)
        fit.draws.attrs["interrupted"] = 1
        return fit

    monkeypatch.setattr(Model, "fit", partial)
    assert main(["run", "study.toml", "--quiet"]) == 130
    assert fitted == ["poisson"]
    assert "Comparison" not in (compared / "report.html").read_text(encoding="utf-8")


def test_a_failed_check_is_loud_writes_all_and_exits_with_3(
    study: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Model.fit
    monkeypatch.setattr(Model, "fit", lambda *args, **given: good(*args, broken=True, **given))
    assert main(["run", "study.toml", "--quiet"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "SAMPLING FAILED" in err
    assert "diverged" in err
    assert Path("results/study/report.html").exists()


def test_an_interruption_exits_with_130(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "fit", interrupt)
    assert main(["run", "study.toml"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_interruption_with_draws_writes_them_and_exits_with_130(
    study: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Model.fit

    def partial(*args: Any, **given: Any) -> Fit:
        fit = good(*args, **given)
        fit.draws.attrs["interrupted"] = 1
        return fit

    monkeypatch.setattr(Model, "fit", partial)
    assert main(["run", "study.toml", "--quiet"]) == 130
    assert Path("results/study/report.html").exists()


FULL = OSError(errno.ENOSPC, "No space left on device")
WRITTEN = {"fit", "summary.csv", "covariance.csv", "coefficients.png", "report.html"}


def test_a_fit_that_cannot_be_saved_where_it_should_is_saved_elsewhere(
    study: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = storage.replace_file

    def full(path: Path, data: bytes) -> None:
        if path.is_relative_to("results"):
            raise FULL
        real(path, data)

    monkeypatch.setattr(storage, "replace_file", full)
    monkeypatch.setattr("tempfile.tempdir", str(study.parent))
    assert main(["run", "study.toml", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert "No space left on device" in err
    (place,) = re.findall("it is in '([^']*)' instead", err)
    assert bayesglmm.load(place).summary().shape == (7, 8)
    monkeypatch.setattr(storage, "replace_file", lambda *_: (_ for _ in ()).throw(FULL))
    assert main(["run", "study.toml", "--quiet"]) == 1
    assert "instead" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["summary.csv", "covariance.csv", "coefficients.png", "report.html"])
def test_results_that_cannot_be_written_leave_the_fit_and_say_where(
    study: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(path: Path, data: bytes, write: Any = results.write_file) -> None:
        if path.name == name:
            raise FULL
        write(path, data)

    for module in (results, sys.modules["bayesglmm.faces.report.page"]):
        monkeypatch.setattr(module, "write_file", full)
    assert main(["run", "study.toml", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "the fit itself is in 'results/study/fit'" in err
    assert bayesglmm.load("results/study/fit").summary().shape == (7, 8)
    assert "Run it again" in Path("results/study/unfinished.txt").read_text(encoding="utf-8")
    monkeypatch.undo()
    monkeypatch.chdir(study.parent)
    monkeypatch.setattr(Model, "fit", lambda model, **_: hand_made(model))
    assert main(["run", "study.toml", "--quiet"]) == 0
    assert {path.name for path in Path("results/study").iterdir()} == WRITTEN


class Gone(io.StringIO):
    """An output that cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("output", "said"), [(Gone(FULL), "cannot be printed: .*No space left"), (Gone(BrokenPipeError()), ""), (None, "")]
)
def test_a_run_is_finished_even_if_nobody_hears_of_it(
    study: Path,
    asked: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    output: Any,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["run", "study.toml"]) == 0
    monkeypatch.undo()
    err = capsys.readouterr().err
    assert re.search(said, err) if said else err == ""
    assert {path.name for path in (study.parent / "results" / "study").iterdir()} == WRITTEN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_to_a_full_disk_is_an_error_in_words(study: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "bayesglmm", "check", "study.toml"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1
    assert re.fullmatch("bayesglmm: error: .*No space left on device\n", run.stderr)


def test_a_terminal_without_greek_letters_and_a_reader_that_has_gone(study: Path) -> None:
    command = [sys.executable, "-m", "bayesglmm", "check", "study.toml"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    run = subprocess.run(command, capture_output=True, text=True, env=ascii_only)
    assert (run.returncode, run.stderr) == (0, "")
    assert r"Poisson(\u03bc)" in run.stdout
    reader, writer = os.pipe()
    os.close(reader)
    try:
        piped = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writer)
    assert (piped.returncode, piped.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks children to kill")
@pytest.mark.parametrize("times", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_runs_leave_whole_files(times: int) -> None:
    """See `faults.py`, which says what it saw where it fails."""
    command = [sys.executable, str(Path(__file__).parents[1] / "faults.py"), "runs", str(times)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "gone.toml"], "there is no spec file"),
        (["check", "studdy.toml"], "did you mean 'study'"),
        (["run", "study.toml", "--data", "gone.csv"], "there is no file"),
        (["run", "study.toml", "--draws", "1"], "draws=1 is not a whole number from"),
        (["run", "study.toml", "--out", "seizure.csv"], "cannot be written"),
        (["data", "seizures"], "did you mean 'seizure'"),
    ],
)
def test_errors_are_one_message_and_exit_code_1(
    study: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bayesglmm: error: ")
    assert message in err
    assert "Traceback" not in err


def test_an_error_in_the_formula_points_at_it(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_text(STUDY.replace("+ (1 + time | id)", "+ (1 + time | id) extra"), encoding="utf-8")
    assert main(["check", "study.toml"]) == 1
    assert "^" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["run"], ["dance"], ["run", "a.toml", "--draws", "many"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: bayesglmm" in capsys.readouterr().err


def test_help_and_version_exit_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, text in ((["--help"], "check"), (["run", "--help"], "--cores"), (["--version"], "bayesglmm 0")):
        with pytest.raises(SystemExit) as error:
            main(arguments)
        assert error.value.code == 0
        assert text in capsys.readouterr().out


def test_check_prints_the_model_and_samples_nothing(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "fit", None)
    assert main(["check", "study.toml"]) == 0
    out = capsys.readouterr().out
    assert all(
        part in out for part in ("count ~ Poisson(μ)", "lkj(2)", "60 rows", "draws 500", "figures: coefficients")
    )
    assert not Path("results").exists()


def test_check_names_the_models_to_compare(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_text(STUDY + COMPARE, encoding="utf-8")
    assert main(["check", "study.toml"]) == 0
    said = "compared with wider: negative_binomial (log link) instead of poisson (log link)"
    assert said in capsys.readouterr().out
    study.write_text(STUDY + COMPARE.replace("negative_binomial", "gaussian"), encoding="utf-8")
    assert main(["check", "study.toml"]) == 1
    assert "compare.wider: 'Poisson' and 'wider' cannot be compared" in capsys.readouterr().err


def test_check_takes_other_data(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "study.toml", "--data", "seizure"]) == 0
    assert "295 rows" in capsys.readouterr().out


def test_data_lists_what_ships_and_describes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(datasets.names())
    for name in datasets.names():
        assert main(["data", name]) == 0
        out = capsys.readouterr().out
        entry = next(entry for entry in datasets.CATALOGUE if entry.name == name)
        assert all(column in out and text in out for column, text in entry.columns.items())
        assert "sha256" in out


def test_help_and_data_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom bayesglmm.faces.cli import main\nmain(['data', 'seizure'])\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'pymc', 'arviz', 'matplotlib', 'nutpie', 'scipy'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_package_runs_as_a_module() -> None:
    run = subprocess.run([sys.executable, "-m", "bayesglmm", "data", "nothing"], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("bayesglmm: error: no data set is called 'nothing'")


def test_every_setting_of_a_spec_is_one_of_fit() -> None:
    for road in (fit, Model.fit):
        assert set(Sampler.options()) | {"progress"} <= set(inspect.signature(road).parameters)
        defaults = {name: one.default for name, one in inspect.signature(road).parameters.items()}
        assert Sampler() == Sampler(**{name: defaults[name] for name in Sampler.options()})
