"""Simulate the Ohio lung-cancer study: same design and published estimates, invented counties.

The design is that of the deaths from lung cancer in Ohio, 1968-1988: 88 counties x 2 sexes x 2 races x 21
years. The true parameters are the maximum-likelihood estimates of the real study. The populations are
invented: nothing below was taken from a census, so county 1 here is no county of Ohio.

The published Pearson dispersion of the Poisson regression on sex and race without counties is 2.20, and the real deaths
give 2.1985. It is no parameter that a simulation could be given: it follows from the sd of counties and the rise over
the years, both left out there, from the populations, and from which counties have which effects. It is 2.1 in the mean
over 120 seeds, with an sd of 0.3; this draw has 2.1966.

SEED is the first from 1 upward for which the dispersion is 2.20 to two decimals and `bg.maximum_likelihood` estimates
every parameter within two standard errors of the truth; `python models/simulate_ohio.py --seed` looks for it again.

    python models/simulate_ohio.py [path]
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import bayesglmm as bg

SEED = 117
COUNTIES, YEARS = 88, 21

# Truth, log scale: log E(death) = log(pop) + INTERCEPT + FEMALE + NONWHITE + YEAR (year - 11) + b_county.
INTERCEPT = -7.3914
FEMALE = -1.1021
NONWHITE = -0.0475
YEAR = 0.0367
SD_COUNTY = 0.204
TRUTH = (INTERCEPT, FEMALE, NONWHITE, YEAR, SD_COUNTY)

PUBLISHED_DISPERSION = 2.20
WITH_COUNTIES = "death ~ C(sex) + C(race) + I(year - 11) + offset(log(pop)) + (1 | county)"
WITHOUT_COUNTIES = "death ~ C(sex) + C(race) + offset(log(pop))"

DEFAULT = Path(__file__).parents[1] / "bayesglmm" / "datasets" / "ohio.csv"


def populations(rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw the persons at risk, shape (county, sex, race, year).

    County sizes are lognormal (median 50,000, a few above a million); the non-white share is larger in larger
    counties (median 2 %) and rises a little over the years; each county grows or shrinks at its own slow rate;
    51.5 % of the people are women.
    """
    year = np.arange(YEARS)
    log_size = rng.normal(np.log(50_000), 1.3, COUNTIES)
    growth = rng.normal(0.003, 0.006, COUNTIES)
    size = np.exp(log_size[:, None] + growth[:, None] * year)
    share_logit = -3.9 + 0.7 * (log_size - np.log(50_000)) + rng.normal(0.0, 0.7, COUNTIES)
    nonwhite = 1 / (1 + np.exp(-(share_logit[:, None] + 0.01 * year)))
    race = np.stack([1 - nonwhite, nonwhite], axis=1)
    sex = np.array([0.485, 0.515])
    people = size[:, None, None, :] * sex[None, :, None, None] * race[:, None, :, :]
    noisy: npt.NDArray[np.float64] = np.rint(people * rng.lognormal(0.0, 0.01, people.shape))
    return np.maximum(noisy, 1).astype(np.int64)


def simulate(seed: int = SEED) -> pd.DataFrame:
    """Simulate 7,392 rows, sorted by county, sex, race and year."""
    rng = np.random.default_rng(seed)
    pop = populations(rng)
    county, sex, race, year = (axis.ravel() + 1 for axis in np.indices(pop.shape))
    b = rng.normal(0.0, SD_COUNTY, COUNTIES)
    eta = INTERCEPT + FEMALE * (sex == 2) + NONWHITE * (race == 2) + YEAR * (year - 11) + b[county - 1]
    death = rng.poisson(pop.ravel() * np.exp(eta))
    return pd.DataFrame({"county": county, "sex": sex, "race": race, "year": year, "death": death, "pop": pop.ravel()})


def distances(data: pd.DataFrame) -> pd.Series:
    """Return how far each estimate is from its truth, in standard errors."""
    table = bg.maximum_likelihood(WITH_COUNTIES, data, "poisson").summary()
    return (table["estimate"] - np.array(TRUTH)) / table["std_error"]


def dispersion(data: pd.DataFrame) -> float:
    """Return Pearson's X² over its degrees of freedom, of the Poisson regression on sex and race."""
    return bg.maximum_likelihood(WITHOUT_COUNTIES, data, "quasi_poisson").dispersion


def near(seed: int) -> bool:
    """Whether the dispersion is the published one to two decimals and every estimate is near its truth."""
    data = simulate(seed)
    return round(dispersion(data), 2) == PUBLISHED_DISPERSION and bool((distances(data).abs() < 2).all())


def first_seed() -> int:
    """Return the first seed from 1 upward whose data are near the published figures."""
    return next(seed for seed in itertools.count(1) if near(seed))


def main(path: Path = DEFAULT) -> None:
    """Write the simulated study to `path` as CSV."""
    simulate().to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    if "--seed" in sys.argv[1:]:
        print(first_seed())
    else:
        main(*map(Path, sys.argv[1:2]))
