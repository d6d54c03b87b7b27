"""`sources(modules)`: a digest of the source of modules of the package and of all that they import of it.

What a function computes also depends on its decorators and on what modules register with numba, which its fingerprint
does not show; the sources have both. They are found by following the imports.
"""

import ast
import hashlib
import re
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

__all__ = ["imports", "reached", "sources"]

_ROOT = __name__.partition(".")[0]
_IMPORT = re.compile(rf"^[ \t]*(?:from|import)[ \t]+{_ROOT}\b[^(\n]*(?:\([^)]*\))?", re.MULTILINE)


@cache
def sources(modules: frozenset[str]) -> str | None:
    """Return the digest; None where the package is installed without its sources, as in some bundles.

    Raises
    ------
    ModuleNotFoundError
        If there is no module of one of the names.
    """
    digest = hashlib.sha256()
    for name in sorted(reached(modules)):
        text = _source(name)
        if text is None:
            return None
        digest.update(f"{name} {len(text)}\n{text}".encode())
    return digest.hexdigest()


def reached(modules: frozenset[str]) -> frozenset[str]:
    """Return modules and all of the package that they import, directly or not."""
    visited: set[str] = set()
    waiting = sorted(modules)
    while waiting:
        name = waiting.pop()
        if name not in visited:
            visited.add(name)
            waiting += imports(_source(name) or "")
    return frozenset(visited)


def imports(text: str) -> list[str]:
    """Return the modules of the package that a source imports, wherever in it."""
    return list(_imports(text))


@cache
def _imports(text: str) -> tuple[str, ...]:
    try:
        statements: list[ast.AST] = [ast.parse(match.group().strip()).body[0] for match in _IMPORT.finditer(text)]
    except SyntaxError:  # a bracket in a comment, say
        statements = list(ast.walk(ast.parse(text)))
    named: list[str] = []
    for statement in statements:
        if isinstance(statement, ast.Import):
            named += [alias.name for alias in statement.names if alias.name.partition(".")[0] == _ROOT]
        elif isinstance(statement, ast.ImportFrom) and (statement.module or "").partition(".")[0] == _ROOT:
            package = str(statement.module)
            named += [f"{package}.{alias.name}" if _has(package, alias.name) else package for alias in statement.names]
    return tuple(named)


def _has(package: str, name: str) -> bool:
    """Whether a package has a module of that name."""
    return _spec(package).submodule_search_locations is not None and find_spec(f"{package}.{name}") is not None


@cache
def _source(name: str) -> str | None:
    """Return the source of a module, None where there is none."""
    get_source = getattr(_spec(name).loader, "get_source", None)
    text: str | None = get_source(name) if get_source is not None else None
    return text


def _spec(name: str) -> ModuleSpec:
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"'{name}' is none of the modules of {_ROOT}; its source cannot be read", name=name)
    return spec
