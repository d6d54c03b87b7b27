"""Tables in Markdown: those of what `run.py` measured, and their place between the markers of a page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["report", "table", "write"]

_ENGINES = {
    "density": "bayesglmm",
    "pymc": 'bayesglmm, `backend="pymc"`',
    "bambi": "Bambi + nutpie",
    "lme4": "lme4 `glmer`",
    "rstanarm": "rstanarm",
}


def _short(value: float) -> str:
    """Two digits at least, none after the point where there are two before it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


_MEASURES: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "cold": ("first run ever (s)", "{:.1f}".format),
    "warm": ("new process (s)", "{:.1f}".format),
    "again": ("again in process (s)", "{:.2f}".format),
    "ess": ("min bulk-ESS", "{:,.0f}".format),
    "per_second": ("ESS per second", _short),
    "rhat": ("max R-hat", "{:.3f}".format),
    "divergences": ("divergences", "{:d}".format),
    "gradient": ("gradient (ns a merged row)", "{:.1f}".format),
    "peak": ("peak memory (MiB)", "{:,.0f}".format),
}


def report(results: Mapping[str, Any]) -> str:
    """Return the machine, our table, and the table of peers where there are any."""
    about = [f"- {name}: {value}" for name, value in results["machine"].items()]
    about += [f"- `{code}`: {seconds:.2f} s" for code, seconds in results["import_seconds"].items()]
    times = "once" if results["repeats"] == 1 else f"{results['repeats']} times, medians"
    about.append(f"- short studies measured {times}; the longer ones and the peers once")
    if any(row["study"] == "ohio" for row in results["rows"]):
        about.append(f"- ohio: {'the real deaths' if results['real_ohio'] else 'the simulated twin that ships'}")
    rows = results["rows"]
    ours = {row["study"]: row for row in rows if row["engine"] == "density"}
    parts = ["\n".join(about), _ours(ours)]
    if peers := [row for row in rows if row["engine"] != "density"]:
        parts.append(_peers(ours, peers))
    return "\n\n".join(parts)


def _ours(rows: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ["study", "rows", "merged", "groups", *(head for head, _ in _MEASURES.values()), ""]
    body = [
        [study, *(_number(row, key) for key in ("rows", "merged", "groups")), *_cells(row), row["note"]]
        for study, row in rows.items()
    ]
    return table(heads, body)


def _peers(ours: Mapping[str, Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    ratios = {"warm": "new process", "again": "again", "per_second": "ESS per second"}
    heads = ["study", "with", *(head for head, _ in _MEASURES.values())]
    heads += [*(f"ours ÷ theirs: {what}" for what in ratios.values()), ""]
    body = [
        [
            row["study"],
            _ENGINES[row["engine"]],
            *_cells(row),
            *(_ratio(ours[row["study"]], row, key) for key in ratios),
            row["note"],
        ]
        for row in rows
    ]
    return table(heads, body)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return ["–" if row[key] is None else form(row[key]) for key, (_, form) in _MEASURES.items()]


def _number(row: Mapping[str, Any], key: str) -> str:
    return "–" if row[key] is None else f"{row[key]:,}"


def _ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any], key: str) -> str:
    return _short(ours[key] / theirs[key]) if ours[key] and theirs[key] else "–"


def table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Lay out rows under heads, the first column to the left and the others to the right."""
    alignment = ["---" if i == 0 else "---:" for i in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, alignment, *body))


def write(path: Path, text: str, name: str = "table") -> None:
    """Put a text between the markers of this name in a file, or into a new file."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, after = "", "\n"
    if path.is_file():
        before, rest = path.read_text(encoding="utf-8").split(begin, 1)
        after = rest.split(end, 1)[1]
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
