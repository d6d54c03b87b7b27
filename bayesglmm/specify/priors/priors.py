"""`Priors.build(specified, design, family)`: every parameter's prior, from defaults, classes, blocks and names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from bayesglmm.common.names import find
from bayesglmm.errors import PriorError, suggest
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.families import Family, Parameter
from bayesglmm.specify.priors.defaults import PRESETS, Assigned, Preset, default_for, default_parameter
from bayesglmm.specify.priors.prior import Domain, Prior
from bayesglmm.specify.priors.scales import scales
from bayesglmm.specify.priors.text import parse_prior

__all__ = ["Priors"]

type Path = tuple[str, ...]
type Specified = Mapping[str, Any] | str | None

_KEY = re.compile(r"""(?P<head>\w+)(?P<rest>(?:\[(?:"[^"]*"|'[^']*'|[^\]\[]+)\])+)""")
_PART = re.compile(r"""\[(?:"([^"]*)"|'([^']*)'|([^\]\[]+))\]""")


@dataclass(frozen=True)
class Priors:
    """The prior of every parameter of a model, each with its origin.

    Parameters
    ----------
    preset
        The preset of the defaults.
    specified
        The user's priors by path, from which `build` makes the same priors on the same data.
    intercept
        Prior of the intercept; None without one.
    centred
        Whether the intercept's prior is on the centred design (every predictor at its mean), as it is
        unless a prior is given for the coefficient `Intercept` by name.
    slopes
        One a column of the design but the intercept, in order.
    sd
        By block, one a column.
    correlation
        By block, for correlated blocks only.
    parameters
        By family parameter.
    """

    preset: Preset
    specified: Mapping[Path, Prior]
    intercept: Assigned | None
    centred: bool
    slopes: tuple[Assigned, ...]
    sd: Mapping[str, tuple[Assigned, ...]]
    correlation: Mapping[str, Assigned]
    parameters: Mapping[str, Assigned]

    @classmethod
    def build(cls, specified: Specified, design: Design, family: Family) -> "Priors":
        """Assign a prior to every parameter.

        Parameters
        ----------
        specified
            A preset's name; or a mapping with the keys `"preset"`, `"intercept"`, `"slopes"`, `"sd"`,
            `"correlation"`, a family parameter, a coefficient's name, or a block: `'sd["id"]'`,
            `'sd["id"]["time"]'`, nested mappings doing the same. A coefficient whose name is also one
            of the others is written `'coef["sd"]'`. The factors of an interaction stand in any order:
            `"time:trt"` is `"trt:time"`. Values are priors or their string form; a parameter above zero may have
            `"variance(…)"` or `"precision(…)"` around the prior of its square or inverse square, and
            `bayesglmm.priors.custom` makes a prior of a log density. The most specific wins.

        Raises
        ------
        PriorError
            For a key that names nothing in the model, a malformed prior, or a prior with mass outside the domain of
            its parameter.
        """
        preset, by_path = _read(specified)
        assigner = _Assigner(preset, by_path, design, family)
        return cls(
            preset=preset,
            specified=dict(assigner.specified),
            intercept=assigner.intercept(),
            centred=_INTERCEPT not in assigner.specified,
            slopes=assigner.slopes(),
            sd={block.name: assigner.sd(j, block) for j, block in enumerate(design.blocks)},
            correlation={block.name: assigner.correlation(block) for block in design.blocks if block.correlated},
            parameters={parameter.name: assigner.parameter(parameter) for parameter in family.parameters},
        )

    @property
    def improper(self) -> tuple[int, ...]:
        """The positions among the slopes whose prior is improper."""
        return tuple(j for j, assigned in enumerate(self.slopes) if not assigned.prior.proper)

    @property
    def custom(self) -> tuple[Prior, ...]:
        """The priors whose density is a function of the user's."""
        sds = [assigned for block in self.sd.values() for assigned in block]
        intercept = [] if self.intercept is None else [self.intercept]
        priors = (assigned.prior for assigned in (*self.slopes, *sds, *self.parameters.values(), *intercept))
        return tuple(dict.fromkeys(prior for prior in priors if prior.custom))

    @property
    def proper(self) -> bool:
        """Whether every prior integrates to one."""
        return not self.improper and (self.intercept is None or self.intercept.prior.proper)


class _Assigner:
    """Looks priors up from the most specific path to the least, then the default."""

    def __init__(self, preset: Preset, by_path: Mapping[Path, Prior], design: Design, family: Family) -> None:
        self.preset, self.design, self.family = preset, design, family
        self.scales = scales(design, family)
        self.names = design.coef[1:] if design.has_intercept else design.coef
        self.known = self._known()
        self.specified = self._named(by_path)

    def _known(self) -> tuple[Path, ...]:
        """List every path that names something in this model, classes first."""
        parameters = tuple((parameter.name,) for parameter in self.family.parameters)
        classes: list[Path] = [("intercept",)] if self.design.has_intercept else []
        classes += [("slopes",)] if self.names else []
        paths: list[Path] = []
        for block in self.design.blocks:
            for name in dict.fromkeys((block.name, block.factor)):
                paths += [("sd", name), *(("sd", name, column) for column in block.columns)]
                paths += [("correlation", name)] if block.correlated else []
        classes += [(head,) for head in ("sd", "correlation") if any(path[0] == head for path in paths)]
        coefficients = tuple(("coef", name) for name in self.design.coef)
        return tuple(dict.fromkeys((*classes, *parameters, *coefficients, *paths)))

    def _named(self, by_path: Mapping[Path, Prior]) -> dict[Path, Prior]:
        """Resolve a coefficient's bare name, and refuse a path that names nothing."""
        resolved: dict[Path, Prior] = {}
        for written, prior in by_path.items():
            path = self._path(written)
            if path is None:
                raise PriorError(_unknown(written, self.known))
            if path in resolved:
                raise PriorError(f"{_short(path, self.known)} is given two priors; keep one")
            resolved[path] = prior
        return resolved

    def _path(self, path: Path) -> Path | None:
        """Return the known path that a path stands for: a coefficient needs no head, products may be in any order."""
        if path in self.known:
            return path
        for candidate in (("coef", *path), path):
            matches = [known for known in self.known if len(known) == len(candidate) and known[0] == candidate[0]]
            for position in range(1, len(candidate)):
                part = find(candidate[position], (known[position] for known in matches))
                matches = [known for known in matches if known[position] == part]
            if len(matches) == 1 and len(candidate) > 1:
                return matches[0]
        printed = {f"beta[{name}]": name for name in self.design.coef}  # the names of coefficients in tables
        label = find(path[0], printed) if len(path) == 1 else None
        return None if label is None else ("coef", printed[label])

    def _find(self, domain: Domain, *paths: Path) -> Assigned | None:
        for path in paths:
            if path in self.specified:
                prior = self.specified[path]
                if not prior.suits(domain):
                    raise PriorError(f"{_short(path, self.known)}: {prior} does not suit it; {_REMEDIES[domain]}")
                return Assigned(prior, f"given as {_short(path, self.known)}")
        return None

    def intercept(self) -> Assigned | None:
        if not self.design.has_intercept:
            return None
        assigned = self._find("real", _INTERCEPT, ("intercept",))
        return assigned or default_for(self.preset, "intercept", self.scales)

    def slopes(self) -> tuple[Assigned, ...]:
        return tuple(
            self._find("real", ("coef", name), ("slopes",)) or default_for(self.preset, "slopes", self.scales, x=x)
            for name, x in zip(self.names, self.scales.slopes, strict=True)
        )

    def sd(self, j: int, block: BlockDesign) -> tuple[Assigned, ...]:
        names = (block.name, block.factor)
        return tuple(
            self._find(
                "positive", *(("sd", name, column) for name in names), *(("sd", name) for name in names), ("sd",)
            )
            or default_for(self.preset, "sd", self.scales, x=z)
            for column, z in zip(block.columns, self.scales.blocks[j], strict=True)
        )

    def correlation(self, block: BlockDesign) -> Assigned:
        assigned = self._find(
            "correlation", ("correlation", block.name), ("correlation", block.factor), ("correlation",)
        )
        return assigned or default_for(self.preset, "correlation", self.scales)

    def parameter(self, parameter: Parameter) -> Assigned:
        return self._find("positive", (parameter.name,)) or default_parameter(self.preset, parameter, self.scales)


_INTERCEPT = ("coef", "Intercept")

_REMEDIES = {
    "real": "give a distribution of a single number, such as normal(0, 2.5)",
    "positive": "it is above zero: give half_normal, half_student_t, half_cauchy, exponential, gamma, lognormal …, or "
    "variance(…) or precision(…) of one",
    "correlation": "give lkj(eta)",
}

_ABSENT = {
    "intercept": "there is no intercept in this model",
    "slopes": "there are no slopes in this model",
    "sd": "there are no grouping factors in this model",
    "correlation": "no block of this model has correlated columns",
}


def _unknown(path: Path, known: tuple[Path, ...]) -> str:
    """Say that a path names nothing in the model, and list the nearest paths that do."""
    head = path[0]
    if head in _ABSENT and (head,) not in known:
        return f"{_text(path)}: {_ABSENT[head]}; leave it out"
    within = [other for other in known if other[0] == head and len(other) == len(path)]
    inner = [other for other in within if other[:-1] == path[:-1]] or within
    texts = [_short(other, known) for other in (inner if len(path) > 1 and inner else known)]
    return f"{_text(path)} is no parameter of this model; {suggest(_text(path), texts)}"


def _short(path: Path, known: tuple[Path, ...]) -> str:
    """Return a coefficient's bare name where it is unambiguous, the path as text otherwise."""
    return path[1] if path[0] == "coef" and (path[1],) not in known else _text(path)


def _read(specified: Specified) -> tuple[Preset, dict[Path, Prior]]:
    """Read the argument `priors=` into a preset and priors by path."""
    if specified is None:
        return "default", {}
    if isinstance(specified, str):
        return _preset(specified), {}
    if not isinstance(specified, Mapping):
        raise PriorError(f"priors is a mapping such as {{'slopes': 'normal(0, 1)'}}, not {type(specified).__name__}")
    preset: Preset = "default"
    by_path: dict[Path, Prior] = {}
    for key, value in specified.items():
        if key == "preset":
            preset = _preset(value)
        else:
            _collect(_path(key), value, by_path)
    return preset, by_path


def _preset(name: Any) -> Preset:
    for preset in PRESETS:
        if name == preset:
            return preset
    raise PriorError(f"priors={name!r} is not a preset; {suggest(str(name), PRESETS)}")


def _path(key: Any) -> Path:
    if isinstance(key, tuple) and key and all(isinstance(part, str) for part in key):
        return tuple(normalize("NFC", part) for part in key)
    if not isinstance(key, str):
        raise PriorError(f"a prior is given for a name such as 'slopes' or 'sd[\"id\"]', not for {key!r}")
    key = normalize("NFC", key)
    match = _KEY.fullmatch(key)
    if match is None or match.group("head") not in ("sd", "correlation", "coef"):
        return (key,)
    parts = [a or b or c.strip() for a, b, c in _PART.findall(match.group("rest"))]
    return (match.group("head"), *parts)


def _collect(path: Path, value: Any, by_path: dict[Path, Prior]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _collect((*path, normalize("NFC", str(key))), inner, by_path)
        return
    if path in by_path:
        raise PriorError(f"{_text(path)} is given two priors; keep one")
    try:
        by_path[path] = parse_prior(value)
    except PriorError as error:
        raise PriorError(f"{_text(path)}: {error}") from error


def _text(path: Path) -> str:
    return path[0] + "".join(f'["{part}"]' for part in path[1:])
