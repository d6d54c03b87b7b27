"""`read_spec(path) -> Spec`: a study in one TOML file, read wholly or refused."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayesglmm import datasets
from bayesglmm.errors import OptionError, SpecError, listing, suggest
from bayesglmm.estimands.reference_grid import setting
from bayesglmm.faces.alternatives import Compared
from bayesglmm.faces.data_files import SUFFIXES, read_table
from bayesglmm.faces.spec_values import FIGURES, READERS
from bayesglmm.faces.toml_file import read_toml
from bayesglmm.sample.settings import Sampler
from bayesglmm.specify.model import Model, glmm

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIGURES", "Spec", "read_data", "read_spec"]


@dataclass(frozen=True)
class Spec:
    """A study: data, model, sampler settings and the figures wanted.

    Parameters
    ----------
    path
        The file it was read from.
    title
        One line.
    data
        The name of a shipped data set, or the path of a CSV or Parquet file, relative to the spec.
    formula, family, link, priors, missing
        As in `bayesglmm.glmm`.
    description
        What was studied and how the coefficients read.
    reference
        The reference levels of factors, by column, as in `bayesglmm.glmm`.
    na_values
        The texts that mark missing cells of a CSV file, beside empty ones; None for the usual ones, such as NA, in
        columns of numbers.
    sampler
        The settings of the sampler.
    figures
        Names from `FIGURES`; None for all that the model has.
    focal, by
        The predictors of the population figure.
    labels
        The label of a column in figures, with its unit, by column.
    compare
        The models that it is compared with; None for none.
    """

    path: Path
    title: str
    data: str
    formula: str
    family: str
    link: str | None = None
    priors: Mapping[str, Any] | str | None = None
    missing: Literal["error", "drop"] = "error"
    description: str = ""
    reference: Mapping[str, Any] = field(default_factory=dict)
    na_values: tuple[str, ...] | None = None
    sampler: Sampler = field(default_factory=Sampler)
    figures: tuple[str, ...] | None = None
    focal: str | None = None
    by: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    compare: Compared | None = None

    @property
    def name(self) -> str:
        """The name of the study: that of its file."""
        return self.path.stem

    def load_data(self, data: str | Path | None = None) -> "pd.DataFrame":
        """Read the data of the spec, or other data.

        Parameters
        ----------
        data
            A shipped name or a path, relative to the working directory; None for the spec's own.

        Raises
        ------
        SpecError
            If there is no such data set or file, or it cannot be read.
        """
        source, folder = (self.data, self.path.parent) if data is None else (data, Path())
        return read_data(source, folder, self.na_values)

    def model(self, data: Any = None) -> Model:
        """Build the model, and check that it has the figures.

        Parameters
        ----------
        data
            A dataframe; None for the spec's own data.

        Raises
        ------
        BayesGLMMError
            If the model cannot be built, or does not have `focal`, `by` or one of `figures`.
        """
        built = glmm(
            self.formula,
            self.load_data() if data is None else data,
            self.family,
            link=self.link,
            priors=self.priors,
            missing=self.missing,
            reference=self.reference,
        )
        self._check(built)
        return built

    def alternatives(self, model: Model) -> dict[str, Model]:
        """Build the models that a model of the spec is compared with, by name; empty where there are none.

        Raises
        ------
        SpecError
            If one cannot be built, or not be compared.
        """
        try:
            return self.compare.models(model) if self.compare is not None else {}
        except SpecError as error:
            raise SpecError(f"{self.path}: {error}") from error

    def figures_of(self, model: Model) -> tuple[str, ...]:
        """Return the names of the figures to draw: `figures`, or all that the model has."""
        if self.figures is not None:
            return self.figures
        possible = {
            "coefficients": bool(model.design.coef),
            "random_effects": bool(model.design.blocks),
            "diagnostics": True,
            "population": self.focal is not None,
        }
        return tuple(name for name in FIGURES if possible[name])

    def _check(self, model: Model) -> None:
        """Refuse figures that the model does not have."""
        figures = self.figures or ()
        if "random_effects" in figures and not model.design.blocks:
            raise SpecError(f"{self.path}: figures asks for random_effects, but the formula has no block (… | group)")
        if "coefficients" in figures and not model.design.coef:
            raise SpecError(f"{self.path}: figures asks for coefficients, but the formula has none")
        if self.focal is None:
            return
        try:
            setting(model, self.focal, self.by)
        except OptionError as error:
            raise SpecError(f"{self.path}: {error}") from error


def read_spec(path: str | Path) -> Spec:
    """Read a spec file.

    Raises
    ------
    SpecError
        If there is none, it is not TOML (the message has the line), a key is unknown or missing, or a
        value is of the wrong type.
    """
    path = Path(path)
    table = read_toml(path)
    entries = [entry for entry in fields(Spec) if entry.name != "path"]
    known = [entry.name for entry in entries]
    for key in table:
        if key not in known:
            raise SpecError(f"{path}: unknown key '{key}'; {suggest(key, known)}")
    missing = [entry.name for entry in entries if _required(entry) and entry.name not in table]
    if missing:
        raise SpecError(f"{path}: the key {listing(missing)} is missing; a spec needs title, data, formula and family")
    values = {key: READERS[key](f"{path}: {key}", value) for key, value in table.items()}
    spec = Spec(path=path, **values)
    _check_figures(spec)
    return spec


def read_data(data: str | Path, folder: Path, na_values: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read a shipped data set by its name, or a CSV or Parquet file relative to a folder: see `data_files`.

    Raises
    ------
    SpecError
        If there is no such data set or file, or it cannot be read.
    """
    if str(data) in datasets.names():
        return datasets.load(str(data))
    file = folder / data
    if file.suffix.lower() not in SUFFIXES:
        raise SpecError(
            f"data={str(data)!r} is neither a shipped data set nor the path of a .csv or .parquet file; "
            f"{suggest(str(data), datasets.names())}"
        )
    if not os.path.isfile(file):
        raise SpecError(f"data={str(data)!r}: there is no file {str(file)!r}")
    return read_table(file, na_values)


def _required(entry: Any) -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING


def _check_figures(spec: Spec) -> None:
    if "population" in (spec.figures or ()) and spec.focal is None:
        raise SpecError(f"{spec.path}: figures asks for population, which needs focal, the predictor to draw it over")
    if spec.by is not None and spec.focal is None:
        raise SpecError(
            f"{spec.path}: by={spec.by!r} says how to group a population figure that has no focal predictor"
        )
    if spec.by is not None and spec.by == spec.focal:
        raise SpecError(f"{spec.path}: focal and by are both {spec.by!r}; choose two predictors, or leave by out")
