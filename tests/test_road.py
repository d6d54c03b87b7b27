"""One road from a model to a fit: `Model.fit`, `bg.fit`, `update`, Bambi models; what is imported on the way."""

import subprocess
import sys
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import bayesglmm as bg
from bayesglmm.errors import DataError, FormulaError, OptionError, PriorError

QUICK: dict[str, Any] = {"seed": 1, "draws": 20, "tune": 40, "chains": 2, "progress": False}
FORMULA = "count ~ trt + offset(log(weeks)) + (1 | id)"


def seizure() -> pd.DataFrame:
    data = bg.datasets.load("seizure")
    return data.assign(age=20.0 + data["id"] % 7, arm=np.where(data["id"] % 2, "drug", "none"))


@pytest.fixture(scope="module")
def model() -> bg.Model:
    return bg.glmm(FORMULA, seizure(), "poisson")


@pytest.fixture(scope="module")
def fit(model: bg.Model) -> bg.Fit:
    return model.fit(**QUICK)


def test_a_model_fits_to_the_bit_what_fit_does(fit: bg.Fit) -> None:
    other = bg.fit(FORMULA, seizure(), "poisson", **QUICK)
    assert fit.posterior.equals(other.posterior)
    assert fit.update(progress=False).posterior.equals(other.posterior)


def test_a_model_refuses_a_setting_that_cannot_be(model: bg.Model) -> None:
    with pytest.raises(OptionError, match="draws=1"):
        model.fit(draws=1, progress=False)


def test_the_prior_of_a_model_is_sampled(model: bg.Model) -> None:
    assert model.fit(prior_only=True, **QUICK).draws.attrs["prior_only"]


# -- update ----------------------------------------------------------------------------------------


def test_update_adds_a_column_of_the_original_table(fit: bg.Fit) -> None:
    more = fit.update("~ . + age", progress=False)
    assert str(more.model.formula) == "count ~ trt + age + offset(log(weeks)) + (1 | id)"
    whole = bg.fit("count ~ trt + age + offset(log(weeks)) + (1 | id)", seizure(), "poisson", **QUICK)
    assert more.posterior.equals(whole.posterior)
    again = more.update("~ . + arm:age - trt - (1 | id)", progress=False)
    assert str(again.model.formula) == "count ~ age + arm:age + offset(log(weeks))"
    assert again.model.data is more.model.data


@pytest.mark.parametrize("container", [pl.DataFrame, lambda d: pl.DataFrame(d).to_arrow(), lambda d: d.to_dict("list")])
def test_the_original_table_may_be_of_any_kind(container: Any) -> None:
    changed = bg.glmm(FORMULA, container(seizure()), "poisson").update("~ . + arm")
    expected = bg.glmm("count ~ trt + arm + offset(log(weeks)) + (1 | id)", seizure(), "poisson")
    assert changed.design.coef == expected.design.coef
    np.testing.assert_array_equal(changed.design.x, expected.design.x)


def test_rows_left_out_stay_out_and_missing_values_of_a_new_column_follow_the_same_rule() -> None:
    data = seizure()
    data.loc[[3, 10], "trt"] = np.nan
    data.loc[[10, 20], "age"] = np.nan
    model = bg.glmm(FORMULA, data, "poisson", missing="drop")
    changed = model.update("~ . + age")
    assert changed.design.columns.dropped == 3
    assert set(range(295)) - set(changed.design.columns.rows) == {3, 10, 20}
    np.testing.assert_array_equal(changed.design.x[:, 2], data["age"].to_numpy()[changed.design.columns.rows])
    strict = bg.glmm(FORMULA, seizure().assign(age=data["age"]), "poisson")
    with pytest.raises(DataError, match="2 of 295 rows have missing values"):
        strict.update("~ . + age")


def test_a_table_that_was_changed_is_not_silently_another_one() -> None:
    data = seizure()
    model = bg.glmm(FORMULA, data, "poisson")
    data.loc[0, "trt"] = 1 - data.loc[0, "trt"]
    with pytest.raises(DataError, match="changed since; pass the one to use as data="):
        model.update("~ . + age")
    columns = seizure().to_dict("list")
    shorter = bg.glmm(FORMULA, columns, "poisson")
    columns |= {name: values[:100] for name, values in columns.items()}
    with pytest.raises(DataError, match="changed since"):
        shorter.update("~ . + age")


def test_a_column_that_is_nowhere_is_named(fit: bg.Fit) -> None:
    with pytest.raises(DataError, match="no column 'aeg' in the data; did you mean 'age'"):
        fit.update("~ . + aeg")


def test_a_loaded_fit_says_that_it_lacks_the_table(fit: bg.Fit, tmp_path: Any) -> None:
    loaded = bg.load(fit.save(tmp_path / "fit"))
    with pytest.raises(DataError, match=r"columns age were not part.*after load; pass data="):
        loaded.update("~ . + age")
    again = loaded.update("~ . + age", data=seizure(), progress=False)
    assert again.posterior.equals(fit.update("~ . + age", progress=False).posterior)
    assert str(loaded.update("~ . - trt", progress=False).model.formula) == (
        "count ~ 1 + offset(log(weeks)) + (1 | id)"
    )


def test_a_model_is_updated_without_sampling(model: bg.Model) -> None:
    changed = model.update("~ . - (1 | id)", family="negative_binomial", priors={"phi": "gamma(2, 1)"})
    assert (changed.family.name, str(changed.priors.parameters["phi"].prior)) == ("negative_binomial", "gamma(2, 1)")
    assert not changed.design.blocks
    assert model.update(link="sqrt").family.link.name == "sqrt"
    assert model.update(data=seizure().query("id <= 30")).design.n == 150


def test_a_prior_that_was_given_comes_along_or_says_why_not() -> None:
    model = bg.glmm(FORMULA, seizure(), "poisson", priors={"trt": "normal(0, 1)"})
    assert str(model.update("~ . + age").priors.slopes[0].prior) == "normal(0, 1)"
    with pytest.raises(PriorError, match="carried over from the earlier fit"):
        model.update("~ . - trt")
    with pytest.raises(FormulaError, match="'age' is removed but was not there"):
        model.update("~ . - age")


# -- Bambi -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")  # Bambi on pandas 3
def test_a_bambi_model_is_taken_over_and_fitted() -> None:
    import bambi as bmb

    data = seizure()
    theirs = bmb.Model("count ~ trt + offset(np.log(weeks)) + (1 | id)", data, family="poisson")
    found = bg.fit(theirs, data, **QUICK)
    assert found.posterior.equals(bg.from_bambi(theirs, data).fit(**QUICK).posterior)
    assert bg.fit(theirs, **QUICK).posterior.equals(found.posterior)
    assert str(found.update("~ . + age", progress=False).model.formula).startswith("count ~ trt + age")
    for given in ({"family": "poisson"}, {"link": "log"}, {"priors": {}}, {"missing": "drop"}):
        with pytest.raises(OptionError, match="brings its own family, link, priors"):
            bg.fit(theirs, data, **given)


def test_nothing_imports_bambi_but_who_brings_it() -> None:
    code = (
        "import sys, bayesglmm as bg\n"
        "fit = bg.fit('count ~ trt + (1 | id)', bg.datasets.load('seizure'), 'poisson', draws=10, tune=20, chains=1,"
        " progress=False)\n"
        "fit.summary(); fit.model.to_pymc()\n"
        "try: bg.from_bambi('y ~ x')\n"
        "except bg.BayesGLMMError: pass\n"
        "sys.stdout.write(' '.join(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in run.stdout.split()} & {"bambi", "formulae"}


def test_the_package_says_that_it_is_typed() -> None:
    assert files("bayesglmm").joinpath("py.typed").is_file()
