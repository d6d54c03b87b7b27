"""The command line: `bayesglmm run`, `bayesglmm check`, `bayesglmm data`.

Exit codes: 0 done; 1 an error, one message on stderr; 2 wrong usage; 3 the results are written but the sampling failed
its checks; 130 interrupted. Heavy libraries are imported by the commands that need them.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bayesglmm.common.text import plain
from bayesglmm.errors import BayesGLMMError, IncompleteError

if TYPE_CHECKING:
    from bayesglmm.faces.spec import Spec

__all__ = ["main"]

_DONE, _FAILED, _UNRELIABLE, _INTERRUPTED = 0, 1, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments, without the program's name; None for the process's own.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    SystemExit
        With code 2 for wrong usage, 0 for `--help` and `--version`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal's encoding may lack μ
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except BayesGLMMError as error:
        _print_error(f"bayesglmm: error: {error}")
        return _FAILED
    except KeyboardInterrupt:
        _print_error("bayesglmm: interrupted; nothing more was written")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader has closed the pipe, as with `| head`
        _discard_stdout()
        return _DONE
    except OSError as error:
        _discard_stdout()
        _print_error(f"bayesglmm: error: {error}")
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bayesglmm",
        description="Bayesian generalized linear mixed models that state the estimand of every number: conditional "
        "(b = 0), population-averaged, of a given group, or of a new group.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="fit a spec; write the fit, tables, figures and a report")
    check = commands.add_parser("check", help="build a spec's model and print it, without sampling")
    for command in (run, check):
        command.add_argument("spec", type=Path, metavar="SPEC", help="a spec file, such as models/seizure.toml")
        command.add_argument("--data", metavar="PATH", help="a CSV or Parquet file instead of the spec's data")
    run.add_argument("--out", type=Path, metavar="FOLDER", help="where to write (default: results/<name of the spec>)")
    for name, text in (
        ("seed", "the seed of the sampler"),
        ("draws", "draws kept in each chain"),
        ("chains", "number of chains"),
        ("cores", "chains that run at once"),
    ):
        run.add_argument(f"--{name}", type=int, metavar="N", help=text)
    run.add_argument("--quiet", action="store_true", help="print nothing but errors")
    run.set_defaults(command=_run)
    check.set_defaults(command=_check)
    data = commands.add_parser("data", help="list the shipped data sets, or describe one")
    data.add_argument("name", nargs="?", metavar="NAME", help="a shipped data set")
    data.set_defaults(command=_data)
    return parser


class _Version(argparse.Action):
    """Print the version, looked up only here, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        _print(f"bayesglmm {version('bayesglmm')}")
        parser.exit()


def _run(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict
    from functools import partial

    from bayesglmm.faces.report import Wanted, prepare, write_results
    from bayesglmm.faces.spec import read_spec

    spec = _overridden(read_spec(arguments.spec), arguments)
    model = spec.model(spec.load_data(arguments.data))  # errors of the spec are raised before sampling
    others = spec.alternatives(model)
    wanted = Wanted(spec.figures_of(model), spec.focal, spec.by, spec.labels, spec.title, spec.description)
    folder = arguments.out if arguments.out is not None else Path("results") / spec.name
    prepare(folder)
    fitted = model.fit(progress=not arguments.quiet, **asdict(spec.sampler))
    compare = None
    if spec.compare is not None and not fitted.draws.attrs.get("interrupted"):
        compare = partial(spec.compare.compare, models=others, sampler=spec.sampler, progress=not arguments.quiet)
    results = write_results(fitted, wanted, folder, compare)
    saved = next(results)  # the posterior is saved before anything is printed
    _report_progress(f"{fitted}\n\nwrote {saved}", quiet=arguments.quiet)
    incomplete = None
    try:
        for written in results:
            _report_progress(f"wrote {written}", quiet=arguments.quiet)
    except IncompleteError as error:  # reported after the checks of the sampling; everything else is written
        incomplete = error
    check = fitted.check()
    if incomplete is not None:
        _print_error(f"bayesglmm: error: {incomplete}")
    if check.ok:
        return _DONE if incomplete is None else _FAILED
    _print_error(f"\n{'!' * 80}\n{check}\nThe results are in '{folder}', marked as unreliable.\n{'!' * 80}")
    return _INTERRUPTED if fitted.draws.attrs.get("interrupted") else _UNRELIABLE


def _overridden(spec: "Spec", arguments: argparse.Namespace) -> "Spec":
    """Return the spec with the sampler's settings replaced by those of the command line."""
    from dataclasses import replace

    settings = {name: getattr(arguments, name) for name in ("seed", "draws", "chains", "cores")}
    return replace(spec, sampler=replace(spec.sampler, **{k: v for k, v in settings.items() if v is not None}))


def _check(arguments: argparse.Namespace) -> int:
    from bayesglmm.comparison.steps import change
    from bayesglmm.faces.spec import read_spec

    spec = read_spec(arguments.spec)
    model = spec.model(spec.load_data(arguments.data))
    settings = ", ".join(f"{name} {value}" for name, value in vars(spec.sampler).items() if value is not None)
    figures = ", ".join(spec.figures_of(model)) or "none"
    others = spec.alternatives(model)
    compared = "".join(f"\ncompared with {name}: {change(model, other)}" for name, other in others.items())
    _print(f"{spec.title}\n\n{model.formula}\n{model}\nsampler: {settings}\nfigures: {figures}{compared}")
    return _DONE


def _data(arguments: argparse.Namespace) -> int:
    from bayesglmm.datasets import CATALOGUE
    from bayesglmm.errors import DataError, suggest

    if arguments.name is None:
        wide = max(len(entry.name) for entry in CATALOGUE)
        _print("\n".join(f"{entry.name:<{wide}}  {entry.rows:>5,} rows  {entry.study}" for entry in CATALOGUE))
        return _DONE
    entries = {entry.name: entry for entry in CATALOGUE}
    if arguments.name not in entries:
        raise DataError(f"no data set is called {arguments.name!r}; {suggest(arguments.name, entries)}")
    entry = entries[arguments.name]
    wide = max(len(column) for column in entry.columns)
    columns = "\n".join(f"  {column:<{wide}}  {text}" for column, text in entry.columns.items())
    _print(
        f"{entry.name}: {entry.study}\n{entry.rows:,} rows{', simulated' if entry.simulated else ''}\n\n{columns}\n\n"
        f"source: {entry.source}\npermission: {entry.permission}\n\n{_provenance(entry.name)}"
    )
    return _DONE


def _provenance(name: str) -> str:
    """Return the section of PROVENANCE.md on a data set."""
    from importlib.resources import files

    text = (files("bayesglmm.datasets") / "PROVENANCE.md").read_text(encoding="utf-8")
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0].strip()


def _lines(text: str) -> str:
    """Return text without control characters, which labels of data may hold."""
    return "\n".join(plain(line) for line in f"{text}\n".split("\n"))


def _report_progress(text: str, *, quiet: bool) -> None:
    """Print the progress of a run; the run goes on where it cannot be printed."""
    if quiet:
        return
    try:
        _print(text)
    except OSError as error:
        _discard_stdout()
        if not isinstance(error, BrokenPipeError):
            _print_error(f"bayesglmm: progress cannot be printed: {error}")


def _print(text: str) -> None:
    if sys.stdout is not None:  # None where a process is started without one
        sys.stdout.write(_lines(text))
        sys.stdout.flush()


def _print_error(text: str) -> None:
    with suppress(OSError):  # stderr itself may be closed
        if sys.stdout is not None:
            sys.stdout.flush()
        if sys.stderr is not None:
            sys.stderr.write(_lines(text))
            sys.stderr.flush()


def _discard_stdout() -> None:
    """Redirect stdout to the null device, so that flushing the buffer at exit raises nothing."""
    if sys.stdout is None:
        return
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # suppress: a stream without a file descriptor
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
