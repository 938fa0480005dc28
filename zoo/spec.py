"""The description of a model: all that training, the command line, reports and exports ask of it.

A model's file, or the `__init__` of its folder, ends in a `ModelSpec`. Importing it must not import
Keras where the command line is to stay fast: name the builder by `Lazy` then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from tfrec_fusion.errors import InvalidInput, WrongType

if TYPE_CHECKING:
    import numpy as np

    from tfrec_fusion.data.events import Events
    from tfrec_fusion.data.features import LabelFeatures
    from tfrec_fusion.data.graph import Knowledge
    from tfrec_fusion.data.indexed import IndexedData
    from tfrec_fusion.training.recipe import Recipe

SIZES = ("num_users", "num_items")  # of the vocabularies; every model's config may have them


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A field of a config that people choose: a keyword of `build`, an option of `train`.

    Args:
        default: Its default; the field's annotation is its type.
        help: What it is, in a few words.
        choices: The values of a string, or of each string of a tuple.
        low: The least value that a search tries.
        high: The largest.

    Example:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Sizes:
    ...     dim: int = option(64, "size of the vectors")
    >>> Sizes().dim
    64
    """
    return field(
        default=default, metadata={"help": help, "choices": choices, "low": low, "high": high}
    )


def options_of(config: type) -> list[Field[Any]]:
    """The fields of a dataclass that were made by `option`."""
    return [one for one in fields(config) if "help" in one.metadata]


@dataclass(frozen=True)
class Lazy:
    """A function that is imported when it is first called.

    Attributes:
        path: `package.module:function`.
        keywords: Keywords that every call gets, such as the model's name.

    Example:

    >>> Lazy("math:hypot")(3, 4)
    5.0
    """

    path: str
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Callable[..., Any]:
        """Imports the function."""
        module, _, name = self.path.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls the function."""
        return self.load()(*arguments, **{**self.keywords, **keywords})


def itself(config: Any) -> Any:
    """Builds a model whose config is the model: one in closed form."""
    return config


class BuildContext(Protocol):
    """The training data that a model's arrays, such as text vectors, are made of."""

    data: IndexedData
    """Vocabularies, tables and parts."""
    events: Events
    """The events to be trained on; nothing else may be learned from."""
    texts: np.ndarray
    """`(num_items,)` texts as the model reads them."""
    choices: Mapping[str, Any]
    """The value of each option of the model's config."""
    options: Mapping[str, Any]
    """The model's further training options, all of them."""
    features: LabelFeatures | None
    """Labels of the items, where `item_features` names some."""
    knowledge: Knowledge | None
    """The knowledge graph over the items, where the data has one."""
    say: Callable[[str], None]
    """Called with a line for people."""


@dataclass(frozen=True)
class Task:
    """An output next to `logits`: its loss, and the metric that can choose epochs by it.

    Attributes:
        loss: `"binary"`, `"softmax"`, `"squared"`, or a function that makes a Keras loss.
        metric: Name among the model's validation metrics; None where none measures the task.
        mode: Whether the metric is better when `"max"` or `"min"`.
    """

    loss: str | Callable[[], Any]
    metric: str | None = None
    mode: str = "max"


@dataclass(frozen=True)
class Part:
    """A model that is trained first, and whose weights another starts from.

    Attributes:
        model: Its name; None for the model itself with other choices.
        choices: Keywords of its config that differ from the whole's.
        label: What its passes are called in folders and logs; its name by default.
    """

    model: str | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class ModelSpec:
    """A model's description.

    Attributes:
        name: What it is called everywhere: `build`, the command line, run folders.
        summary: A line for lists, without a full stop.
        config: A frozen dataclass of its sizes and options (`option`). Of a model in closed form
            it is the model itself, with `fit(events, item_texts)`.
        build: `(config, **arrays)` → the model.
        batches: `(model, events, batch_size, seed)` → the `tf.data` data set it learns from.
        recipe: How it is trained, or `config` → that; None for a model in closed form.
        recipe_after_parts: Instead, where it starts from trained parts.
        arrays: Keywords of `build` besides the config, such as `item_text`.
        sizes: `(**arrays)` → fields of the config that follow from them, such as `text_dim`.
        prepare: `BuildContext` → those arrays (and sizes), made of the training data.
        parts: Values of the config's options → what is trained first.
        tasks: Outputs next to `logits`.
        metrics: What a report shows of it besides the lists' metrics.
        options: Dataclasses of further training options.
        defaults: Other defaults of options, of the config or of training.
        fixed: Fields of the config that this model fixes.
        hidden: Fields of the config that it does not offer.
        reads_texts: Whether it reads items' texts through a language model.
        can_grow: Whether fine-tuning can add users and items.
        former_names: Names in runs and cards of earlier versions.
        former_options: There, names of its config's options, and what they are called now.

    Raises:
        InvalidInput: When the name is no identifier or the config lacks defaults.

    Example: see `zoo.models.two_tower`.
    """

    name: str
    summary: str
    config: type[Any]
    build: Callable[..., Any]
    batches: Callable[..., Any] | None = None
    recipe: Recipe | Callable[[Any], Recipe] | None = None
    recipe_after_parts: Recipe | None = None
    arrays: tuple[str, ...] = ()
    sizes: Callable[..., dict[str, int]] | None = None
    prepare: Callable[[BuildContext], dict[str, Any]] | None = None
    parts: Callable[[Mapping[str, Any]], tuple[Part, ...]] | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    options: tuple[type, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    reads_texts: bool = False
    can_grow: bool = True
    former_names: tuple[str, ...] = ()
    former_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InvalidInput(f"`name` must be an identifier. Received: {self.name!r:.60}.")
        if not is_dataclass(self.config) or not isinstance(self.config, type):
            raise WrongType(
                f"`config` of {self.name} must be a dataclass. Received: {self.config!r:.60}."
            )
        if (self.batches is None) != (self.recipe is None):
            raise InvalidInput(
                f"{self.name} needs both `batches` and `recipe`, or, in closed form, neither."
            )
        offered = {one.name for one in (*self.config_options, *self.training_options)}
        if unknown := sorted(self.defaults.keys() - offered):
            raise InvalidInput(
                f"`defaults` of {self.name} must name its options. Received: {', '.join(unknown)}."
            )

    def load(self) -> None:
        """Imports everything that is named by `Lazy`.

        Imports draw random numbers: they come before a training sets its seed.
        """
        for one in fields(self):
            if isinstance(lazy := getattr(self, one.name), Lazy):
                lazy.load()

    @property
    def is_baseline(self) -> bool:
        """Whether it is fitted in closed form, without gradients."""
        return self.recipe is None

    @property
    def config_options(self) -> list[Field[Any]]:
        """The fields of the config that people choose: name, type, default and help."""
        kept = {*self.fixed, *self.hidden}
        return [one for one in options_of(self.config) if one.name not in kept]

    @property
    def training_options(self) -> list[Field[Any]]:
        """The fields of its further training options."""
        return [one for options in self.options for one in options_of(options)]

    @property
    def required(self) -> tuple[str, ...]:
        """The vocabularies' sizes that its config needs."""
        own = {one.name for one in fields(self.config) if one.default is MISSING}
        return tuple(name for name in SIZES if name in own)

    def default(self, one: Field[Any]) -> Any:
        """The default of one of its options."""
        return self.defaults.get(one.name, one.default)

    def make_config(self, **choices: Any) -> Any:
        """The config of some choices, with the defaults and fixed values of this model."""
        own = {one.name for one in self.config_options}
        defaults = {name: value for name, value in self.defaults.items() if name in own}
        return self.config(**{**defaults, **choices, **self.fixed})

    def recipe_of(self, config: Any, *, after_parts: bool = False) -> Recipe:
        """How the model of a config is trained.

        Raises:
            InvalidInput: When it is fitted in closed form.
        """
        if after_parts and self.recipe_after_parts is not None:
            return self.recipe_after_parts
        if self.recipe is None:
            raise InvalidInput(f"{self.name} is fitted in closed form: it has no recipe.")
        return self.recipe(config) if callable(self.recipe) else self.recipe

    def current_names(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Keywords of any version under the names of this one."""
        return {self.former_options.get(name, name): value for name, value in keywords.items()}

    def choices_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The value of each of its config's options: as given, or its default."""
        return {one.name: given.get(one.name, self.default(one)) for one in self.config_options}

    def parts_of(self, choices: Mapping[str, Any]) -> tuple[Part, ...]:
        """What is trained first, given the values of the config's options."""
        return () if self.parts is None else self.parts(choices)
