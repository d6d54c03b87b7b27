"""The pages of docs/: every python block runs, in order, each page in a namespace of its own."""

import re
from pathlib import Path

import pytest

from bayesglmm.specify.priors import DISTRIBUTIONS

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return the first line and the text of every python block."""
    text = page.read_text(encoding="utf-8")
    return [(text[: match.start(1)].count("\n"), match[1]) for match in BLOCK.finditer(text)]


@pytest.mark.parametrize(
    "page", [page for page in sorted(DOCS.glob("*.md")) if blocks(page)], ids=lambda page: page.name
)
def test_every_block_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    before = dict(DISTRIBUTIONS)
    namespace: dict[str, object] = {"__name__": "page"}
    try:
        for line, text in blocks(page):
            exec(compile("\n" * line + text, str(page), "exec"), namespace)
    finally:
        for name in set(DISTRIBUTIONS) - set(before):
            del DISTRIBUTIONS[name]


def test_the_page_on_extending_has_its_blocks_and_names_folders_that_are_there() -> None:
    page = DOCS / "extending.md"
    assert len(blocks(page)) >= 6
    for folder in re.findall(r"`(bayesglmm/[a-z_/]+/)`", page.read_text(encoding="utf-8")):
        assert (DOCS.parent / folder).is_dir()
