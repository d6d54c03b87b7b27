"""The six worked studies run from their specs and give their published figures under weak priors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import reference

import bayesglmm as bg
from bayesglmm.faces.spec import read_spec

MODELS = Path(__file__).parents[1] / "models"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "ohio_lung.csv"
WEAK = {"slopes": "normal(0, 100)", "intercept": "normal(0, 100)"}
SAMPLER = {"draws": 1000, "tune": 500, "target_accept": 0.8, "seed": 6, "progress": False}


def fit_study(name: str, data: pd.DataFrame | None = None, **changes) -> bg.Fit:
    """Fit a spec with weak priors, which maximum likelihood can be compared with."""
    spec = read_spec(MODELS / f"{name}.toml")
    frame = spec.load_data() if data is None else data
    settings = {"priors": WEAK, **SAMPLER, **changes}
    return bg.fit(spec.formula, frame, spec.family, link=spec.link, **settings)


def within(fit: bg.Fit, expected: list[float], sds: float) -> None:
    """Assert that posterior means of the coefficients lie within some posterior sds of the expected values."""
    table = fit.summary().filter(like="beta[", axis=0)
    distance = (table["mean"].to_numpy() - np.array(expected)) / table["sd"].to_numpy()
    assert np.abs(distance).max() < sds, dict(zip(table.index, distance, strict=True))


def test_seizure_is_the_textbook_table():
    fit = fit_study("seizure")
    within(fit, list(reference("seizure_ml")["fixef"].values()), 0.25)
    g = fit.varcorr().loc["id"].loc["covariance"]["median"]
    assert abs(g.loc[("Intercept", "Intercept")] - 0.50) < 0.06


def test_toenail_is_the_quadrature_table():
    within(fit_study("toenail"), list(reference("toenail_ml")["fixef"].values()), 0.25)


def test_crossover_is_held_by_its_prior_where_likelihood_runs_away():
    """Laplace's maximum is at sd 23, the converged one at 4.9 with standard errors above 2: the prior decides."""
    fit = fit_study("crossover", priors=None, draws=6000, target_accept=0.9)
    assert fit.check().ok
    sd = fit.summary().loc["sd_id[Intercept]"]
    assert sd["lower"] < reference("crossover_ml")["re_sd"][0] < sd["upper"] < 23
    weaker = fit_study("crossover", priors={"slopes": "normal(0, 10)"}, draws=2000, target_accept=0.9)
    names = [f"beta[{name}]" for name in ("trt", "period", "trt:period")]
    assert (weaker.summary().loc[names, "sd"] > fit.summary().loc[names, "sd"]).all()


def test_crossover_risks_of_the_population_cover_the_raw_ones():
    """Raw risks from the printed cell counts of Jones & Kenward (1989), Table 3.1."""
    fit = fit_study("crossover", priors=None, draws=2500, target_accept=0.9)
    assert int(fit.draws["sample_stats"]["diverging"].sum()) == 0
    assert fit.summary()["r_hat"].max() < 1.01
    raw = {(0, 0): 6 / 34, (0, 1): 11 / 33, (1, 0): 13 / 33, (1, 1): 12 / 34}
    population, typical = (
        fit.predictions(by=["trt", "period"], frame=frame).table.set_index(["trt", "period"])
        for frame in ("population", "typical")
    )
    for cell, risk in raw.items():
        assert population.loc[cell, "lower"] < risk < population.loc[cell, "upper"]
        assert abs(population.loc[cell, "median"] - risk) < 0.06
        assert typical.loc[cell, "median"] < risk - 0.1


def test_asthma_is_the_quadrature_table():
    """Quadrature with 25 points: figures and method stand in models/asthma.toml."""
    within(fit_study("asthma"), [-1.203, 1.007, 0.00714, -0.099, -1.285, -0.0041], 0.25)


def test_rehab_recovers_its_truth():
    """The published output is the truth, given hours as models/simulate_rehab.py says; within three posterior sds."""
    fit = fit_study("rehab")
    within(fit, [0.787, -0.312, 0.360, -0.409], 3)
    sd = fit.summary().loc["sd_centre[Intercept]"]
    assert sd["lower"] < 0.288 < sd["upper"]


def test_ohio_twin_recovers_the_published_estimates():
    fit = fit_study("ohio", draws=1500)
    within(fit, list(reference("ohio_ml")["fixef"].values()), 3)
    sd = fit.summary().loc["sd_county[Intercept]"]
    assert sd["lower"] < reference("ohio_ml")["re_sd"][0] < sd["upper"]


@pytest.mark.skipif(not SHARED.exists(), reason="the real Ohio deaths may not be shipped")
def test_ohio_deaths_give_the_published_estimates():
    fit = fit_study("ohio", pd.read_csv(SHARED), draws=3000, tune=1000)
    within(fit, list(reference("ohio_ml")["fixef"].values()), 0.25)
