"""`read_spec(path) -> Spec`: a study in one TOML file, read wholly or refused."""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayesglmm import datasets
from bayesglmm.errors import OptionError, SpecError, choose, listing, suggest
from bayesglmm.estimands.reference_grid import setting
from bayesglmm.faces.data_files import SUFFIXES, read_table
from bayesglmm.sample.settings import Sampler
from bayesglmm.specify.model import Model, glmm

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIGURES", "Spec", "read_data", "read_spec"]

FIGURES = ("coefficients", "random_effects", "diagnostics", "population")
"""The names of figures."""

_LARGEST, _LONGEST, _DEEPEST = 2**22, 1000, 12
"""Limits of a spec: its bytes, the characters of a key, the depth of nested tables and lists."""


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
    table = _parse(path)
    entries = [entry for entry in fields(Spec) if entry.name != "path"]
    known = [entry.name for entry in entries]
    for key in table:
        if key not in known:
            raise SpecError(f"{path}: unknown key '{key}'; {suggest(key, known)}")
    missing = [entry.name for entry in entries if _required(entry) and entry.name not in table]
    if missing:
        raise SpecError(f"{path}: the key {listing(missing)} is missing; a spec needs title, data, formula and family")
    values = {key: _READERS[key](f"{path}: {key}", value) for key, value in table.items()}
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


def _parse(path: Path) -> dict[str, Any]:
    if not os.path.isfile(path):
        others = sorted(path.parent.glob("*.toml")) if os.path.isdir(path.parent) else []
        suggestion = f"; {suggest(path.stem, [file.stem for file in others])}" if others else ""
        raise SpecError(f"there is no spec file {str(path)!r}{suggestion}")
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise SpecError(f"{path}: has {size:,} bytes; a spec is a text of at most {_LARGEST:,}")
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except SpecError:
        raise
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text at byte {error.start}; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        reason = str(error).replace("at end of document", f"at line {len(text.splitlines())}, the end of the file")
        raise SpecError(f"{path}: not TOML: {reason}; texts stand in quotes, tables in [brackets]") from error
    except RecursionError as error:
        raise SpecError(f"{path}: nested too deep; a spec has tables of tables, no deeper") from error
    except ValueError as error:
        raise SpecError(f"{path}: a value is out of range: {error}") from error
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    _check_sizes(path, table)
    return table


def _check_sizes(path: Path, table: Mapping[str, Any]) -> None:
    """Refuse very long keys, deep nesting and integers beyond 64 bits, which TOML allows."""
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        keys = [key for item in level if isinstance(item, dict) for key in item]
        if long := [key for key in keys if len(key) > _LONGEST]:
            raise SpecError(f"{path}: the key '{long[0][:40]}…' has {len(long[0]):,} characters")
        level = [
            value
            for item in level
            if isinstance(item, dict | list)
            for value in (item.values() if isinstance(item, dict) else item)
        ]
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in level):
            raise SpecError(f"{path}: holds a whole number beyond ±2^63, which TOML does not support")
        if not level:
            return
    raise SpecError(f"{path}: nested too deep; a spec has tables of tables, no deeper")


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


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{where} is a text in quotes, not {_toml_type(value)}")
    return value


def _missing(where: str, value: Any) -> Literal["error", "drop"]:
    rules: tuple[Literal["error", "drop"], ...] = ("error", "drop")
    try:
        return choose("missing", value, rules)
    except OptionError as error:
        raise SpecError(f"{where}: {error}") from error


def _priors(where: str, value: Any) -> Mapping[str, Any] | str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of priors, or the name of a preset, not {_toml_type(value)}")
    _check_priors(where, value)
    return value


def _check_priors(where: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _check_priors(f"{where}.{key}", value)
        elif not isinstance(value, str):
            raise SpecError(f'{where}.{key} is a prior such as "normal(0, 2.5)", not {_toml_type(value)}')


def _sampler(where: str, value: Any) -> Sampler:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of settings, [sampler], not {_toml_type(value)}")
    for key in value:
        if key not in Sampler.options():
            raise SpecError(f"{where} has no setting '{key}'; {suggest(key, Sampler.options())}")
    try:
        return Sampler(**value)
    except OptionError as error:
        raise SpecError(f"{where}: {error}") from error


def _figures(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SpecError(f'{where} is a list such as ["coefficients", "population"], not {_toml_type(value)}')
    for name in value:
        if name not in FIGURES:
            raise SpecError(f"{where} has {name!r}, which is not a figure; {suggest(str(name), FIGURES)}")
    return tuple(dict.fromkeys(value))


def _labels(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of texts by column, [labels], not {_toml_type(value)}")
    return {key: _text(f"{where}.{key}", text) for key, text in value.items()}


def _reference(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(f"{where} is a table of levels by column, [reference], not {_toml_type(value)}")
    for key, level in value.items():
        if not isinstance(level, str | int | float):
            raise SpecError(f"{where}.{key} is the label of a level, not {_toml_type(level)}")
    return value


def _na_values(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(mark, str) for mark in value):
        raise SpecError(f'{where} is a list of texts such as ["NA", "."], not {_toml_type(value)}')
    return tuple(value)


def _toml_type(value: Any) -> str:
    """Name the type of a TOML value."""
    if value == "":
        return "an empty text"
    names = {bool: "true or false", str: "a text", dict: "a table", list: "a list", int: "a number", float: "a number"}
    return next((name for python_type, name in names.items() if isinstance(value, python_type)), "a date or time")


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("title", "description", "data", "formula", "family", "link", "focal", "by"), _text),
    "priors": _priors,
    "missing": _missing,
    "reference": _reference,
    "na_values": _na_values,
    "sampler": _sampler,
    "figures": _figures,
    "labels": _labels,
}
"""The reader of each key."""
