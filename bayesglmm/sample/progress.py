"""A status line in a terminal or a notebook, for what has no progress bar of its own."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["status"]


@contextmanager
def status(text: str, *, shown: bool) -> Iterator[Callable[[str], None]]:
    """Show a line while the body runs, and remove it after.

    Parameters
    ----------
    text
        What is being done.
    shown
        Whether to show it; nothing is written otherwise.

    Yields
    ------
    Callable
        Shows another text in the place of the first.
    """
    handle = _notebook_line(text) if shown and _in_notebook() else None
    in_terminal = shown and handle is None and sys.stderr.isatty()
    written = ""

    def show(changed: str) -> None:
        nonlocal written
        line = f"{changed} …"
        if handle is not None:
            handle.update({"text/plain": line}, raw=True)
        elif in_terminal:
            sys.stderr.write(f"\r{line.ljust(len(written))}")
            sys.stderr.flush()
            written = line

    if shown and handle is None and not in_terminal:
        sys.stderr.write(f"{text} …\n")
        sys.stderr.flush()
    show(text)
    try:
        yield show
    finally:
        if handle is not None:
            handle.update({"text/plain": ""}, raw=True)
        elif in_terminal:
            sys.stderr.write(f"\r{' ' * len(written)}\r")
            sys.stderr.flush()


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def _notebook_line(text: str):  # type: ignore[no-untyped-def]  # IPython's display handle
    from IPython.display import display

    return display({"text/plain": f"{text} …"}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
