"""Text from the user's data, labels and titles as HTML: escaped, invisible characters written out."""

from html import escape

from bayesglmm.common.text import plain

__all__ = ["prose", "shown"]


def shown(text: object) -> str:
    """Return text as HTML shows it, in an element or as an attribute: one line, no markup."""
    return escape(plain(text), quote=True)


def prose(text: object) -> str:
    """Return sentences as HTML: as `shown`, with line breaks as blanks."""
    return shown(" ".join(str(text).split()))
