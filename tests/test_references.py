"""Posteriors under the same priors agree with rstan's to Monte Carlo error; provenance in references/README.md."""

import arviz as az
import numpy as np
import pytest
from conftest import reference

import bayesglmm as bg

ERRORS = 4.5  # Monte Carlo standard errors of the difference, over some 40 comparisons

RAW = {"Intercept": "normal(0, 10)", "slopes": "normal(0, 2.5)"}
BINARY = {**RAW, "sd": "half_student_t(3, 0, 2.5)"}

STUDIES = {
    "crossover_posterior": ("crossover", "outcome ~ trt*period + (1 | id)", "bernoulli", BINARY),
    "toenail_posterior": ("toenail", "outcome ~ month*treatment + (1 | id)", "bernoulli", BINARY),
    "endometrial_posterior": ("endometrial", "HG ~ NV + PI + EH", "bernoulli", RAW),
    "sleepstudy_posterior": (
        "sleepstudy",
        "Reaction ~ Days + (1 + Days | Subject)",
        "gaussian",
        {
            "Intercept": "normal(250, 100)",
            "slopes": "normal(0, 50)",
            'sd["Subject"]["Intercept"]': "half_student_t(3, 0, 50)",
            'sd["Subject"]["Days"]': "half_student_t(3, 0, 20)",
            "sigma": "half_student_t(3, 0, 50)",
        },
    ),
}


def ours(label: str, fit: bg.Fit) -> str:
    """Translate a label of the reference into ours."""
    if label == "cor":
        (block,) = fit.model.design.blocks
        return f"corr_{block.name}[{','.join(block.columns)}]"
    if label.startswith("sd:"):
        _, group, column = label.split(":")
        return f"sd_{group}[{column.replace('(Intercept)', 'Intercept')}]"
    return label if label == "sigma" else f"beta[{label.replace('(Intercept)', 'Intercept')}]"


def agree(fit: bg.Fit, name: str) -> None:
    expected = reference(name)["params"]
    assert fit.check().ok, fit.check()
    table = fit.summary()
    assert set(table.index) == {ours(label, fit) for label in expected}
    for label, theirs in expected.items():
        row = table.loc[ours(label, fit)]
        error = np.hypot(row["sd"] / np.sqrt(row["ess_bulk"]), theirs["mcse_mean"])
        assert abs(row["mean"] - theirs["mean"]) < ERRORS * error, label
        error = np.hypot(row["sd"] / np.sqrt(row["ess_tail"]), theirs["mcse_sd"])
        assert abs(row["sd"] - theirs["sd"]) < ERRORS * error, label
        tails = theirs["q97_5"] - theirs["q2_5"]
        for ours_end, theirs_end in ((row["lower"], theirs["q2_5"]), (row["upper"], theirs["q97_5"])):
            assert abs(ours_end - theirs_end) < 0.1 * tails, label


def test_seizure_agrees_with_rstan(seizure_fit):
    agree(seizure_fit, "seizure_posterior")


@pytest.mark.parametrize("name", STUDIES)
def test_study_agrees_with_rstan(name):
    data, formula, family, priors = STUDIES[name]
    draws = {"toenail_posterior": 3000, "crossover_posterior": 6000}.get(name, 2000)  # the sd is slow in these two
    fit = bg.fit(formula, bg.datasets.load(data), family, priors=priors, seed=8, draws=draws, progress=False)
    agree(fit, name)


def test_summary_is_arviz_own(seizure_fit):
    theirs = az.summary(seizure_fit.posterior, var_names=["beta"], ci_prob=0.95, round_to="none")
    table = seizure_fit.summary().loc[theirs.index]
    for column in ("mean", "sd", "ess_bulk", "ess_tail", "r_hat"):
        np.testing.assert_allclose(table[column].astype(float), theirs[column].astype(float), rtol=1e-6)
