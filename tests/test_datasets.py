"""The shipped data are what the catalogue says, come from where it says, and hold the studies they name."""

import hashlib
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import bayesglmm as bg
from bayesglmm import datasets
from bayesglmm.errors import DataError

ROOT = Path(__file__).parents[1]
FOLDER = Path(datasets.__file__).parent
SIMULATED = ("ohio", "rehab")
REAL_OHIO = ROOT.parent / "shared" / "data" / "ohio_lung.csv"


def script(name: str) -> ModuleType:
    """Import the generating script of a simulated set."""
    spec = importlib.util.spec_from_file_location(f"simulate_{name}", ROOT / "models" / f"simulate_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def poisson_fit(x: np.ndarray, y: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Fit a Poisson regression with a log link by reweighted least squares; beta has shape (k,)."""
    eta = np.log(y + 0.5)
    for _ in range(30):
        mean = np.exp(eta)
        working = eta - offset + (y - mean) / mean
        beta = np.linalg.solve(x.T @ (mean[:, None] * x), x.T @ (mean * working))
        eta = x @ beta + offset
    return beta


@pytest.mark.parametrize("entry", datasets.CATALOGUE, ids=datasets.names())
def test_rows_and_columns_are_the_documented_ones(entry: datasets.Dataset) -> None:
    data = datasets.load(entry.name)
    assert len(data) == entry.rows
    assert list(data.columns) == list(entry.columns)
    assert not data.isna().to_numpy().any()
    assert all(entry.columns.values())


def test_names_are_the_files_of_the_folder() -> None:
    assert datasets.names() == tuple(sorted(path.stem for path in FOLDER.glob("*.csv")))
    assert not {"sex2", "ohio_lung"} & set(datasets.names())


def test_describe_has_a_row_for_each_name() -> None:
    table = datasets.describe()
    assert tuple(table.index) == datasets.names()
    assert table.index.name == "name"
    assert list(table.columns) == ["rows", "study", "simulated", "source", "permission"]
    assert set(table.index[table["simulated"]]) == {"asthma", "ohio", "rehab"}


def test_provenance_has_an_entry_and_the_checksum_of_each_file() -> None:
    text = (FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^## (\w+)$.*?^sha256 `(\w{64})`$", text, flags=re.MULTILINE | re.DOTALL))
    assert entries == {
        name: hashlib.sha256((FOLDER / f"{name}.csv").read_bytes()).hexdigest() for name in datasets.names()
    }


@pytest.mark.parametrize("name", SIMULATED)
def test_simulated_files_reproduce_byte_for_byte(name: str, tmp_path: Path) -> None:
    script(name).main(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (FOLDER / f"{name}.csv").read_bytes()


def test_unknown_name_is_an_error_that_lists_and_suggests() -> None:
    with pytest.raises(DataError, match=r"called 'seizures'; did you mean 'seizure'\?") as error:
        datasets.load("seizures")
    assert all(name in str(error.value) for name in datasets.names())


def test_load_returns_a_new_frame_each_time() -> None:
    first = datasets.load("cbpp")
    first["size"] = -1
    assert datasets.load("cbpp")["size"].min() > 0


def test_text_columns_stay_text() -> None:
    asthma, culcita = datasets.load("asthma"), datasets.load("culcita")
    for column in (asthma["treat"], asthma["severity"], culcita["crab"], culcita["shrimp"]):
        assert not isinstance(column.dtype, pd.CategoricalDtype)
        assert all(type(value) is str for value in column)


def test_seizure_is_the_textbook_version() -> None:
    data = datasets.load("seizure")
    totals = data.groupby(["trt", "time"])["count"].sum()
    assert totals.to_dict() == {(0, 0): 862, (0, 1): 964, (1, 0): 981, (1, 1): 988}
    assert data.groupby("trt")["id"].nunique().to_dict() == {0: 28, 1: 31}
    assert (data["weeks"] == np.where(data["time"] == 0, 8, 2)).all()
    at_baseline = data[data["time"] == 0]
    assert (at_baseline["count"] == at_baseline["baseline"]).all()
    assert data.loc[data["id"] == 49, "count"].tolist() == [151, 102, 65, 72, 63]


def test_toenail_patients_and_severe_outcomes() -> None:
    data = datasets.load("toenail")
    assert data.groupby("treatment")["id"].nunique().to_dict() == {0: 146, 1: 148}
    assert data.groupby("treatment")["outcome"].sum().to_dict() == {0: 214, 1: 194}
    assert data["month"].max() == 18.5


def test_crossover_cells_are_the_printed_table() -> None:
    data = datasets.load("crossover")
    assert (data["trt"] == np.where(data["sequence"] == 1, data["period"], 1 - data["period"])).all()
    wide = data.pivot(index=["sequence", "id"], columns="period", values="outcome").reset_index()
    cells = wide.groupby(["sequence", 0, 1]).size().to_dict()
    first = {(1, 0, 0): 22, (1, 0, 1): 6, (1, 1, 1): 6}
    assert cells == first | {(2, 0, 0): 18, (2, 0, 1): 2, (2, 1, 0): 4, (2, 1, 1): 9}


def test_asthma_children_and_control() -> None:
    data = datasets.load("asthma")
    children = data.groupby("id").agg(treat=("treat", "unique"), severity=("severity", "unique"))
    assert (children.map(len) == 1).all(axis=None)
    assert data.groupby("treat")["id"].nunique().to_dict() == {"Steroid": 52, "Usual": 68}
    assert (data["weeks"] == 12 * data["visit"]).all()
    assert data["control"].sum() == 343


def test_small_sets_are_the_published_ones() -> None:
    cbpp, endometrial = datasets.load("cbpp"), datasets.load("endometrial")
    assert (cbpp["incidence"].sum(), cbpp["size"].sum()) == (99, 842)
    assert endometrial.loc[endometrial["NV"] == 1, "HG"].eq(1).all()
    assert endometrial["HG"].sum() == 30
    culcita, sleep = datasets.load("culcita"), datasets.load("sleepstudy")
    defenders = (culcita["crab"] + culcita["shrimp"]).groupby(culcita["ttt"]).unique()
    assert [list(kinds) for kinds in defenders] == [["nn"], ["ny"], ["yn"], ["yy"]]
    assert culcita["predation"].sum() == 50
    assert sleep["Subject"].nunique() == 18
    assert sleep["Reaction"].mean() == pytest.approx(298.507892, abs=1e-6)


def test_ohio_has_the_design_and_recovers_its_truth() -> None:
    data, truth = datasets.load("ohio"), script("ohio")
    cells = data[["county", "sex", "race", "year"]]
    assert not cells.duplicated().any()
    assert cells.nunique().to_dict() == {"county": 88, "sex": 2, "race": 2, "year": 21}
    assert (data["pop"] >= 1).all()
    assert (data["death"] <= data["pop"]).all()
    pop, death = data["pop"].to_numpy(), data["death"].to_numpy()
    county = pd.get_dummies(data["county"]).to_numpy(float)  # fixed county effects: no integral needed
    within = np.column_stack([data["sex"] == 2, data["race"] == 2, data["year"] - 11]).astype(float)
    beta = poisson_fit(np.column_stack([within, county]), death, np.log(pop))
    errors = beta[:3] - [truth.FEMALE, truth.NONWHITE, truth.YEAR]
    assert (np.abs(errors) < 4 * np.array([0.0073, 0.0101, 0.0005])).all()  # four standard errors
    assert beta[3:].mean() == pytest.approx(truth.INTERCEPT, abs=0.09)
    assert beta[3:].std() == pytest.approx(truth.SD_COUNTY, abs=0.06)


def test_ohio_without_counties_has_the_published_dispersion() -> None:
    """The published quasi-Poisson regression on sex and race has φ = 2.20: to two decimals here."""
    assert round(script("ohio").dispersion(datasets.load("ohio")), 2) == 2.20


@pytest.mark.skipif(not REAL_OHIO.exists(), reason="the real Ohio deaths may not be shipped")
def test_the_dispersion_of_the_real_ohio_deaths_is_the_published_one() -> None:
    """Which regression the published 2.20 is of: that on sex and race, without the year."""
    assert round(script("ohio").dispersion(pd.read_csv(REAL_OHIO)), 2) == 2.20


def test_ohio_is_estimated_within_two_standard_errors_of_its_truth() -> None:
    assert (script("ohio").distances(datasets.load("ohio")).abs() < 2).all()


def test_rehab_is_estimated_within_two_standard_errors_of_the_published_output() -> None:
    """glmer's published figures: without hours, then with hours as the script reads them."""
    data = datasets.load("rehab")
    published = {
        "incidents ~ trt + gender + (1 | centre)": [0.787, -0.312, 0.360, 1.124],
        "incidents ~ trt + gender + I(hours - 8) + (1 | centre)": [0.787, -0.312, 0.360, -0.409, 0.288],
    }
    for formula, values in published.items():
        table = bg.maximum_likelihood(formula, data, "poisson").summary()
        assert (abs(table["estimate"] - values) < 2 * table["std_error"]).all(), formula


def test_hours_explain_what_the_two_published_sds_of_centres_differ_by() -> None:
    truth = script("rehab")
    hours = np.abs(truth.HOURS) * truth.SD_HOURS
    assert np.hypot(hours, truth.SD_GIVEN_HOURS) == pytest.approx(truth.SD_CENTRE)
    centres = datasets.load("rehab").groupby("centre")["hours"].first()
    assert centres.std() == pytest.approx(truth.SD_HOURS, abs=3 * truth.SD_HOURS / np.sqrt(2 * 110))


def test_the_seed_of_rehab_is_the_first_that_is_near_its_truth() -> None:
    truth = script("rehab")
    assert truth.first_seed() == truth.SEED


@pytest.mark.slow
def test_the_seed_of_ohio_is_the_first_that_is_near_its_truth() -> None:
    truth = script("ohio")
    assert truth.first_seed() == truth.SEED


def test_rehab_has_the_design_and_recovers_its_truth() -> None:
    data, truth = datasets.load("rehab"), script("rehab")
    assert data["patient"].is_unique
    assert data["centre"].nunique() == 110
    assert (data.groupby("centre")["hours"].nunique() == 1).all()
    assert data["hours"].agg(["min", "max"]).to_list() == [1.5, 14.5]
    male = data["gender"] == "male"
    x = np.column_stack([np.ones(len(data)), data["trt"], male, data["hours"] - truth.MEAN_HOURS]).astype(float)
    beta = poisson_fit(x, data["incidents"].to_numpy(), np.zeros(len(data)))
    population_intercept = truth.INTERCEPT + truth.SD_GIVEN_HOURS**2 / 2  # log link: E exp(b) = exp(sd^2 / 2)
    errors = beta - [population_intercept, truth.TRT, truth.MALE, truth.HOURS]
    assert (np.abs(errors) < [0.2, 0.2, 0.2, 0.06]).all()


def test_every_spec_names_a_shipped_data_set() -> None:
    paths = sorted((ROOT / "models").glob("*.toml"))
    for path in paths:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
        assert spec["data"] == path.stem
        columns = set(datasets.load(spec["data"]).columns)
        assert {spec["focal"], spec["by"]} <= columns
        words = set(re.findall(r"[A-Za-z_]+", re.sub(r'"[^"]*"', "", spec["formula"])))
        assert words - columns <= {"C", "I", "log", "offset", "Treatment"}
    assert [path.stem for path in paths] == ["asthma", "crossover", "ohio", "rehab", "seizure", "toenail"]
