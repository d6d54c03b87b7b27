"""Models beside that of a spec: what is changed in each, and how they are compared.

[compare]
name = "Poisson"                          # of the spec's own model
unit = "id"                               # what is left out, as in `Fit.loo`

[compare."negative binomial"]             # one table a model, with what is changed
family = "negative_binomial"
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from bayesglmm.comparison.compare import ElpdComparison, compare
from bayesglmm.comparison.loo import unit_of
from bayesglmm.comparison.same_data import refuse_other_data
from bayesglmm.comparison.steps import change
from bayesglmm.errors import BayesGLMMError, SpecError
from bayesglmm.marginalize.group_likelihood import integrated_with
from bayesglmm.sample.settings import Sampler
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.fitted import Fit

__all__ = ["Alternative", "Compared"]


@dataclass(frozen=True)
class Alternative:
    """What is changed in a model beside that of a spec; None for what stays.

    Parameters
    ----------
    formula, family, link, priors
        As in `bayesglmm.Model.update`: `"~ . + age"` adds a term to the formula.
    """

    formula: str | None = None
    family: str | None = None
    link: str | None = None
    priors: Mapping[str, Any] | str | None = None

    @classmethod
    def entries(cls) -> list[str]:
        """Return what may be changed."""
        return [entry.name for entry in fields(cls)]


@dataclass(frozen=True)
class Compared:
    """The models that a spec's is compared with, by the outcomes of units left out.

    Parameters
    ----------
    alternatives
        By name.
    name
        The name of the spec's own model beside them.
    unit, max_draws
        As in `bayesglmm.compare`.
    """

    alternatives: Mapping[str, Alternative]
    name: str = "this model"
    unit: str = "row"
    max_draws: int | None = None

    @classmethod
    def entries(cls) -> list[str]:
        """Return what is said of all models together."""
        return [entry.name for entry in fields(cls) if entry.name != "alternatives"]

    def models(self, model: Model) -> dict[str, Model]:
        """Build the other models, by name; what cannot be compared is refused before anything is sampled.

        Parameters
        ----------
        model
            The spec's own.

        Raises
        ------
        SpecError
            If a model cannot be built, has other data than the spec's, or has no groups that can be left out whole.
        """
        models = {}
        for name, alternative in self.alternatives.items():
            try:
                models[name] = model.update(**asdict(alternative))
                refuse_other_data({self.name: model, name: models[name]})
                for each in (model, models[name]):
                    if (unit := unit_of(each, self.unit)) != "row":
                        integrated_with(each.design, unit)
            except BayesGLMMError as error:
                raise SpecError(f"compare.{name}: {error}") from error
        return models

    def compare(
        self, fit: "Fit", models: Mapping[str, Model], sampler: Sampler, *, progress: bool = False
    ) -> tuple[ElpdComparison, tuple[str, ...]]:
        """Fit the other models and compare all.

        Parameters
        ----------
        fit
            Of the spec's own model.
        models
            The others by name, as `models` returns them.
        sampler
            The settings.
        progress
            Whether to show progress bars.

        Returns
        -------
        comparison
            With the names of the spec.
        notes
            How each model differs from the spec's, and which fits failed their checks.
        """
        others = {name: model.fit(progress=progress, **asdict(sampler)) for name, model in models.items()}
        fits = {self.name: fit, **others}
        notes = [f"{name} against {self.name}: {change(fit.model, model)}." for name, model in models.items()]
        notes += [
            f"{name}: {each.check().verdict}. The comparison is not to be relied on."
            for name, each in fits.items()
            if not each.check().ok
        ]
        return compare(fits, self.unit, max_draws=self.max_draws), tuple(notes)
