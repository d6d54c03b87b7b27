"""What a run writes into one folder; each file is replaced in one step."""

import itertools
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from bayesglmm import plots
from bayesglmm.common.files import probe, remove, write_file
from bayesglmm.common.spreadsheet import to_csv
from bayesglmm.comparison.compare import ElpdComparison
from bayesglmm.errors import FigureError, IncompleteError, OptionError, StorageError, choose
from bayesglmm.estimands.reference_grid import setting
from bayesglmm.estimands.request import FrameOption
from bayesglmm.faces.report.comparisons import ReportedComparison, reported_comparison
from bayesglmm.faces.report.page import write_report
from bayesglmm.fitted import Fit
from bayesglmm.plots import Picture
from bayesglmm.posterior.storage import check_folder
from bayesglmm.specify.formula import render

__all__ = ["Wanted", "draw_figures", "prepare", "write_results"]

_BYTES = 120
"""The longest name of a figure's file; file systems take 255."""
_COMPARISON = "Predictions of outcomes left out"
"""The heading of the comparison."""

type Compare = Callable[[Fit], tuple[ElpdComparison, Sequence[str]]]
"""Compares a fit with other models; returns the comparison, and sentences to stand before it."""

_UNFINISHED = "unfinished.txt"
_UNFINISHED_TEXT = (
    "A run of bayesglmm has not written all its results here: files may be of an earlier run. Run it again.\n"
)


def prepare(folder: Path) -> None:
    """Make the folder and check that results can be written there, before anything is sampled.

    Raises
    ------
    StorageError
        If it cannot be made or written, or its `fit` is something else than a saved fit.
    """
    saved = folder / "fit"
    try:
        check_folder(saved)
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, saved) if saved.exists() else (folder,):
            probe(place)
    except StorageError as error:
        raise StorageError(f"{error} with --out") from error
    except (OSError, ValueError) as error:
        raise StorageError(f"results cannot be written to '{folder}': {error}; choose another with --out") from error


@dataclass(frozen=True)
class Wanted:
    """The figures to draw, and their texts.

    Parameters
    ----------
    figures
        Names of figures: `"coefficients"`, `"random_effects"`, `"diagnostics"`, `"population"`.
    focal, by, labels
        Of the population figure, as in `Fit.conditional_effects`; it needs `focal`. The label of the response is the
        whole label of the mean.
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
    """Return the function that draws each figure wanted, by its name."""
    drawers: dict[str, Callable[[], Picture]] = {}
    for name in wanted.figures:
        drawers.update(_DRAWERS[choose("figure", name, tuple(_DRAWERS))](fit, wanted))
    return drawers


def write_results(fit: Fit, wanted: Wanted, folder: Path, compare: Compare | None = None) -> Iterator[Path]:
    """Write the fit, its tables, the figures and the report, the fit first; yield each path when it is there.

    What cannot be made is left out: everything else is written, the report says what is missing and why, and the error
    is raised last. Until all are written, `unfinished.txt` says that files may be of two runs.

    Parameters
    ----------
    fit, wanted, folder
        What is written, and where.
    compare
        Compares the fit with other models, which may be fitted then: called when the fit is saved.

    Raises
    ------
    StorageError
        If something cannot be written; it says where the fit is saved, which is elsewhere if it must be.
    IncompleteError
        After all else is written, if figures or the comparison could not be made; `FigureError` for figures alone.
    """
    saved = _save(fit, folder)
    yield saved
    with _fit_is_saved(folder, saved):
        yield _table(fit.summary(), folder / "summary.csv")
        if fit.model.design.blocks:
            yield _table(fit.varcorr(), folder / "covariance.csv")
        figures, captions, undrawn = yield from _write_figures(fit, wanted, folder)
        compared, not_compared = yield from _write_comparison(fit, compare, folder)
        yield write_report(
            fit,
            figures,
            folder / "report.html",
            wanted.title,
            wanted.description,
            _reasons(undrawn),
            captions,
            comparisons=compared,
        )
    remove(folder / _UNFINISHED)
    if failed := undrawn | not_compared:
        error = IncompleteError if not_compared else FigureError
        raise error(_reasons(failed)) from next(iter(failed.values()))


def _write_figures(
    fit: Fit, wanted: Wanted, folder: Path
) -> Generator[Path, None, tuple[dict[str, bytes], dict[str, str], dict[str, Exception]]]:
    """Write the figures; return them with their captions, and the errors of those that could not be drawn, by name."""
    figures: dict[str, bytes] = {}
    captions: dict[str, str] = {}
    failed: dict[str, Exception] = {}
    for name, draw in _drawers(fit, wanted).items():
        try:
            picture = draw()
            png = picture.png()  # layout happens here, and may fail
        except Exception as error:  # a figure that fails must not cost the fit
            failed[name] = error
            continue
        write_file(folder / f"{name}.png", png)
        figures[name], captions[name] = png, str(picture.get_label())
        yield folder / f"{name}.png"
    return figures, captions, failed


def _write_comparison(
    fit: Fit, compare: Compare | None, folder: Path
) -> Generator[Path, None, tuple[dict[str, ReportedComparison], dict[str, Exception]]]:
    """Write the comparison; return it as the report shows it by its heading, and the error if it could not be made."""
    if compare is None:
        return {}, {}
    try:
        result, notes = compare(fit)
        reported = reported_comparison(result, notes)
    except Exception as error:  # neither must a comparison
        missing = ReportedComparison((f"Not available: {_reason(error)}.",))
        return {_COMPARISON: missing}, {"comparison": error}
    yield _table(result.table, folder / "comparison.csv")
    write_file(folder / "comparison.png", reported.png)
    yield folder / "comparison.png"
    return {_COMPARISON: reported}, {}


def _reasons(errors: Mapping[str, Exception]) -> dict[str, str]:
    return {name: _reason(error) for name, error in errors.items()}


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _save(fit: Fit, folder: Path) -> Path:
    """Save a fit; where that is not possible, save it among the system's temporary files, so that it is not lost."""
    try:
        write_file(folder / _UNFINISHED, _UNFINISHED_TEXT.encode("utf-8"))
        return fit.save(folder / "fit")
    except OSError as error:
        try:
            elsewhere = fit.save(Path(tempfile.mkdtemp(prefix="bayesglmm-")) / "fit")
        except OSError:
            raise StorageError(f"the fit could not be saved in '{folder}': {error}") from error
        raise StorageError(
            f"the fit could not be saved in '{folder}': {error}; it is in '{elsewhere}' instead: move it from there, "
            "bayesglmm.load reads it"
        ) from error


@contextmanager
def _fit_is_saved(folder: Path, saved: Path) -> Iterator[None]:
    """Reword errors of writing: they say where the fit is saved."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"results could not be written to '{folder}': {error}; the fit itself is in '{saved}': "
            "bayesglmm.load reads it"
        ) from error


def _table(table: pd.DataFrame, path: Path) -> Path:
    write_file(path, to_csv(table).encode("utf-8"))
    return path


def _random_effects(fit: Fit, wanted: Wanted) -> dict[str, Callable[[], Picture]]:
    names: dict[str, str] = {}
    for block in fit.model.design.blocks:
        if block.factor not in names:
            names[block.factor] = _file_name(f"random_effects_{block.name.replace(':', '.')}", names.values())
    if len(names) == 1:
        names = dict.fromkeys(names, "random_effects")
    return {name: partial(_forest, fit, factor) for factor, name in names.items()}


def _forest(fit: Fit, factor: str) -> Picture:
    return fit.random_effects(factor).plot()


def _coefficients(fit: Fit) -> Picture:
    return fit.coefficients(method="none").plot()


def _file_name(name: str, taken: Iterable[str]) -> str:
    """Return a name short enough for a file, that differs from those taken by more than case."""
    short, lower = name.encode()[:_BYTES].decode(errors="ignore"), {other.lower() for other in taken}
    numbered = (f"{short}_{number}" for number in itertools.count(2))
    return next(unused for unused in itertools.chain([short], numbered) if unused.lower() not in lower)


def _population(fit: Fit, wanted: Wanted) -> dict[str, Callable[[], Picture]]:
    if wanted.focal is None:
        raise OptionError("the population figure needs focal, the predictor to draw it over")
    return {"population": partial(_means, fit, wanted.focal, wanted.by, wanted.labels)}


def _means(fit: Fit, focal: str, by: str | None, labels: Mapping[str, str]) -> Picture:
    """Draw the means over a predictor, typical and population, with raw means where there are any.

    Raw means are of the rows that have the values at which factors and indicators are held.
    """
    held = setting(fit.model, focal, by).held
    fixed = {value.name: value.value for value in held if value.how != "mean"}
    frame: FrameOption = ("typical", "population") if fit.model.design.blocks else "population"
    means = fit.conditional_effects(focal, by=by, frame=frame, at=fixed)
    response = render(fit.model.formula.response.outcome)
    names = {"value": labels[response], **labels} if response in labels else labels
    try:
        return means.plot(raw=True, labels=names)
    except OptionError:  # no row has these values, or the offset is no exposure
        return means.plot(labels=names)


_DRAWERS: dict[str, Callable[[Fit, Wanted], dict[str, Callable[[], Picture]]]] = {
    "coefficients": lambda fit, wanted: {"coefficients": partial(_coefficients, fit)},
    "random_effects": _random_effects,
    "diagnostics": lambda fit, wanted: {"diagnostics": partial(plots.diagnostics, fit)},
    "population": _population,
}
