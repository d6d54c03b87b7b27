"""Data sets of the worked studies: `names`, `describe`, `load`.

Where each file comes from, with its checksum, stands in ``PROVENANCE.md`` beside this file.
"""

from dataclasses import asdict
from importlib.resources import files

import pandas as pd

from bayesglmm.datasets.catalogue import CATALOGUE, Dataset
from bayesglmm.errors import DataError, suggest

__all__ = ["CATALOGUE", "Dataset", "describe", "load", "names"]


def names() -> tuple[str, ...]:
    """Return the names of the shipped data sets, in alphabetical order."""
    return tuple(entry.name for entry in CATALOGUE)


def describe() -> pd.DataFrame:
    """Return a table of the shipped data sets.

    Returns
    -------
    pandas.DataFrame
        One row a data set, index ``name``; columns ``rows``, ``study``, ``simulated``, ``source`` and
        ``permission``.
    """
    table = pd.DataFrame([asdict(entry) for entry in CATALOGUE]).set_index("name")
    return table[["rows", "study", "simulated", "source", "permission"]]


def load(name: str) -> pd.DataFrame:
    """Read a shipped data set; text columns stay text.

    Parameters
    ----------
    name
        One of `names()`.

    Returns
    -------
    pandas.DataFrame
        A new table at every call, rows and columns in file order.

    Raises
    ------
    DataError
        If no data set of that name ships.
    """
    if name not in names():
        raise DataError(f"no data set is called {name!r}; {suggest(str(name), names())}")
    with (files(__name__) / f"{name}.csv").open("r", encoding="utf-8") as file:
        return pd.read_csv(file)
