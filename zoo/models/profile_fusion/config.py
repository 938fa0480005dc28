"""Sizes and choices of the model of profile, semantics and behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.models.ranges import check_ranges

TASKS = ("profile", "semantics", "behaviour")


@dataclass(frozen=True)
class ProfileSemanticsBehaviourConfig:
    """Sizes and choices.

    Attributes:
        num_users: Size of the user vocabulary, the unseen index 0 included.
        num_items: Size of the item vocabulary, the unseen index 0 included.
        text_dim: Size of the language model's vectors.
        num_words: Words that profiles and semantics are told with.
        tasks: Any of `"profile"`, `"semantics"` and `"behaviour"`; without one its loss and its
            evidence are left out.
        dim: Size of the learned vectors.
        text_components: Principal components of the text vectors that are read.
        levels: Depth of the shared extractor.
        reasoning_units: Size of the hidden layer over all evidence.
        negatives: Drawn beside each positive in training.
        history_length: Items of the record that are read.
        id_dropout: Rate at which an item's id is left out in training.
        dropout: Rate in the encoder, on texts and on the hidden layer.
    """

    num_users: int
    num_items: int
    text_dim: int
    num_words: int
    tasks: tuple[str, ...] = field(default=TASKS, metadata={"help": ", ".join(TASKS)})
    dim: int = field(default=64, metadata={"help": "size of the learned vectors"})
    text_components: int = field(default=64, metadata={"help": "principal components of texts"})
    levels: int = field(default=2, metadata={"help": "depth of the shared extractor"})
    reasoning_units: int = field(default=64, metadata={"help": "hidden size over all evidence"})
    negatives: int = field(default=8, metadata={"help": "drawn beside each positive"})
    history_length: int = field(default=50, metadata={"help": "recent items that are read"})
    id_dropout: float = field(default=0.2, metadata={"help": "rate of ids left out in training"})
    dropout: float = field(default=0.25, metadata={"help": "dropout rate"})

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown or not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise InvalidInput(
                f"`tasks` must be one or more of {', '.join(TASKS)}, each once. "
                f"Received: {self.tasks!r}."
            )
        if self.tasks == ("semantics",):
            raise InvalidInput(
                "Semantics alone knows nothing of users: take `profile` or `behaviour`, too. "
                f"Received: tasks={self.tasks!r}."
            )
        if min(self.num_users, self.num_items) < 2:
            raise InvalidInput(
                "`num_users` and `num_items` must be at least 2 (index 0 is the unseen id). "
                f"Received: num_users={self.num_users}, num_items={self.num_items}."
            )
        sizes = ("text_dim", "num_words", "dim", "text_components", "levels", "reasoning_units")
        for name in (*sizes, "negatives", "history_length"):
            if getattr(self, name) < 1:
                raise InvalidInput(
                    f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}."
                )
        check_ranges(self, rates=("dropout", "id_dropout"))

    @property
    def reads_history(self) -> bool:
        """Whether there is a record."""
        return "behaviour" in self.tasks

    @property
    def reads_user_id(self) -> bool:
        """Whether the user's own row is read, their profile."""
        return "profile" in self.tasks
