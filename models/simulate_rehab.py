"""Simulate cardiac incidents among 1,000 patients of 110 rehabilitation centres.

A teaching example, wholly invented: patients are randomised to usual care or to a supervised programme, and
the number of cardiac incidents in one year is counted. Treatment and gender vary within centres, opening
hours only between them.

    python models/simulate_rehab.py [path]
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 110
CENTRES, PATIENTS = 110, 1_000

# Truth, log scale: log E(incidents) = INTERCEPT + TRT + MALE + HOURS * hours + b_centre.
INTERCEPT = 1.0
TRT = -0.35
MALE = 0.25
HOURS = -0.02
SD_CENTRE = 0.45

DEFAULT = Path(__file__).parents[1] / "bayesglmm" / "datasets" / "rehab.csv"


def simulate(seed: int = SEED) -> pd.DataFrame:
    """Simulate 1,000 rows, one a patient, sorted by centre; every centre has at least two patients."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(20, 60, CENTRES, endpoint=True)
    extra = rng.multinomial(PATIENTS - 2 * CENTRES, rng.dirichlet(np.full(CENTRES, 3.0)))
    centre = np.repeat(np.arange(CENTRES), 2 + extra)
    trt = rng.integers(0, 1, PATIENTS, endpoint=True)
    male = rng.random(PATIENTS) < 0.6
    b = rng.normal(0.0, SD_CENTRE, CENTRES)
    eta = INTERCEPT + TRT * trt + MALE * male + HOURS * hours[centre] + b[centre]
    return pd.DataFrame(
        {
            "patient": np.arange(PATIENTS) + 1,
            "centre": centre + 1,
            "hours": hours[centre],
            "trt": trt,
            "gender": np.where(male, "male", "female"),
            "incidents": rng.poisson(np.exp(eta)),
        }
    )


def main(path: Path = DEFAULT) -> None:
    """Write the simulated study to `path` as CSV."""
    simulate().to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
