"""What reaches training and measuring: parts, options and recipes, seen where they are handed over.

`fit` is replaced by a recorder, so that no test trains; what it is given is compared with the
tables, or computed again without the functions under test.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from built_models import TEXTS
from task_tables import TABLES, TINY
from watched_training import DATA, FOUND, Seen, ndcg, pairs_of, positives, scores_of, trained

from tfrec_fusion import zoo
from tfrec_fusion.text.pretraining.augment import TextAugmentation
from tfrec_fusion.training.balancing import BalancedModel

CLICKS, CLICKS_FROM_BRANCHES = (
    zoo.get_spec("neumf").recipe_of(None, after_parts=after_parts) for after_parts in (False, True)
)
TWO_TOWER = zoo.get_spec("two_tower")
NEXT_ITEMS = TWO_TOWER.recipe_of(TWO_TOWER.make_config(num_users=2, num_items=2))
TEXT_ARRAYS = "tfrec_fusion.zoo.models.text_hybrid.text_inputs.text_arrays"


# What each pass learns


def test_epochs_are_chosen_on_validation_and_the_refit_learns_both_parts(fits, tmp_path):
    _, noted = trained("gmf", tmp_path, {"gmf_dim": 4})
    first, refit = fits
    assert positives(first.dataset) == pairs_of(DATA.train)
    assert positives(refit.dataset) == pairs_of(DATA.train_and_validation)
    assert first.epochs == CLICKS.epochs and refit.epochs == FOUND.best_epoch
    assert first.validate is not None and refit.validate is None
    assert noted["best_epoch"] == 3 and noted["validation"] == {"ndcg@10": 0.25}


def test_validation_is_measured_with_the_train_part_known(fits, tmp_path):
    for name, sizes in (("gmf", {"gmf_dim": 4}), ("two_tower", {"dim": 4, "num_layers": 1})):
        trained(name, tmp_path, sizes, refit=False)
        model, measured = fits[-1].model, fits[-1].validate()
        expected = ndcg(scores_of(model, DATA.train), DATA.train, DATA.validation)
        assert measured["ndcg@10"] == pytest.approx(expected, abs=1e-6)


# Options and recipes


def test_options_reach_the_optimizer_the_loss_and_the_batches(fits, tmp_path):
    options = {"epochs": 7, "batch_size": 45, "learning_rate": 0.125, "weight_decay": 0.25}
    options |= {"adversarial_epsilon": 0.5, "label_smoothing": 0.2, "seed": 11}
    trained("gmf", tmp_path, {"gmf_dim": 4}, refit=False, **options)
    (given,) = fits
    assert given.epochs == 7 and given.seed == 11 and given.adversarial_epsilon == 0.5
    assert float(given.optimizer.learning_rate) == 0.125 and given.optimizer.weight_decay == 0.25
    assert given.loss["logits"].label_smoothing == 0.2
    x, label = next(iter(given.dataset))
    assert x["user_id"].shape[0] == 45 and float(tf.reduce_mean(label)) == pytest.approx(1 / 9)


def test_a_recipe_is_followed_where_nothing_else_is_said(fits, tmp_path):
    trained("two_tower", tmp_path, {"dim": 4, "num_layers": 1}, refit=False)
    (given,) = fits
    assert given.epochs == NEXT_ITEMS.epochs and given.patience == NEXT_ITEMS.patience
    assert given.validate_every == NEXT_ITEMS.validate_every == 2
    assert float(given.optimizer.learning_rate) == pytest.approx(NEXT_ITEMS.learning_rate)
    assert given.optimizer.weight_decay == NEXT_ITEMS.weight_decay > 0
    assert (given.monitor, given.mode) == ("ndcg@10", "max")
    assert given.augment is None and given.loss_weights is None


def test_the_seed_starts_weights_and_orders_batches(fits, tmp_path):
    for seed in (1, 1, 2):
        trained("gmf", tmp_path, {"gmf_dim": 4}, refit=False, seed=seed, batch_size=45)
    one, same, other = ((given.weights, next(iter(given.dataset))[0]) for given in fits)
    for mine, its in zip(one[0], same[0], strict=True):
        np.testing.assert_array_equal(mine, its)
    assert any((mine != its).any() for mine, its in zip(one[0], other[0], strict=True))
    assert one[1]["user_id"].numpy().tolist() == same[1]["user_id"].numpy().tolist()
    assert one[1]["user_id"].numpy().tolist() != other[1]["user_id"].numpy().tolist()


def test_a_strategy_is_the_one_that_was_asked_for(fits, tmp_path, monkeypatch):
    asked = []

    def strategy(name):
        asked.append(name)
        return tf.distribute.get_strategy()

    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.distribution_strategy", strategy)
    trained("gmf", tmp_path, {"gmf_dim": 4}, strategy="mirrored")
    assert asked == ["mirrored", "mirrored"]
    assert [given.jit_compile for given in fits] == ["auto", "auto"]


def test_neumf_starts_from_its_trained_branches(fits, tmp_path):
    sizes = {"gmf_dim": 4, "mlp_units": (8, 4)}
    trained("neumf", tmp_path, sizes, refit=False, epochs=9, part_epochs=2)
    gmf, mlp, neumf = fits
    assert [given.epochs for given in fits] == [2, 2, 9]
    rates = [float(given.optimizer.learning_rate) for given in fits]
    both = [CLICKS.learning_rate, CLICKS_FROM_BRANCHES.learning_rate]
    assert rates == pytest.approx([both[0], *both])
    for branch, part in (("gmf", gmf), ("mlp", mlp)):
        for layer in (f"user_{branch}", f"item_{branch}"):
            mine, its = (one.model.get_layer(layer).get_weights()[0] for one in (neumf, part))
            np.testing.assert_array_equal(mine, its)


# Models of tasks


@pytest.fixture
def of_tasks(monkeypatch, tmp_path):
    """Trains a small multi-task model, its texts encoded already."""
    monkeypatch.setattr(TEXT_ARRAYS, lambda context: {"item_text": TEXTS})
    return lambda **options: trained("multi_task", tmp_path, TINY, TABLES, **options)


def test_weights_of_losses_and_changes_of_reviews_are_handed_on(fits, of_tasks):
    weights = {"logits": 0.0, "rating": 0.5}
    of_tasks(refit=False, loss_weights=weights, span_swap=0.0, word_dropout=0.3)
    (given,) = fits
    assert given.loss_weights == {**weights, "sentiment": 1.0, "next_token": 1.0}
    assert (given.monitor, given.mode) == ("rmse", "min")
    changes = TextAugmentation(("review",), word_dropout=0.3, unknown_id=261)
    assert given.augment == changes


def test_a_balanced_model_has_weights_and_attacks(fits, of_tasks):
    weights = {"rating": 0.5}
    of_tasks(refit=False, balance="dwa", loss_weights=weights, adversarial_epsilon=0.25)
    (given,) = fits
    assert isinstance(given.model, BalancedModel) and given.model.balance == "dwa"
    assert dict(zip(given.model.tasks, given.model.given_weights, strict=True)) == {
        "logits": 1.0,
        "rating": 0.5,
        "sentiment": 1.0,
        "next_token": 1.0,
    }
    assert given.model.epsilon == 0.25 and given.adversarial_epsilon == 0.0
    assert given.loss_weights is None


def test_score_weights_are_chosen_on_validation_and_kept_by_the_refit(fits, of_tasks, monkeypatch):
    chosen_on = []

    def choose(model, known, heldout, *, allow_seen):
        chosen_on.append((known, heldout))
        return {"behavior": 1.0, "language": 2.0}

    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.choose_score_weights", choose)
    model, noted = of_tasks(weigh_scores=True)
    ((known, heldout),) = chosen_on
    assert known is TABLES.train and heldout is TABLES.validation
    assert noted["score_weights"] == {"behavior": 1.0, "language": 2.0}
    assert float(model.get_layer("score_weights").language) == 2.0


@pytest.mark.parametrize("good_rating", [2.0, 5.0])
def test_from_which_rating_on_a_review_is_good_is_the_models_choice(good_rating):
    config = SimpleNamespace(
        reads_reviews=True, pairs=2, good_rating=good_rating, history_length=6, pair_length=5
    )
    outputs = dict.fromkeys(("logits", "rating", "sentiment"))
    vectors = {"vector": np.ones((len(TABLES.train), 2), np.float32)}
    model = SimpleNamespace(config=config, output=outputs, read_reviews=lambda texts: vectors)
    for _, y, weight in zoo.get_spec("multi_task").batches(model, TABLES.train, 8, 0):
        there = weight["rating"] > 0
        np.testing.assert_array_equal(y["sentiment"][there] > 0, y["rating"][there] >= good_rating)


# What models are told of the events


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gpt2_hybrid", "text_hybrid.text_inputs.text_arrays"),
        ("multi_task", "multi_task.review_reader.review_arrays"),
        ("profile_fusion", "profile_fusion.profile_inputs.profile_arrays"),
    ],
)
def test_texts_are_mined_from_the_events_that_are_trained_on(name, told, tmp_path, monkeypatch):
    seen = []

    def stop(context):
        seen.append(context.events)
        raise Seen

    monkeypatch.setattr(TEXT_ARRAYS, lambda context: {"item_text": TEXTS})
    monkeypatch.setattr(f"tfrec_fusion.zoo.models.{told}", stop)
    with pytest.raises(Seen):
        trained(name, tmp_path, {}, TABLES)
    assert len(seen) == 1 and seen[0] is TABLES.train


def test_a_model_is_told_the_events_that_it_is_trained_on(tmp_path, monkeypatch):
    def set_known(events):
        assert events is TABLES.train
        raise Seen

    monkeypatch.setattr(TEXT_ARRAYS, lambda context: {"item_text": TEXTS})
    monkeypatch.setattr(
        "tfrec_fusion.zoo.runs.network_trainer.build",
        lambda *a, **k: SimpleNamespace(set_known=set_known),
    )
    with pytest.raises(Seen):
        trained("gpt2_hybrid", tmp_path, {}, TABLES)


def test_new_items_are_those_of_the_events_and_lifted_before_each_validation(
    fits, tmp_path, monkeypatch
):
    lifted, sizes = [], {"dim": 4, "text_components": 4, "history_length": 5, "num_layers": 1}
    monkeypatch.setattr(TEXT_ARRAYS, lambda context: {"item_text": TEXTS})
    monkeypatch.setattr(
        "tfrec_fusion.zoo.models.text_hybrid.network.TextHybrid.offer_new_items",
        lambda model, events: lifted.append(events),
    )
    trained("text_hybrid", tmp_path, sizes, TABLES, refit=False, offer_new_items=True)
    assert len(lifted) == 1
    fits[0].validate()
    assert all(events is TABLES.train for events in lifted) and len(lifted) == 2
    lifted.clear()
    trained("text_hybrid", tmp_path, sizes, TABLES, offer_new_items=True)
    assert pairs_of(lifted[-1]) == pairs_of(TABLES.train_and_validation)


# What validation can say


@pytest.mark.parametrize(
    ("zero", "defined"), [((), True), (("logits", "rating", "next_token"), False)]
)
def test_epochs_are_not_chosen_by_a_task_that_is_undefined(zero, defined, fits, tmp_path):
    """All reviews are positive."""
    good = {
        name: replace(part, rating=np.where(part.item % 2, 4, 5).astype(np.float32))
        for name in ("train", "validation", "test")
        if (part := getattr(TABLES, name))
    }
    weights = dict.fromkeys(zero, 0.0)
    tables = replace(TABLES, **good)
    trained("multi_task", tmp_path, TINY, tables, loss_weights=weights, refit=False)
    assert (fits[0].validate is not None) == defined


@pytest.mark.parametrize("allow_seen", [False, True])
def test_epochs_are_not_chosen_where_no_list_can_hit(allow_seen, fits, tmp_path):
    """Every held-out event is of an item that its user has."""
    known = replace(DATA, validation=DATA.train, test=DATA.train)
    trained("gmf", tmp_path, {"gmf_dim": 4}, known, allow_seen=allow_seen)
    assert (fits[0].validate is not None) == allow_seen
    if allow_seen:
        assert fits[0].validate()["recall@20"] > 0
