"""Sizes and choices of the fusion of profile, semantics and behavior."""

from __future__ import annotations

from dataclasses import dataclass

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option

TASKS = ("profile", "semantics", "behavior")


@dataclass(frozen=True)
class ProfileFusionConfig:
    """Sizes and choices.

    Attributes:
        num_users: Size of the user vocabulary, the OOV index 0 included.
        num_items: Size of the item vocabulary, the OOV index 0 included.
        text_dim: Size of the language model's vectors.
        num_words: Words that profiles and semantics are predicted as.
        tasks: Any of `"profile"`, `"semantics"` and `"behavior"`; without one its loss and its
            evidence are omitted.
        dim: Size of the learned vectors.
        text_components: Principal components of the text vectors that are read.
        levels: Depth of the shared extractor.
        reasoning_units: Size of the hidden layer over all evidence.
        negatives: Drawn for each positive in training.
        history_length: Items of the history that are read.
        id_dropout: Rate at which an item's id is masked in training.
        dropout: Rate in the encoder, on texts and on the hidden layer.
    """

    num_users: int
    num_items: int
    text_dim: int = 0
    num_words: int = 0
    tasks: tuple[str, ...] = option(TASKS, "tasks in addition to the click", choices=TASKS)
    dim: int = option(64, "size of the learned vectors")
    text_components: int = option(64, "principal components of texts")
    levels: int = option(2, "depth of the shared extractor")
    reasoning_units: int = option(64, "size of the hidden layer over all evidence")
    negatives: int = option(8, "negatives drawn for each positive")
    history_length: int = option(50, "most recent items that are read")
    id_dropout: float = option(0.2, "rate of ids masked in training")
    dropout: float = option(0.25, "dropout rate")

    def __post_init__(self) -> None:
        sizes = ("text_dim", "num_words", "dim", "text_components", "levels", "reasoning_units")
        check_options(
            self,
            sizes=(*sizes, "negatives", "history_length"),
            rates=("dropout", "id_dropout"),
            former={"behaviour": "behavior"},
        )
        if self.tasks == ("semantics",):
            raise InvalidInput(
                "Semantics alone knows nothing of users: take `profile` or `behavior`, too. "
                f"Received: tasks={self.tasks!r}."
            )

    @property
    def reads_history(self) -> bool:
        """Returns whether the history is read."""
        return "behavior" in self.tasks

    @property
    def reads_user_id(self) -> bool:
        """Returns whether the user's profile is read."""
        return "profile" in self.tasks
