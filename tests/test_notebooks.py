import ast
import itertools
import re
from pathlib import Path

import llvmlite.binding as llvm
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ADDRESS = re.compile(r"0x[0-9a-f]+")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
TEXTS = ("text/plain", "text/html", "text/markdown")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(notebook):
    """Execute a copy without outputs in a kernel of its own."""
    fresh = nbformat.from_dict(notebook)
    for cell in code(fresh):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(fresh, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    return client.execute()


def texts(cell):
    """Return what a cell shows as text: printed text in one piece, then results, without object addresses."""
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    shown = [output.data[kind] for output in cell.outputs if "data" in output for kind in TEXTS if kind in output.data]
    return [ADDRESS.sub("0x", text) for text in (printed, *shown)]


def words(text):
    """Return what stands between numbers; rules of tables are as wide as their columns."""
    return [re.sub("-+", "-", word) for word in NUMBER.sub("#", text).split()]


def numbers(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def kinds(cell):
    """Return the kind of each output; text printed in pieces, as a busy machine sends it, is one."""
    every = [sorted(output.data) if "data" in output else output.name for output in cell.outputs]
    return [kind for kind, _ in itertools.groupby(every)]


def shows(cell):
    """Whether the last statement of a cell is an expression, or any of its statements prints."""
    last = ast.parse(cell.source).body[-1]
    return isinstance(last, ast.Expr) or "print(" in cell.source


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_a_notebook_defines_nothing(path):
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for cell in code(read(path)):
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, defining)], cell.source


@every_notebook
def test_a_notebook_is_committed_as_one_run_from_top_to_bottom(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    for cell in code(notebook):
        assert bool(cell.outputs) == shows(cell), cell.source
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell.source
        assert not cell.metadata, "execution timings and the like change with every run"
    assert path.stat().st_size < 500_000


@every_notebook
def test_a_fresh_run_shows_the_committed_text_and_tables(path):
    """To the letter on a processor of the kind that made them; another rounds otherwise, and has other draws."""
    committed = read(path)
    fresh = run(committed)
    same, pairs = committed.metadata.processor == llvm.get_host_cpu_name(), []
    for before, after in zip(code(committed), code(fresh), strict=True):
        assert kinds(after) == kinds(before), before.source
        assert not same or texts(after) == texts(before), before.source
        for old, new in zip(texts(before), texts(after), strict=True):
            assert words(new) == words(old), before.source
            pairs += zip(numbers(old), numbers(new), strict=True)
    old, new = np.array(pairs).T
    apart, size = abs(new - old), np.maximum(abs(new), abs(old))
    assert (apart <= 1 + 0.2 * size).all(), "ranks and the ends of intervals move a little between draws"
    assert np.mean(apart > 0.05 + 0.1 * size) < 0.03
