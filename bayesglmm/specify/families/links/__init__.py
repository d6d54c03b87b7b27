"""The links, one file each: a module of this folder that holds a `Link` is in the table."""

import copyreg
import importlib
import pkgutil
from typing import Any

from bayesglmm.errors import FamilyError, suggest
from bayesglmm.specify.families.links.link import Link, Range

__all__ = ["LINKS", "Link", "Range", "get_link"]

LINKS: dict[str, Link] = {
    value.name: value
    for module in pkgutil.iter_modules(__path__, f"{__name__}.")
    for value in vars(importlib.import_module(module.name)).values()
    if isinstance(value, Link)
}
"""Every link of the package, by name."""


def get_link(name: str) -> Link:
    """Return a link by its name.

    Raises
    ------
    FamilyError
        If there is none of that name.
    """
    if not isinstance(name, str) or name not in LINKS:
        raise FamilyError(f"link={name!r} is not a link; {suggest(str(name), LINKS)}")
    return LINKS[name]


def _pickled(link: Link) -> Any:
    """Return how a link is pickled: one of the package by its name, since its functions have none."""
    return (get_link, (link.name,)) if LINKS.get(link.name) is link else link.__reduce_ex__(4)


copyreg.pickle(Link, _pickled)
