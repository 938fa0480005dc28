"""The passes over a neural model: epochs chosen on validation, the refit, perhaps all events."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.features import LabelFeatures
from tfrec_fusion.data.graph import Knowledge, knowledge_of
from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.training.carry_over import Carried
from tfrec_fusion.training.distribution import distribution_strategy
from tfrec_fusion.training.fit import FitResult, fit
from tfrec_fusion.training.recipe import Recipe
from tfrec_fusion.zoo.protocols import (
    KnowsEvents,
    StartsFromParts,
    WeightsScores,
)
from tfrec_fusion.zoo.registry import build, get_spec
from tfrec_fusion.zoo.runs.after_fit import set_after_fit
from tfrec_fusion.zoo.runs.continuation import continue_from
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.score_weights import choose_score_weights
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.runs.task_losses import (
    augmentation_of,
    balanced,
    loss_weights_of,
    losses_of,
    monitor_of,
)
from tfrec_fusion.zoo.runs.validation import make_validator, why_not_validated
from tfrec_fusion.zoo.spec import ModelSpec, Part

# Folders of passes, and what is said of each; one that is validated has more to say.
_PASSES = {
    "choose_epochs": "trained",
    "refit": "refitted on train and validation",
    "production": "trained on all events",
}


@dataclasses.dataclass(frozen=True)
class NetworkTrainer:
    """Trains a neural model on indexed data.

    Attributes:
        data: Vocabularies and parts.
        settings: The model and its options.
        folder: Where checkpoints and logs go, a folder for each pass.
        say: Called with one line about each step.
        chosen: What the first pass found, by the label of its part.
        score_weights: Those that the first pass chose, where that is wanted.
        start: A run of the same model over some of the users and items, whose weights both passes
            start from. None of the events that it was trained on may be in `data.validation`.
        carried: What the last pass took over of it, a row a weight.
        notes: What validation could not say.
        callbacks: Keras callbacks that every pass gets, see `training.fit`.
    """

    data: IndexedData
    settings: Settings
    folder: Path
    say: Callable[[str], None]
    chosen: dict[str, FitResult] = dataclasses.field(default_factory=dict)
    score_weights: dict[str, float] = dataclasses.field(default_factory=dict)
    start: Run | None = None
    carried: list[Carried] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    callbacks: Sequence[keras.callbacks.Callback] = ()

    @cached_property
    def knowledge(self) -> Knowledge | None:
        """The graph over the items, where the data has one."""
        return None if self.data.graph is None else knowledge_of(self.data, self.data.graph)

    @cached_property
    def texts(self) -> np.ndarray:
        """`(num_items,)` texts as the model reads them."""
        return self.data.item_texts(self.settings.further.get("text_columns", ()))

    @cached_property
    def features(self) -> LabelFeatures | None:
        """Labels of the items, those that the run to start from has in their old positions."""
        columns = self.settings.further.get("item_features", ())
        if not columns:
            return None
        old = self.start.features if self.start is not None else None
        labels = () if old is None else old.labels
        separator = self.settings.further["label_separator"]
        return LabelFeatures.from_table(self.data.item_table, columns, labels, separator)

    @property
    def _whole(self) -> Part:
        name = self.settings.spec.name
        return Part(name, label=name)

    def run(self) -> tuple[keras.Model, dict[str, Any]]:
        """Trains the model that is measured; returns it and what to note about its training."""
        name = self.settings.spec.name
        validates = len(self.data.validation) > 0
        if validates:
            model = self._pass(self._whole, "choose_epochs", self.data.train, self.data.validation)
        else:
            self.say(f"{name}: no event is left for validation, so all epochs are trained")
        if self.settings.options.refit or not validates:
            model = self._pass(self._whole, "refit", self.data.train_and_validation, None)
        found, (monitor, _) = self.chosen[name], monitor_of(self.settings, model)
        policy = model.dtype_policy.name
        return model, {
            **({"dtype_policy": policy} if policy != "float32" else {}),
            "best_epoch": found.best_epoch,
            "validation": {} if found.best_value is None else {monitor: found.best_value},
            **({"score_weights": self.score_weights} if self.score_weights else {}),
            "history": {
                metric: [value if math.isfinite(value) else None for value in values]
                for metric, values in found.history.items()
            },
        }

    def train_on_all(self) -> keras.Model:
        """Trains a model on all events, the test part included, for the epochs of `run`."""
        return self._pass(self._whole, "production", self.data.everything, None)

    def _parts(self, whole: Part) -> tuple[Part, ...]:
        """The models that one starts from, with their labels."""
        if not self.settings.further.get("pretrain", False) or self.start is not None:
            return ()
        spec = self._spec_of(whole)
        parts = spec.parts_of(spec.choices_of({**self.settings.choices, **whole.choices}))
        return tuple(
            Part(
                part.model or whole.model,
                {**whole.choices, **part.choices},
                f"{whole.label} {part.label}" if part.label else str(part.model),
            )
            for part in parts
        )

    def _spec_of(self, part: Part) -> ModelSpec:
        own = self.settings.spec
        return own if part.model == own.name else get_spec(part.model)

    def _pass(
        self,
        part: Part,
        phase: str,
        events: Events,
        validation: Events | None,
        is_part: bool = False,
    ) -> keras.Model:
        spec, options, label = self._spec_of(part), self.settings.options, part.label
        settings = dataclasses.replace(self.settings, spec=spec)
        starts = [
            self._pass(one, phase, events, validation, is_part=True) for one in self._parts(part)
        ]
        spec.load()
        keras.utils.set_random_seed(options.seed)
        with distribution_strategy(options.strategy).scope():
            model = self._build(spec, part, events)
        if starts and isinstance(model, StartsFromParts):
            model.start_from(*starts)
        if self.start is not None:
            self._continue(self.start.model, model, events)
        recipe = self._recipe(spec, model, after_parts=bool(starts), is_part=is_part)
        new_items = self.settings.further.get("offer_new_items", False)
        set_rest = partial(set_after_fit, model, events, new_items=new_items)
        monitor, mode = monitor_of(settings, model)
        validate = None
        if validation is not None and self._is_defined(
            settings, monitor, model, events, validation
        ):
            asked = {"auc": monitor == "auc", "allow_seen": options.allow_seen}
            validate = make_validator(model, events, validation, set_rest, **asked)
        if spec.batches is None:
            raise InvalidInput(f"{spec.name} has no `batches` to be trained on.")
        batches = spec.batches(model, events, recipe.batch_size, options.seed)
        of_balance = balanced(settings, model)
        result = fit(
            of_balance or model,
            batches,
            # A refit stops where validation was best, on the way down the same learning rates.
            epochs=self.chosen[label].best_epoch if label in self.chosen else recipe.epochs,
            optimizer=recipe.optimizer(int(batches.cardinality())),
            loss=losses_of(spec, model, options.label_smoothing),
            loss_weights=None if of_balance else loss_weights_of(settings, model),
            jit_compile=recipe.jit_compile if options.strategy == "none" else "auto",
            validate=validate,
            validate_every=recipe.validate_every,
            monitor=monitor,
            mode=mode,
            adversarial_epsilon=0.0 if of_balance else options.adversarial_epsilon,
            augment=augmentation_of(settings.further, model),
            patience=recipe.patience,
            run_dir=self.folder / "training" / f"{phase}-{label.replace(' ', '_')}",
            seed=options.seed,
            callbacks=self.callbacks,
            progress=options.progress,
        )
        if not is_part:
            self._choose_score_weights(model, events, validation)
            set_rest(self.score_weights)
        if validate is None:
            self.chosen.setdefault(label, result)
            self.say(f"{label}: {_PASSES[phase]}, {result.seconds:.0f} s")
        else:
            self.chosen[label] = result
            self.say(
                f"{label}: best of {result.epochs_run} epochs on validation is "
                f"{result.best_epoch}, "
                f"{monitor.replace('ndcg', 'NDCG')} {result.best_value:.4f}, {result.seconds:.0f} s"
            )
        return model

    def _continue(self, trained: Any, model: Any, events: Events) -> None:
        """Starts a model from the run that is continued."""
        further = self.settings.further

        def read_texts() -> np.ndarray:
            return text_vectors(self.texts, further["text_preset"], further["text_length"])

        self.carried[:], sentence = continue_from(trained, model, events, read_texts)
        self.say(sentence)

    def _is_defined(
        self, settings: Settings, monitor: str, model: Any, known: Events, heldout: Events
    ) -> bool:
        """Returns whether validation can choose epochs, and notes why not; else all are trained."""
        reason = why_not_validated(settings, monitor, model, known, heldout)
        if reason:
            note = f"{model.name}: {reason.rstrip('.')}, so all epochs are trained."
            self.say(note)
            self.notes.append(note)
        return not reason

    def _choose_score_weights(self, model: Any, events: Events, validation: Events | None) -> None:
        """Chooses the weights of behavior and language on validation, where that is wanted."""
        if not self.settings.further.get("weigh_scores") or validation is None:
            return
        if not isinstance(model, WeightsScores):
            raise InvalidInput(f"{self.settings.spec.name} has no score weights; multi_task has.")
        allow_seen = self.settings.options.allow_seen
        found = choose_score_weights(model, events, validation, allow_seen=allow_seen)
        self.score_weights.update(found)
        name = self.settings.spec.name
        self.say(f"{name}: weights of the score on validation {self.score_weights}")

    def _build(self, spec: ModelSpec, part: Part, events: Events) -> Any:
        given = {**self.settings.choices, **part.choices}
        choices = spec.choices_of(given)
        arrays: dict[str, Any] = {}
        if spec.prepare is not None:
            context = SimpleNamespace(
                data=self.data,
                events=events,
                texts=self.texts,
                choices=choices,
                options=self.settings.further,
                features=self.features,
                knowledge=self.knowledge,
                say=self.say,
            )
            arrays = spec.prepare(context)
        sizes = {"num_users": len(self.data.users), "num_items": len(self.data.items)}
        own = {key: value for key, value in given.items() if key in choices}
        model = build(spec.name, **sizes, **own, **arrays)
        if isinstance(model, KnowsEvents):
            model.set_known(events)
        return model

    def _recipe(self, spec: ModelSpec, model: Any, *, after_parts: bool, is_part: bool) -> Recipe:
        names = ("epochs", "batch_size", "learning_rate", "weight_decay")
        given = {one: getattr(self.settings.options, one) for one in names}
        part_epochs = self.settings.further.get("part_epochs")
        if is_part and part_epochs is not None:
            given["epochs"] = part_epochs
        changed = {one: value for one, value in given.items() if value is not None}
        recipe = spec.recipe_of(model.config, after_parts=after_parts)
        return dataclasses.replace(recipe, **changed)
