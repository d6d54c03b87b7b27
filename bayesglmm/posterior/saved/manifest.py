"""`seal(content) -> bytes` and `unseal(data) -> content`: the JSON of a saved fit, with a checksum of itself."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from reprlib import repr as shortened
from typing import Any

from bayesglmm.errors import StorageError, listing

__all__ = ["FORMAT", "MANIFEST", "is_manifest", "seal", "unseal"]

FORMAT = 2
"""The format that is written; earlier ones are read."""

MANIFEST = "fit.json"

_CHECKSUM = "checksum"
_ZEROS = "0" * 64
"""In the place of the checksum while it is computed."""

_KEYS = {
    1: {"arrays", "sha256", "formula", "family", "link", "priors", "dropped", "columns", "coef"},
    2: {"arrays", "sha256", "bytes", "contents", "formula", "family", "link", "priors", "dropped", "columns", "coef"},
}
"""The required keys of each format; the first one had no checksum of itself."""

_MARKS = (b'"bayesglmm"', b'"arrays"', b'"sha256"', b'"formula"')


def seal(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of the file, with a checksum of themselves.

    Parameters
    ----------
    content
        Everything but the format and the checksum.
    """
    text = json.dumps({"format": FORMAT, _CHECKSUM: _ZEROS, **content}, indent=1, ensure_ascii=False, allow_nan=False)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(_ZEROS, checksum, 1).encode()


def unseal(data: bytes) -> dict[str, Any]:
    """Return the content of the file, the format included.

    Raises
    ------
    StorageError
        If it is not JSON, of a format that is not known, changed since it was written, or incomplete.
    """
    content = _parsed(data)
    version = content["format"]
    if not isinstance(version, int) or isinstance(version, bool) or version not in _KEYS:
        raise StorageError(
            f"it has format {shortened(version)}, this version of bayesglmm reads the formats "
            f"{listing(_KEYS)}; it was written by bayesglmm {shortened(content.get('bayesglmm'))}"
        )
    if version == 1 and _CHECKSUM in content:
        raise StorageError(f"{MANIFEST} is damaged: it was changed since it was saved; restore it from a copy")
    if version > 1:
        _check_checksum(data, content.pop(_CHECKSUM, None))
    if missing := _KEYS[version] - set(content):
        raise StorageError(f"{MANIFEST} is damaged: it lacks {', '.join(sorted(missing))}")
    return content


def is_manifest(data: bytes) -> bool:
    """Whether bytes are the beginning of a manifest, possibly damaged."""
    return sum(mark in data for mark in _MARKS) > 1


def _check_checksum(data: bytes, checksum: object) -> None:
    actual = None
    if isinstance(checksum, str) and len(checksum) == len(_ZEROS):
        actual = hashlib.sha256(data.replace(checksum.encode(errors="replace"), _ZEROS.encode(), 1)).hexdigest()
    if actual is None or actual != checksum:
        raise StorageError(
            f"{MANIFEST} is damaged: it was changed since it was saved (an editor, or a change of its line endings, "
            "is enough); restore it from a copy"
        )


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{MANIFEST} is damaged: it is not the JSON that was written") from error
    if not isinstance(content, dict) or "format" not in content:
        raise StorageError(f"{MANIFEST} is damaged: it is not the JSON that was written")
    return content


def _distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} stands twice")
        content[key] = value
    return content


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")
