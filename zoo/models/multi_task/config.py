"""Sizes and choices of the multi-task model."""

from __future__ import annotations

from dataclasses import dataclass

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.models.text_hybrid.config import FORMER, TextHybridConfig
from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option

TASKS = ("rating", "sentiment", "next_token")
BOTTOMS = ("mmoe", "shared", "ple")
REVIEW_READERS = ("gpt2", "frozen")


@dataclass(frozen=True)
class MultiTaskConfig(TextHybridConfig):
    """Sizes and choices of a multi-task model, next to those of `TextHybridConfig`.

    Attributes:
        tasks: Outputs in addition to the next item: any of `"rating"`, `"sentiment"` and
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
        review_preset: The frozen reader, see `text.language_models.presets`.
        vocabulary_size: Of the tokenizer that is trained on the reviews.
        language_layers: Transformer blocks of the GPT-2.
        language_dim: Size of its vectors.
        language_heads: Its attention heads.
    """

    tasks: tuple[str, ...] = option(TASKS, "tasks in addition to the next item", choices=TASKS)
    bottom: str = option("mmoe", "layers that the tasks share", choices=BOTTOMS)
    num_experts: int = option(4, "experts that the tasks share")
    expert_units: tuple[int, ...] = option((64,), "hidden sizes of each expert")
    pairs: int = option(2, "events of a history whose review is read in a step")
    good_rating: float = option(4.0, "least rating of a positive review")
    review_reader: str = option("gpt2", "reader of the reviews", choices=REVIEW_READERS)
    review_length: int = option(32, "tokens of a review that are read")
    review_dim: int = 0
    review_preset: str = "minilm"
    vocabulary_size: int = option(2048, "vocabulary size of the GPT-2")
    language_layers: int = option(2, "depth of the GPT-2")
    language_dim: int = option(64, "size of the GPT-2's vectors")
    language_heads: int = option(2, "attention heads of the GPT-2")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, sizes=("num_experts", "pairs", "review_length"), former=FORMER)
        if self.head != "two_tower" or self.negatives != "catalog" or not self.reads_history:
            raise InvalidInput(
                "A multi-task model has two towers, a history and the softmax over the catalog. "
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
        """Returns whether a task reads reviews."""
        return "sentiment" in self.tasks or "next_token" in self.tasks
