"""The two passes over a neural model: epochs chosen on validation, then the refit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.features import LabelFeatures
from tfrec_fusion.data.graph import Knowledge, knowledge_of
from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.text.pretraining.augment import TextAugmentation
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.callbacks import Mode
from tfrec_fusion.training.carry_over import Carried, carry_over
from tfrec_fusion.training.distribution import distribution_strategy
from tfrec_fusion.training.fit import FitResult, fit
from tfrec_fusion.zoo import registry
from tfrec_fusion.zoo.models.multi_task.review_reader import review_arguments, review_gaps
from tfrec_fusion.zoo.models.profile_fusion.profile_inputs import profile_arguments
from tfrec_fusion.zoo.models.text_hybrid.text_inputs import text_arguments
from tfrec_fusion.zoo.runs.after_fit import set_after_fit
from tfrec_fusion.zoo.runs.full_ranking import ranking_of, why_undefined
from tfrec_fusion.zoo.runs.pair_metrics import pair_metrics, undefined_tasks
from tfrec_fusion.zoo.runs.recipes import Recipe, recipe_for
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.score_weights import choose_score_weights
from tfrec_fusion.zoo.runs.train_options import TrainOptions

# What chooses epochs: the recipe's metric of `logits`, or that of the first other output whose loss
# has a weight.
MONITORS: dict[str, tuple[str, Mode]] = {
    "rating": ("rmse", "min"),
    "next_token": ("perplexity", "min"),
    "sentiment": ("sentiment_auc", "max"),
}
BRANCHES = ("gmf", "mlp")
FROZEN = " frozen"  # a model of this name with its language model left as it is


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
        score_weights: What the first pass chose of them, where that is wanted.
        start: A run of the same model over some of the users and items, whose weights both passes
            start from. None of the events that it was trained on may be in `data.validation`.
        carried: What the last pass took over of it, a row a weight.
        notes: What validation could not say.
    """

    data: IndexedData
    hyperparameters: Mapping[str, Any]
    options: TrainOptions
    folder: Path
    say: Callable[[str], None]
    chosen: dict[str, FitResult] = dataclasses.field(default_factory=dict)
    score_weights: dict[str, float] = dataclasses.field(default_factory=dict)
    start: Run | None = None
    carried: list[Carried] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    @cached_property
    def knowledge(self) -> Knowledge | None:
        """The graph over the items, where the data has one."""
        return None if self.data.graph is None else knowledge_of(self.data, self.data.graph)

    @cached_property
    def texts(self) -> np.ndarray:
        """`(num_items,)` texts as the model reads them."""
        return self.data.item_texts(self.options.text_columns)

    @cached_property
    def features(self) -> LabelFeatures | None:
        """Labels of the items, those that the run to start from has in their old positions."""
        if not self.options.item_features:
            return None
        old = self.start.features if self.start is not None else None
        labels = () if old is None else old.labels
        columns, separator = self.options.item_features, self.options.label_separator
        return LabelFeatures.from_table(self.data.item_table, columns, labels, separator)

    def run(self, name: str) -> tuple[keras.Model, dict[str, Any]]:
        """Trains `name`; returns the model to keep and what to note about its training."""
        validates = len(self.data.validation) > 0
        if validates:
            model = self._pass(name, "choose_epochs", self.data.train, self.data.validation)
        else:
            self.say(f"{name}: no event is left for validation, so all epochs are trained")
        if self.options.refit or not validates:
            model = self._pass(name, "refit", self.data.train_and_validation, None)
        found, (monitor, _) = self.chosen[name], self._monitor(model)
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

    def _parts(self, name: str) -> tuple[str, ...]:
        """What a model starts from."""
        if not self.options.pretrain or self.start is not None:
            return ()
        if name == "neumf":
            return BRANCHES
        mode = self.hyperparameters.get("text_mode", "frozen")
        tunes = name in registry.READS_TEXT and mode != "frozen"
        return (f"{name}{FROZEN}",) if tunes else ()

    def _pass(
        self,
        name: str,
        phase: str,
        events: Events,
        validation: Events | None,
        is_part: bool = False,
    ) -> keras.Model:
        parts = self._parts(name)
        starts = [self._pass(part, phase, events, validation, is_part=True) for part in parts]
        keras.utils.set_random_seed(self.options.seed)
        with distribution_strategy(self.options.strategy).scope():
            model = self._build(name, events)
        if starts:
            model.start_from(*starts)
        if self.start is not None:
            self._carry_over(self.start.model, model, events)
        recipe = self._recipe(model, from_branches=bool(starts), is_part=is_part)
        settings = partial(set_after_fit, model, events, new_items=self.options.offer_new_items)
        monitor, mode = self._monitor(model)
        validate = None
        if validation is not None and self._is_defined(monitor, model, events, validation):
            allow_seen = self.options.allow_seen
            validate = _validator(model, events, validation, settings, monitor, allow_seen)
        batches = recipe.batches(model, events, recipe.batch_size, self.options.seed)
        balanced = self._balanced(model)
        result = fit(
            balanced or model,
            batches,
            # A refit stops where validation was best, on the way down the same learning rates.
            epochs=self.chosen[name].best_epoch if name in self.chosen else recipe.epochs,
            optimizer=recipe.optimizer(int(batches.cardinality())),
            loss=recipe.losses(model, self.options.label_smoothing),
            loss_weights=None if balanced else self._loss_weights(model),
            jit_compile=recipe.jit_compile if self.options.strategy == "none" else "auto",
            validate=validate,
            validate_every=recipe.validate_every,
            monitor=monitor,
            mode=mode,
            adversarial_epsilon=0.0 if balanced else self.options.adversarial_epsilon,
            augment=self._augmentation(model),
            patience=recipe.patience,
            run_dir=self.folder / "training" / f"{phase}-{name.replace(' ', '_')}",
            seed=self.options.seed,
            progress=self.options.progress,
        )
        if not is_part:
            self._choose_score_weights(model, events, validation)
            settings(self.score_weights)
        if validate is None:
            self.chosen.setdefault(name, result)
            how = "refitted on train and validation" if validation is None else "trained"
            self.say(f"{name}: {how}, {result.seconds:.0f} s")
        else:
            self.chosen[name] = result
            self.say(
                f"{name}: best of {result.epochs_run} epochs on validation is {result.best_epoch}, "
                f"{monitor.replace('ndcg', 'NDCG')} {result.best_value:.4f}, {result.seconds:.0f} s"
            )
        return model

    def _carry_over(self, trained: Any, model: Any, events: Events) -> None:
        """Gives a model the weights of a trained one; new texts go into the space of the old."""
        old, new = (dataclasses.asdict(one.config) for one in (trained, model))
        grown = {size: (old[size], new[size]) for size in old if old[size] != new[size]}
        self.carried[:] = carry_over(trained, model, grown.values())
        if getattr(model.config, "reads_text", False):
            language = (self.options.text_preset, self.options.text_length)
            model.get_layer("item_text").place_texts(text_vectors(self.texts, *language))
        if hasattr(model, "set_known"):
            model.set_known(events)
        kept, added = (sum(getattr(row, name) for row in self.carried) for name in ("kept", "new"))
        users, items = (new[size] - old[size] for size in ("num_users", "num_items"))
        self.say(
            f"{model.name}: {kept:,} values carried over, {added:,} are new, for {users} users and "
            f"{items} items"
        )

    def _monitor(self, model: Any) -> tuple[str, Mode]:
        """The metric that chooses epochs, and whether it is to be high or low."""
        weights = self.options.loss_weights
        if weights.get("logits", 1):
            return recipe_for(model.name, model.config).monitor, "max"
        learned = [name for name in MONITORS if name in model.output and weights.get(name, 1)]
        if not learned:
            raise InvalidInput(
                f"One of {', '.join(('logits', *MONITORS))} must have a loss with a weight above "
                f"0, to choose epochs by. Received: {weights}."
            )
        return MONITORS[learned[0]]

    def _is_defined(self, monitor: str, model: Any, known: Events, heldout: Events) -> bool:
        """Whether validation can choose epochs; notes why not. Otherwise all are trained."""
        if monitor in dict(MONITORS.values()):
            reason = undefined_tasks(model, model.output, known, heldout)[monitor]
        else:
            reason = why_undefined(monitor, known, heldout, allow_seen=self.options.allow_seen)
        if reason:
            note = f"{model.name}: {reason.rstrip('.')}, so all epochs are trained."
            self.say(note)
            self.notes.append(note)
        return not reason

    def _loss_weights(self, model: Any) -> dict[str, float] | None:
        """One for each output, as Keras wants them."""
        given = self.options.loss_weights
        return {name: given.get(name, 1.0) for name in model.output} if given else None

    def _balanced(self, model: Any) -> BalancedModel | None:
        """The model with its losses balanced, where that is more than a sum."""
        options = self.options
        if unknown := [name for name in options.loss_weights if name not in model.output]:
            raise InvalidInput(
                f"`loss_weights` names outputs that {model.name} does not have: "
                f"{', '.join(unknown)}. Its outputs are {', '.join(model.output)}."
            )
        if options.balance == "fixed":
            return None
        if len(model.output) < 2:
            raise InvalidInput(
                f"{model.name} has one loss, so there is nothing to balance. "
                f"Received: balance={options.balance!r}."
            )
        with model.distribute_strategy.scope():
            return BalancedModel(
                model,
                options.balance,
                loss_weights=options.loss_weights,
                epsilon=options.adversarial_epsilon,
            )

    def _augmentation(self, model: Any) -> TextAugmentation | None:
        """Words of reviews left out or moved, where that is wanted."""
        rates = {name: getattr(self.options, name) for name in ("word_dropout", "span_swap")}
        if not any(rates.values()):
            return None
        if "review_token_ids" not in model.input:
            raise InvalidInput(
                f"{model.name} reads no words of reviews that could be left out or moved. "
                f"Received: {rates}."
            )
        if rates["span_swap"] and "next_token" in model.output:
            raise InvalidInput(
                "`span_swap` moves words before others that next_token is yet to predict. Leave "
                f"it out, or take tasks=rating,sentiment. Received: {rates['span_swap']}."
            )
        return TextAugmentation(("review",), unknown_id=model.config.vocabulary_size - 1, **rates)

    def _choose_score_weights(self, model: Any, events: Events, validation: Events | None) -> None:
        """Chooses the weights of behavior and language on validation, where that is wanted."""
        if not self.options.weigh_scores or validation is None:
            return
        if not hasattr(model, "set_score_weights"):
            raise InvalidInput(f"{model.name} has no score weights; multi_task has.")
        self.score_weights.update(
            choose_score_weights(model, events, validation, allow_seen=self.options.allow_seen)
        )
        self.say(f"{model.name}: weights of the score on validation {self.score_weights}")

    def _build(self, name: str, events: Events) -> Any:
        valid = {one.name for one in registry.hyperparameters(name.removesuffix(FROZEN))}
        own = {key: value for key, value in self.hyperparameters.items() if key in valid}
        if name.endswith(FROZEN):
            name, own = name.removesuffix(FROZEN), own | {"text_mode": "frozen"}
        sizes = {"num_users": len(self.data.users), "num_items": len(self.data.items)}
        if self.features is not None:
            own["item_features"] = self.features.multi_hot()
        if name not in registry.READS_TEXT:
            return registry.build(name, **sizes, **own)
        language = (self.options.text_preset, self.options.text_length)
        own |= text_arguments(self.texts, events, own, *language)
        if name == "multi_task":
            own |= review_arguments(events, own, self.options.language_model, language[0])
        if name == "profile_semantics_behaviour":
            own |= profile_arguments(self.data, self.texts, events, *language)
        if name == "knowledge_hybrid" and own.get("use_graph", True) and self.knowledge:
            own["knowledge"] = self.knowledge
            self.say(f"graph: {self.knowledge.description}")
        model = registry.build(name, **sizes, **own)
        model.set_known(events)
        if name == "multi_task":
            for gap in review_gaps(events, model.config):
                self.say(gap)
        return model

    def _recipe(self, model: Any, *, from_branches: bool, is_part: bool) -> Recipe:
        names = ("epochs", "batch_size", "learning_rate", "weight_decay")
        given = {one: getattr(self.options, one) for one in names}
        if is_part and self.options.part_epochs is not None:
            given["epochs"] = self.options.part_epochs
        changed = {one: value for one, value in given.items() if value is not None}
        return dataclasses.replace(
            recipe_for(model.name, model.config, from_branches=from_branches), **changed
        )


def _validator(
    model: Any,
    known: Events,
    heldout: Events,
    settings: Callable[[Mapping[str, float]], None],
    monitor: str,
    allow_seen: bool,
) -> Callable[[], Mapping[str, float]]:
    asked = {"allow_seen": allow_seen, "auc": monitor == "auc"}
    measures: list[Callable[[], Any]] = [
        ranking_of(model, known, heldout, num_bootstrap=0, **asked)
    ]
    if hasattr(model, "pair_model"):
        measures.append(pair_metrics(model, known, heldout, num_bootstrap=0))

    def validate() -> Mapping[str, float]:
        settings({})
        return {name: value for one in measures for name, value in one().metrics.items()}

    return validate
