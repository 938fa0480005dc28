"""Losses of a model's outputs: their weights, their balance, and which one chooses epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.pretraining.augment import TextAugmentation
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.callbacks import Mode
from tfrec_fusion.training.recipe import make_loss
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.spec import ModelSpec


def losses_of(spec: ModelSpec, model: Any, label_smoothing: float = 0.0) -> dict[str, Any]:
    """Makes a loss for each output of a model."""
    recipe = spec.recipe_of(model.config)
    return {
        name: make_loss(recipe.loss, label_smoothing)
        if name == "logits"
        else make_loss(spec.tasks[name].loss)
        for name in model.output
    }


def monitor_of(settings: Settings, model: Any) -> tuple[str, Mode]:
    """Returns the metric that chooses epochs, and whether it is to be high or low.

    It is the recipe's metric of `logits`, or that of the first task whose loss has a weight.

    Raises:
        InvalidInput: When no loss with a weight has a metric.
    """
    spec, weights = settings.spec, settings.further.get("loss_weights", {})
    if weights.get("logits", 1):
        return spec.recipe_of(model.config).monitor, "max"
    measured = [name for name, task in spec.tasks.items() if task.metric is not None]
    learned = [name for name in measured if name in model.output and weights.get(name, 1)]
    if not learned:
        raise InvalidInput(
            f"One of {', '.join(('logits', *measured))} must have a loss with a weight above "
            f"0, to choose epochs by. Received: {weights}."
        )
    task = spec.tasks[learned[0]]
    return str(task.metric), cast(Mode, task.mode)


def loss_weights_of(settings: Settings, model: Any) -> dict[str, float] | None:
    """Returns a weight for each output, as Keras wants them; None where none was given.

    Raises:
        InvalidInput: For a weight of an output that the model does not have.
    """
    given = settings.further.get("loss_weights", {})
    if unknown := [name for name in given if name not in model.output]:
        raise InvalidInput(
            f"`loss_weights` names outputs that {model.name} does not have: "
            f"{', '.join(unknown)}. Its outputs are {', '.join(model.output)}."
        )
    return {name: given.get(name, 1.0) for name in model.output} if given else None


def balanced(settings: Settings, model: Any) -> BalancedModel | None:
    """Returns the model with its losses balanced, where that is more than a sum.

    Raises:
        InvalidInput: For a model of one loss.
    """
    balance = settings.further.get("balance", "fixed")
    loss_weights_of(settings, model)
    if balance == "fixed":
        return None
    if len(model.output) < 2:
        raise InvalidInput(
            f"{model.name} has one loss, so there is nothing to balance. "
            f"Received: balance={balance!r}."
        )
    with model.distribute_strategy.scope():
        return BalancedModel(
            model,
            balance,
            loss_weights=settings.further["loss_weights"],
            epsilon=settings.options.adversarial_epsilon,
        )


def augmentation_of(further: Mapping[str, Any], model: Any) -> TextAugmentation | None:
    """Returns the masking and swapping of words of reviews, where that is wanted.

    Raises:
        InvalidInput: For a model that reads no reviews, or that predicts the words it swaps.
    """
    rates = {name: further.get(name, 0.0) for name in ("word_dropout", "span_swap")}
    if not any(rates.values()):
        return None
    if "review_token_ids" not in model.input:
        raise InvalidInput(
            f"{model.name} reads no words of reviews that could be masked or moved. "
            f"Received: {rates}."
        )
    if rates["span_swap"] and "next_token" in model.output:
        raise InvalidInput(
            "`span_swap` moves words before others that next_token is yet to predict. Omit "
            f"it, or take tasks=rating,sentiment. Received: {rates['span_swap']}."
        )
    return TextAugmentation(("review",), unknown_id=model.config.vocabulary_size - 1, **rates)
