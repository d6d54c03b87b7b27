"""Quasi-likelihood without groups agrees with R's glm; there is no log-likelihood, and it says so."""

import numpy as np
import pytest
from conftest import reference

import bayesglmm as bg
from bayesglmm.errors import DataError, FamilyError, FormulaError, OptionError
from bayesglmm.marginal_models.gee import quasi_likelihood

R = reference("gee")

FORMULAS = {
    "seizure": ("count ~ trt*time + offset(log(weeks))", "quasi_poisson"),
    "crossover": ("outcome ~ trt*period", "quasi_binomial"),
    "toenail": ("outcome ~ month*treatment", "quasi_binomial"),
    "cbpp": ("p(incidence, size) ~ C(period)", "quasi_binomial"),
    "share": ("share ~ C(period)", "quasi_binomial"),
}


@pytest.mark.parametrize("theirs", R["glm"], ids=[f"{each['study']}-{i}" for i, each in enumerate(R["glm"])])
def test_estimates_tests_and_dispersion_are_those_of_glm(theirs):
    formula, family = FORMULAS["share" if "share" in theirs["call"] else theirs["study"]]
    link = theirs["call"].partition('link = "')[2].partition('"')[0] or None
    data = bg.datasets.load(theirs["study"])
    if "share" in theirs["call"]:
        data["share"] = data["incidence"] / data["size"]
    ours = quasi_likelihood(formula, data, family, link=link)
    table = ours.summary()
    assert (np.abs(table["estimate"] - theirs["coef"]) < 1e-6 * table["std_error"]).all()
    np.testing.assert_allclose(table["std_error"], theirs["se"], rtol=1e-6)
    np.testing.assert_allclose(table["statistic"], theirs["t"], rtol=1e-6)
    np.testing.assert_allclose(table["p_value"], theirs["p"], rtol=1e-5)
    np.testing.assert_allclose(ours.dispersion, theirs["dispersion"], rtol=1e-6)
    np.testing.assert_allclose(ours.deviance, theirs["deviance"], rtol=1e-9)
    assert ours.df_residual == theirs["df"]


def test_the_crossover_trial_has_its_published_deviance_and_aic():
    ours = quasi_likelihood(*FORMULAS["crossover"][:1], bg.datasets.load("crossover"), "quasi_binomial")
    assert ours.deviance == pytest.approx(162.10, abs=5e-3)
    binomial = R["glm_binomial"]  # of single outcomes of 0 and 1: the deviance is −2 log likelihood
    assert ours.deviance + 2 * 4 == pytest.approx(binomial["aic"], rel=1e-9) == pytest.approx(170.10, abs=5e-3)


def test_a_whole_weight_is_a_row_repeated():
    table = bg.datasets.load("cbpp")
    weight = 1 + np.arange(len(table)) % 3
    once = quasi_likelihood("p(incidence, size) | weights(w) ~ C(period)", table.assign(w=weight), "quasi_binomial")
    often = quasi_likelihood(FORMULAS["cbpp"][0], table.loc[table.index.repeat(weight)], "quasi_binomial")
    for name in ("beta", "covariance_matrix", "dispersion", "deviance", "df_residual"):
        np.testing.assert_allclose(getattr(once, name), getattr(often, name), rtol=1e-9)


def test_intervals_are_of_the_t_distribution():
    ours = quasi_likelihood(*(FORMULAS["cbpp"][0], bg.datasets.load("cbpp"), "quasi_binomial"))
    row = ours.summary(ci_prob=0.9).iloc[1]
    np.testing.assert_allclose((row["upper"] - row["estimate"]) / row["std_error"], 1.6746891537260258)  # t, df = 52
    np.testing.assert_allclose(np.sqrt(np.diag(ours.covariance())), ours.summary()["std_error"])


def test_what_there_is_not_is_an_error_with_the_reason():
    ours = quasi_likelihood(FORMULAS["seizure"][0], bg.datasets.load("seizure"), "quasi_poisson")
    for name in ("loglik", "aic", "bic"):
        with pytest.raises(OptionError, match=r"no distribution.*negative_binomial"):
            getattr(ours, name)
    for text in (str(ours), ours._repr_html_()):
        said = " ".join(text.split())
        assert "quasi-likelihood, quasi_poisson mean and variance, log link" in said
        assert "dispersion φ = 19.68 = X²/df = 5727/291, variance φ μ" in said
        assert "no log-likelihood, no AIC" in said
    assert ours.table.attrs["frame"] == "no random effects in the model"


def test_what_is_no_quasi_likelihood_is_refused():
    seizure = bg.datasets.load("seizure")
    with pytest.raises(FormulaError, match=r"leave out \(1 \| id\), or use bg\.gee"):
        quasi_likelihood("count ~ trt + (1 | id)", seizure, "quasi_poisson")
    with pytest.raises(FamilyError, match="distribution with a likelihood; known here: quasi_poisson, quasi_binomial"):
        quasi_likelihood("count ~ trt", seizure, "poisson")
    with pytest.raises(DataError, match="degrees of freedom"):
        quasi_likelihood("count ~ C(period)", seizure[:5], "quasi_poisson")
    endometrial = bg.datasets.load("endometrial")
    with pytest.raises(DataError, match=r"separated: the estimate of NV \(\+inf\)"):
        quasi_likelihood("HG ~ NV + PI + EH", endometrial, "quasi_binomial")
