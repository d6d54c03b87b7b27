"""A status line in a terminal or a notebook, for the time before there are draws to count."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["status"]


@contextmanager
def status(text: str, *, shown: bool) -> Iterator[None]:
    """Show a line while the body runs, and remove it after.

    Parameters
    ----------
    text
        What is being done.
    shown
        Whether to show it; nothing is written otherwise.
    """
    handle = _notebook_line(text) if shown and _in_notebook() else None
    terminal = shown and handle is None
    line = f"{text} …"
    if terminal:
        sys.stderr.write(line if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()
    try:
        yield
    finally:
        if handle is not None:
            handle.update({"text/plain": ""}, raw=True)
        elif terminal and sys.stderr.isatty():
            sys.stderr.write(f"\r{' ' * len(line)}\r")
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
