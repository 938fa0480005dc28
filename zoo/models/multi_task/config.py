"""Sizes and choices of the multi-task model."""

from __future__ import annotations

from dataclasses import dataclass, field

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.models.text_hybrid.config import GPT2HybridConfig

TASKS = ("rating", "sentiment", "next_token")
BOTTOMS = ("mmoe", "shared", "ple")
REVIEW_READERS = ("gpt2", "frozen")


@dataclass(frozen=True)
class MultiTaskConfig(GPT2HybridConfig):
    """Sizes and choices of a multi-task model, beside those of `GPT2HybridConfig`.

    Attributes:
        tasks: What is predicted beside the next item: any of `"rating"`, `"sentiment"` and
            `"next_token"`.
        bottom: How the tasks share what they read of a pair: `"mmoe"`, `"shared"` or `"ple"`.
        num_experts: Experts of an MMoE; of a PLE the shared ones, and as many again of each task.
        expert_units: Sizes of each expert's layers.
        pairs: Events of a history whose rating and review are read in a step.
        good_rating: From which rating on a review counts as positive.
        review_reader: `"gpt2"`: a language model inside the model, trained along; `"frozen"`:
            vectors of a frozen one, made beforehand, which cannot predict tokens.
        review_length: Most tokens of a review that are read.
        review_dim: Size of the reviews' vectors, with a frozen reader.
        review_preset: The frozen reader, see `text.presets`.
        vocabulary_size: Of the tokenizer that is trained on the reviews.
        language_layers: Transformer blocks of the GPT-2.
        language_dim: Size of its vectors.
        language_heads: Its attention heads.
    """

    tasks: tuple[str, ...] = field(default=TASKS, metadata={"help": ", ".join(TASKS)})
    bottom: str = field(default="mmoe", metadata={"help": "|".join(BOTTOMS)})
    num_experts: int = field(default=4, metadata={"help": "experts that tasks share"})
    expert_units: tuple[int, ...] = field(default=(64,), metadata={"help": "sizes of an expert"})
    pairs: int = field(default=2, metadata={"help": "reviews of a history read in a step"})
    good_rating: float = field(default=4.0, metadata={"help": "a positive review's least rating"})
    review_reader: str = field(default="gpt2", metadata={"help": "|".join(REVIEW_READERS)})
    review_length: int = field(default=32, metadata={"help": "tokens of a review that are read"})
    review_dim: int = 0
    review_preset: str = "minilm"
    vocabulary_size: int = field(default=2048, metadata={"help": "tokens of the GPT-2"})
    language_layers: int = field(default=2, metadata={"help": "depth of the GPT-2"})
    language_dim: int = field(default=64, metadata={"help": "size of the GPT-2's vectors"})
    language_heads: int = field(default=2, metadata={"help": "the GPT-2's attention heads"})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tasks", "expert_units"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown or not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise InvalidInput(
                f"`tasks` must be one or more of {', '.join(TASKS)}, each once. "
                f"Received: {self.tasks!r}."
            )
        for name, choices in (("bottom", BOTTOMS), ("review_reader", REVIEW_READERS)):
            if getattr(self, name) not in choices:
                raise InvalidInput(
                    f"`{name}` must be one of {', '.join(choices)}. "
                    f"Received: {getattr(self, name)!r}."
                )
        for name in ("num_experts", "pairs", "review_length"):
            if getattr(self, name) < 1:
                raise InvalidInput(
                    f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}."
                )
        if self.head != "two_tower" or self.negatives != "catalogue" or not self.reads_history:
            raise InvalidInput(
                "A multi-task model has two towers, a history and the softmax over the catalogue. "
                f"Received: head={self.head!r}, negatives={self.negatives!r}, "
                f"query={self.query!r}."
            )
        if self.review_reader == "frozen":
            if "next_token" in self.tasks:
                raise InvalidInput(
                    'A frozen reader predicts no tokens. Take review_reader="gpt2", or leave '
                    f"next_token out of `tasks`. Received: {self.tasks!r}."
                )
            if self.reads_reviews and self.review_dim < 1:
                raise InvalidInput(
                    "`review_dim` must be positive with a frozen reader. "
                    f"Received: {self.review_dim}."
                )

    @property
    def reads_reviews(self) -> bool:
        """Whether a task reads what users wrote."""
        return "sentiment" in self.tasks or "next_token" in self.tasks
