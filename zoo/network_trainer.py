"""The two passes over a neural model: epochs chosen on validation, then the refit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

import zoo
from tfrec_fusion.data.events import Events
from tfrec_fusion.data.features import multi_hot
from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.data.knowledge import knowledge_of
from tfrec_fusion.training.distribution import StrategyName, distribution_strategy
from tfrec_fusion.training.fit import FitResult, fit
from zoo.new_items import offer_new_items
from zoo.ranking import ranking_of
from zoo.recipes import Recipe, recipe_for
from zoo.text_vectors import text_arguments

MONITOR = "ndcg@10"
BRANCHES = ("gmf", "mlp")
FROZEN = " frozen"  # a model of this name with its language model left as it is


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """How a model is trained, beside its own hyperparameters.

    Attributes:
        split: `temporal`, `leave_one_out` or `cold_item`.
        seed: Start of weights, order of batches, and splits that draw.
        epochs: At most this many; the recipe's number by default.
        batch_size: The recipe's by default.
        learning_rate: The recipe's by default.
        refit: Whether to train once more on train and validation together, for the number of
            epochs that was best on validation. Test numbers are then those of the second model.
        pretrain: Whether to start from trained parts: NeuMF from a GMF and an MLP, as in the
            paper; a hybrid that tunes its language model from the hybrid with a frozen one.
        offer_new_items: Hybrid only: whether items without a training event are placed by their
            texts and lifted until they fill their share of the lists, see `zoo.new_items`.
        text_preset: Models that read text only: the language model, see `text.presets`.
        text_length: Most tokens of an item's text that are read.
        item_features: Two-tower only: catalogue columns of "|"-separated labels, such as genres.
        strategy: `none` or `mirrored`.
        progress: Whether to show progress on a terminal.
    """

    split: str = "temporal"
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    refit: bool = True
    pretrain: bool = True
    offer_new_items: bool = False
    text_preset: str = "minilm"
    text_length: int = 64
    item_features: tuple[str, ...] = ()
    strategy: StrategyName = "none"
    progress: bool = True


@dataclasses.dataclass(frozen=True)
class NetworkTrainer:
    """Trains a neural model on indexed data.

    Attributes:
        data: Vocabularies and parts.
        hyperparameters: The model's own keywords.
        options: How to train.
        folder: Where checkpoints and logs go, a folder for each pass.
        say: Called with one line about each step.
        chosen: What the first pass found, by model.
    """

    data: IndexedData
    hyperparameters: Mapping[str, Any]
    options: TrainOptions
    folder: Path
    say: Callable[[str], None]
    chosen: dict[str, FitResult] = dataclasses.field(default_factory=dict)

    def run(self, name: str) -> tuple[keras.Model, dict[str, Any]]:
        """Trains `name`; returns the model to keep and what to note about its training."""
        model = self._pass(name, "choose_epochs", self.data.train, self.data.validation)
        if self.options.refit:
            model = self._pass(name, "refit", self.data.train_and_validation, None)
        found = self.chosen[name]
        return model, {
            "best_epoch": found.best_epoch,
            "validation": {MONITOR: found.best_value},
            "history": {
                metric: [None if math.isnan(value) else value for value in values]
                for metric, values in found.history.items()
            },
        }

    def _parts(self, name: str) -> tuple[str, ...]:
        """What a model starts from."""
        if not self.options.pretrain:
            return ()
        if name == "neumf":
            return BRANCHES
        mode = self.hyperparameters.get("text_mode", "frozen")
        tunes = name in zoo.READS_TEXT and mode != "frozen"
        return (f"{name}{FROZEN}",) if tunes else ()

    def _pass(
        self, name: str, phase: str, events: Events, validation: Events | None
    ) -> keras.Model:
        parts = self._parts(name)
        starts = [self._pass(part, phase, events, validation) for part in parts]
        keras.utils.set_random_seed(self.options.seed)
        with distribution_strategy(self.options.strategy).scope():
            model = self._build(name, events)
        if starts:
            model.start_from(*starts)
        recipe = self._recipe(name, model, from_branches=bool(starts))
        lift = self._lift(model, events)
        validate = None if validation is None else _validator(model, events, validation, lift)
        batches = recipe.batches(model, events, recipe.batch_size, self.options.seed)
        result = fit(
            model,
            batches,
            # A refit stops where validation was best, on the way down the same learning rates.
            epochs=self.chosen[name].best_epoch if name in self.chosen else recipe.epochs,
            optimizer=recipe.optimizer(int(batches.cardinality())),
            loss={"logits": recipe.loss()},
            validate=validate,
            validate_every=recipe.validate_every,
            monitor=MONITOR,
            jit_compile=recipe.jit_compile if self.options.strategy == "none" else "auto",
            patience=recipe.patience,
            run_dir=self.folder / "training" / f"{phase}-{name.replace(' ', '_')}",
            seed=self.options.seed,
            progress=self.options.progress,
        )
        lift()
        if validate is None:
            self.say(f"{name}: refitted on train and validation, {result.seconds:.0f} s")
        else:
            self.chosen[name] = result
            self.say(
                f"{name}: best of {result.epochs_run} epochs on validation is "
                f"{result.best_epoch}, NDCG@10 {result.best_value:.4f}, {result.seconds:.0f} s"
            )
        return model

    def _lift(self, model: Any, events: Events) -> Callable[[], None]:
        """Lifts new items by what the weights of the moment ask for, where that is wanted."""
        if not self.options.offer_new_items:
            return lambda: None

        def lift() -> None:
            offer_new_items(model, events)

        return lift

    def _build(self, name: str, events: Events) -> Any:
        valid = {one.name for one in zoo.hyperparameters(name.removesuffix(FROZEN))}
        own = {key: value for key, value in self.hyperparameters.items() if key in valid}
        if name.endswith(FROZEN):
            name, own = name.removesuffix(FROZEN), own | {"text_mode": "frozen"}
        sizes = {"num_users": len(self.data.users), "num_items": len(self.data.items)}
        if self.options.item_features:
            own["item_features"] = multi_hot(self.data.item_table, self.options.item_features)
        if name not in zoo.READS_TEXT:
            return zoo.build(name, **sizes, **own)
        language = (self.options.text_preset, self.options.text_length)
        own |= text_arguments(self.data.item_column("text"), events, own, *language)
        if (
            name == "knowledge_hybrid"
            and own.get("use_graph", True)
            and self.data.graph is not None
        ):
            own["knowledge"] = knowledge_of(self.data, self.data.graph)
            self.say(f"graph: {own['knowledge'].description}")
        model = zoo.build(name, **sizes, **own)
        model.set_known(events)
        return model

    def _recipe(self, name: str, model: Any, *, from_branches: bool) -> Recipe:
        names = ("epochs", "batch_size", "learning_rate")
        given = {one: getattr(self.options, one) for one in names}
        changed = {one: value for one, value in given.items() if value is not None}
        return dataclasses.replace(
            recipe_for(model.name, model.config, from_branches=from_branches), **changed
        )


def _validator(
    model: Any, known: Events, heldout: Events, before: Callable[[], None]
) -> Callable[[], Mapping[str, float]]:
    measure = ranking_of(model, known, heldout, num_bootstrap=0)

    def validate() -> Mapping[str, float]:
        before()
        return measure().metrics

    return validate
