import json
import signal
from pathlib import Path

import pytest

import bayesglmm as bg

REFERENCES = Path(__file__).parent / "references"
SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"


def reference(name: str) -> dict:
    return json.loads((REFERENCES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Shells start commands in the background with SIGINT ignored; what is interrupted here would never end."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def seizure_model():
    return bg.glmm(SEIZURE, bg.datasets.load("seizure"), "poisson")


@pytest.fixture(scope="session")
def seizure_fit():
    """Under the priors of the stored posterior by rstan, so that one fit serves many tests."""
    priors = {"Intercept": "normal(0, 10)", "slopes": "normal(0, 2.5)", "sd": "half_student_t(3, 0, 2.5)"}
    data = bg.datasets.load("seizure")
    return bg.fit(SEIZURE, data, "poisson", priors=priors, seed=20, draws=2000, progress=False)
