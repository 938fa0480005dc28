"""The keywords of a training, sorted by what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tfrec_fusion.argument_types import check_types
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.runs.train_options import TrainOptions
from tfrec_fusion.zoo.spec import ModelSpec
from tfrec_fusion.zoo.training_options import OF_SOME_MODELS


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training, apart from its data.

    Attributes:
        spec: The model's description.
        options: Training options of every model.
        further: The model's further training options, all of them.
        choices: Fields of the model's config that were given.
    """

    spec: ModelSpec
    options: TrainOptions
    further: Mapping[str, Any]
    choices: Mapping[str, Any]

    @classmethod
    def from_keywords(cls, spec: ModelSpec, keywords: Mapping[str, Any]) -> Settings:
        """Sorts keywords, those of earlier versions too, and checks them.

        Raises:
            InvalidInput: For a keyword that the model does not have; the message lists them.
            WrongType: For a value of another type.
        """
        keywords = spec.current_names(keywords)
        general = [one.name for one in fields(TrainOptions)]
        further = [one.name for one in spec.training_options]
        own = [one.name for one in spec.config_options]
        if unknown := [key for key in keywords if key not in (*general, *further, *own)]:
            raise InvalidInput(
                f"{spec.name} takes the keywords {', '.join([*own, *further, *general])}. "
                f"Received: {', '.join(unknown)}."
            )

        def given(names: list[str]) -> dict[str, Any]:
            return {name: keywords[name] for name in names if name in keywords}

        choices = given(own)
        check_types(spec.config_options, choices)
        options = TrainOptions(**given(general))
        return cls(spec, options, _checked(spec, given(further)), choices)

    def as_options(self) -> dict[str, Any]:
        """The training options, as `options` of a `run.json` holds them."""
        return {**asdict(self.options), **self.further}


def default_options() -> dict[str, Any]:
    """The training options of any model with their defaults, as a `run.json` holds them."""
    found = asdict(TrainOptions())
    for kind in OF_SOME_MODELS:
        found |= asdict(kind())
    return {key: list(one) if isinstance(one, tuple) else one for key, one in found.items()}


def _checked(spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """The further options of a model, with its defaults."""
    found: dict[str, Any] = {}
    for kind in spec.options:
        names = [one.name for one in fields(kind)]
        chosen = {
            name: given.get(name, spec.defaults.get(name))
            for name in names
            if name in given or name in spec.defaults
        }
        check_types(fields(kind), chosen)
        found |= asdict(kind(**chosen))
    return found
