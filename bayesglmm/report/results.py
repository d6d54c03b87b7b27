"""Everything a run leaves behind, in one folder."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bayesglmm import plots
from bayesglmm.errors import FigureError, OptionError, StorageError, choose
from bayesglmm.plots import Picture
from bayesglmm.posterior import Fit
from bayesglmm.report.page import write_report

__all__ = ["Wanted", "draw_figures", "prepare", "write_results"]

_BYTES = 120
"""Of the name of a figure's file; file systems take 255."""


def prepare(folder: Path) -> None:
    """Make the folder and see that results can be written there, before anything is sampled.

    Raises
    ------
    StorageError
        If it cannot be made or written, or its `fit` is something else than a saved fit.
    """
    saved = folder / "fit"
    if saved.exists() and (not saved.is_dir() or (any(saved.iterdir()) and not (saved / "fit.json").exists())):
        raise StorageError(f"'{saved}' exists and is not a saved fit; choose another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writing"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StorageError(f"results cannot be written to '{folder}': {error}; choose another with --out") from error


@dataclass(frozen=True)
class Wanted:
    """What to draw and what to call it.

    Parameters
    ----------
    figures
        Names of figures: `"coefficients"`, `"random_effects"`, `"diagnostics"`, `"population"`.
    focal, by, labels
        As in `bayesglmm.plots.population`; `focal` is needed for that figure.
    title, description
        As in `write_report`.
    """

    figures: tuple[str, ...]
    focal: str | None = None
    by: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    description: str = ""


def draw_figures(fit: Fit, wanted: Wanted) -> dict[str, Picture]:
    """Draw the figures wanted, by name; one of random effects a grouping factor."""
    return {name: draw() for name, draw in _drawers(fit, wanted).items()}


def _drawers(fit: Fit, wanted: Wanted) -> dict[str, Callable[[], Picture]]:
    """Return what draws each figure wanted, by its name."""
    found: dict[str, Callable[[], Picture]] = {}
    for name in wanted.figures:
        found.update(_DRAWERS[choose("figure", name, tuple(_DRAWERS))](fit, wanted))
    return found


def write_results(fit: Fit, wanted: Wanted, folder: Path) -> Iterator[Path]:
    """Write the fit, its tables, the figures and the report, the fit first; yield each path when it is there.

    A figure that cannot be drawn is left out: everything else is written, the report says which and why, and the error
    comes last.

    Raises
    ------
    StorageError
        If something cannot be written.
    FigureError
        After all else is written, if figures could not be drawn.
    """
    failed: dict[str, Exception] = {}
    try:
        yield fit.save(folder / "fit")
        yield _table(fit.summary().to_csv(), folder / "summary.csv")
        if fit.model.design.blocks:
            yield _table(fit.covariance().to_csv(), folder / "covariance.csv")
        figures: dict[str, Picture] = {}
        for name, draw in _drawers(fit, wanted).items():
            try:
                picture = draw()
                png = picture.png()  # only now is everything laid out
            except Exception as error:  # whatever goes wrong in a figure, the sampling was not in vain
                failed[name] = error
                continue
            (folder / f"{name}.png").write_bytes(png)
            figures[name] = picture
            yield folder / f"{name}.png"
        reasons = {name: str(error) or type(error).__name__ for name, error in failed.items()}
        yield write_report(fit, figures, folder / "report.html", wanted.title, wanted.description, reasons)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"results could not be written to '{folder}': {error}") from error
    if failed:
        raise FigureError(reasons) from next(iter(failed.values()))


def _table(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _random_effects(fit: Fit, wanted: Wanted) -> dict[str, Callable[[], Picture]]:
    names: dict[str, str] = {}
    for block in fit.model.design.blocks:
        if block.factor not in names:
            names[block.factor] = _file_name(f"random_effects_{block.name.replace(':', '.')}", names.values())
    if len(names) == 1:
        return {"random_effects": partial(plots.forest, fit)}
    return {name: partial(plots.forest, fit, factor) for factor, name in names.items()}


def _file_name(name: str, taken: Iterable[str]) -> str:
    """Return a name short enough for a file, and another than those taken also where case does not count."""
    short, lower = name.encode()[:_BYTES].decode(errors="ignore"), {one.lower() for one in taken}
    numbered = (f"{short}_{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([short], numbered) if one.lower() not in lower)


def _population(fit: Fit, wanted: Wanted) -> dict[str, Callable[[], Picture]]:
    if wanted.focal is None:
        raise OptionError("the population figure needs focal, the predictor to draw it over")
    return {"population": partial(plots.population, fit, wanted.focal, wanted.by, labels=wanted.labels)}


_DRAWERS: dict[str, Callable[[Fit, Wanted], dict[str, Callable[[], Picture]]]] = {
    "coefficients": lambda fit, wanted: {"coefficients": partial(plots.coefficients, fit)},
    "random_effects": _random_effects,
    "diagnostics": lambda fit, wanted: {"diagnostics": partial(plots.diagnostics, fit)},
    "population": _population,
}
