"""Everything a run leaves behind, in one folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bayesglmm import plots
from bayesglmm.errors import OptionError, StorageError, choose
from bayesglmm.plots import Picture
from bayesglmm.posterior import Fit
from bayesglmm.report.page import write_report

__all__ = ["Wanted", "draw_figures", "prepare", "write_results"]


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
    drawn: dict[str, Picture] = {}
    for name in wanted.figures:
        drawn.update(_DRAWERS[choose("figure", name, tuple(_DRAWERS))](fit, wanted))
    return drawn


def write_results(fit: Fit, wanted: Wanted, folder: Path) -> Iterator[Path]:
    """Write the fit, its tables, the figures and the report, the fit first; yield each path when it is there.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    try:
        yield fit.save(folder / "fit")
        yield _table(fit.summary().to_csv(), folder / "summary.csv")
        if fit.model.design.blocks:
            yield _table(fit.covariance().to_csv(), folder / "covariance.csv")
        figures = draw_figures(fit, wanted)
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png")
            yield folder / f"{name}.png"
        yield write_report(fit, figures, folder / "report.html", wanted.title, wanted.description)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"results could not be written to '{folder}': {error}") from error


def _table(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _random_effects(fit: Fit, wanted: Wanted) -> dict[str, Picture]:
    names: dict[str, str] = {}
    for block in fit.model.design.blocks:
        names.setdefault(block.factor, f"random_effects_{block.name.replace(':', '.')}")
    if len(names) == 1:
        return {"random_effects": plots.forest(fit)}
    return {name: plots.forest(fit, factor) for factor, name in names.items()}


def _population(fit: Fit, wanted: Wanted) -> dict[str, Picture]:
    if wanted.focal is None:
        raise OptionError("the population figure needs focal, the predictor to draw it over")
    return {"population": plots.population(fit, wanted.focal, wanted.by, labels=wanted.labels)}


_DRAWERS: dict[str, Callable[[Fit, Wanted], dict[str, Picture]]] = {
    "coefficients": lambda fit, wanted: {"coefficients": plots.coefficients(fit)},
    "random_effects": _random_effects,
    "diagnostics": lambda fit, wanted: {"diagnostics": plots.diagnostics(fit)},
    "population": _population,
}
