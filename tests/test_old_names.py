"""Old method names of a fit warn, name the new call and forward to it; they are not listed and not kept otherwise."""

import copy
from typing import Any

import numpy as np
import pytest
import xarray as xr
from handmade import seizure_fit, seizure_like

from bayesglmm import Fit
from bayesglmm.errors import BayesGLMMWarning, OptionError
from bayesglmm.old_names import OLD_NAMES, forwarded


class Recorder:
    """A fit whose methods return what they are called with."""

    def __init__(self, calls: tuple[Any, ...] = ()) -> None:
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: Recorder((*self.calls, (name, args, options)))


@pytest.mark.parametrize(
    ("old", "options", "calls"),
    [
        ("covariance", {"ci_prob": 0.8}, [("varcorr", (), {"ci_prob": 0.8})]),
        ("heterogeneity", {"epsilon": 0.1}, [("zero_sd", (), {"epsilon": 0.1, "max_draws": None})]),
        (
            "forest",
            {"factor": "id", "kind": "coefficients", "column": "time"},
            [("random_effects", ("id",), {"quantity": "coefficients"}), ("plot", (), {"columns": "time"})],
        ),
        ("forest", {"kind": "means"}, [("group_means", (None,), {}), ("plot", (), {})]),
        (
            "predict",
            {"new_data": 1, "kind": "linear", "given": 2, "frame": "group", "seed": 3},
            [("linpred", (1,), {"new_outcomes": 2, "frame": "group", "seed": 3})],
        ),
    ],
)
def test_an_old_name_calls_the_new_one(old: str, options: dict[str, Any], calls: list[Any]) -> None:
    with pytest.warns(BayesGLMMWarning, match=rf"fit\.{old}\(.*is now fit\.{calls[0][0]}\(") as record:
        assert list(forwarded(Recorder(), old)(**options).calls) == calls
    assert record[0].filename == __file__


@pytest.fixture(scope="module")
def fit() -> Fit:
    return seizure_fit(chains=2, draws=20)


@pytest.mark.parametrize(("kind", "verb"), [("linear", "linpred"), ("mean", "epred"), ("outcome", "outcomes")])
def test_predict_is_one_of_three_verbs(fit: Any, kind: str, verb: str) -> None:
    new = seizure_like().iloc[:3]
    with pytest.warns(BayesGLMMWarning, match=rf"fit\.{verb}\("):
        found = fit.predict(new, kind=kind, frame="new_group", seed=1)
    xr.testing.assert_identical(found, getattr(fit, verb)(new, frame="new_group", seed=1))
    with pytest.raises(OptionError, match="use linpred, epred or outcomes"):
        fit.predict(kind="response")


def test_old_names_are_not_listed_and_other_names_do_not_exist(fit: Any) -> None:
    assert "predict" in OLD_NAMES
    assert "predict" not in dir(fit)
    with pytest.raises(AttributeError, match="'Fit' object has no attribute 'predictt'"):
        fit.predictt  # noqa: B018
    assert not hasattr(fit, "_repr_latex_")
    np.testing.assert_array_equal(copy.copy(fit).posterior["beta"], fit.posterior["beta"])


def test_the_new_names_are_methods_and_the_old_ones_are_not() -> None:
    new = ("epred", "group_means", "linpred", "outcomes", "random_effects", "varcorr", "zero_sd")
    assert [name for name in new if not hasattr(Fit, name)] == []
    assert [name for name in OLD_NAMES if hasattr(Fit, name)] == []
