"""The multi-task model: what each output is, what is shared, how its losses are weighed."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from built_models import DATA, EVENTS, SIZES, TEXTS
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score
from task_tables import TABLES, TINY, model_of

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import merge
from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig
from tfrec_fusion.zoo.models.multi_task.review_reader import review_arrays, review_gaps
from tfrec_fusion.zoo.runs.network_trainer import NetworkTrainer
from tfrec_fusion.zoo.runs.pair_metrics import pair_metrics
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.runs.task_losses import losses_of, monitor_of
from tfrec_fusion.zoo.training_options import TaskWeights

SPEC = zoo.get_spec("multi_task")


def batch_of(model):
    return next(iter(SPEC.batches(model, EVENTS, 8, 0)))


def pair_inputs(model, user, item, texts):
    read = {f"review_{name}": rows for name, rows in model.read_reviews(texts).items()}
    return {"user_id": user, "item_id": item, **read}


def test_reviews_are_read_as_their_tokens_and_cut():
    model = model_of()
    read = model.read_reviews(["a good cable", "", "bad, it broke and broke and broke"])
    assert read["token_ids"].shape == (3, 5) and read["num_tokens"].tolist()[1:] == [0, 5]
    assert (read["token_ids"][1] == 0).all() and read["token_ids"].max() < 262


def test_a_rating_starts_as_its_biases():
    model = model_of()
    user, item = np.array([1, 2]), np.array([3, 4])
    found = model.pair_model(EVENTS, ["rating"])({"user_id": user, "item_id": item})["rating"]
    np.testing.assert_allclose(found, model.get_layer("biases")(user, item), rtol=1e-6)


def test_pairs_are_judged_alike_in_training_and_afterwards():
    """A user whose last window ends where the known history ends sees the same outputs."""
    model = model_of(history_length=50)
    for weight in model.trainable_weights:
        if "taste" in weight.path:
            weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    histories = DATA.train.histories(50)
    user, item = np.array([3, 4]), np.array([[5, 6], [7, 8]])
    reviews = pair_inputs(model, user, item[:, 0], ["a good cable", "bad"])
    x = {"history": histories[user], "user_id": user, "pair_item": item}
    x |= {"pair_step": np.full((2, 2), 49), "pair_rating": np.array([[5.0, 1.0], [2.0, 4.0]])}
    for name in ("review_token_ids", "review_num_tokens"):
        x[name] = np.stack([reviews[name], reviews[name]], axis=1)
    trained, asked = model(x), model.pair_model(DATA.train)(reviews)
    biases = model.get_layer("biases")
    without, whole = (
        biases(user, item[:, 0], own) for own in (x["pair_rating"][:, 0].astype("float32"), None)
    )
    assert np.abs(without - whole).min() > 0.01
    np.testing.assert_allclose(
        trained["rating"][:, 0, 0] - without, asked["rating"] - whole, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(trained["sentiment"][:, 0, 0], asked["sentiment"], atol=1e-4)
    np.testing.assert_allclose(trained["next_token"][:, 0], asked["next_token"], atol=1e-4)


def test_words_of_a_review_teach_its_item_and_what_was_read_before():
    model = model_of(tasks=("next_token",), id_dropout=0.0)
    before = model.get_layer("items").embeddings.numpy()
    losses = losses_of(SPEC, model)
    shares = {"logits": 0, "next_token": 1}
    model.compile(keras.optimizers.SGD(1.0), losses, loss_weights=shares, run_eagerly=True)
    x, y, weight = batch_of(model)
    alone = np.zeros(weight["next_token"].shape, np.float32)
    alone[0, 0] = 1  # of all reviews the first counts
    model.train_on_batch(x, y, {**weight, "next_token": alone})
    moved = np.abs(model.get_layer("items").embeddings.numpy() - before).max(1) > 0
    history = x["history"][0, : x["pair_step"][0, 0] + 1].numpy()
    expected = {int(x["pair_item"][0, 0]), *history[history > 0].tolist()}
    assert set(np.flatnonzero(moved)) == expected and 2 <= len(expected) < 7


def test_gates_are_shares_of_the_experts():
    model = model_of(num_experts=3)
    gates = model.gate_model(EVENTS)({"user_id": np.array([1, 2]), "item_id": np.array([3, 4])})
    assert set(gates) == {"rating", "sentiment", "next_token"}
    for one in gates.values():
        assert one.shape == (2, 3)
        np.testing.assert_allclose(np.sum(one, axis=1), 1, rtol=1e-5)


def test_score_weights_weight_behavior_and_language():
    model = model_of()
    users = np.arange(5)

    def scores(behavior, language):
        model.set_score_weights(behavior, language)
        return np.asarray(model.score_model(EVENTS)({"user_id": users})["scores"])[:, 1:]

    size, items = model.config.dim, model.item_vectors() / model.config.temperature
    query = np.asarray(model.query_models(EVENTS)[0]({"user_id": users})["query"])
    behavior, language = (
        query[:, part] @ items[1:, part].T for part in (slice(size), slice(size, None))
    )
    assert behavior.std() > 0.1 and language.std() > 0.1
    for weights in ((1, 1), (1, 0), (0, 1), (1, 2)):
        expected = weights[0] * behavior + weights[1] * language
        np.testing.assert_allclose(scores(*weights), expected, rtol=1e-4, atol=1e-5)
    frozen = np.asarray(model.score_model(EVENTS, frozen=True)({"user_id": users})["scores"])
    np.testing.assert_allclose(frozen[:, 1:], scores(1, 2), rtol=1e-4, atol=1e-5)


def test_words_are_explained_by_the_score_as_it_is_weighed():
    model, item = model_of(), 5
    model.set_score_weights(0.5, 3)
    history = EVENTS.histories(6)[4]
    whole = np.asarray(model.history_model()({"history": history[None, :]})["scores"])[0, item]
    found = model.text_scores(history[history > 0], 4, item)(TEXTS[[item]])
    np.testing.assert_allclose(found, [whole], rtol=1e-4, atol=1e-5)


def test_metrics_of_the_pairs_are_those_of_their_definitions():
    model = model_of()
    texts = np.resize(np.array(["a good cable", "bad", ""], object), len(EVENTS))
    judged = dataclasses.replace(EVENTS, text=texts)
    found = pair_metrics(model, EVENTS, judged, num_bootstrap=0)().metrics
    biases = np.asarray(model.get_layer("biases")(EVENTS.user, EVENTS.item))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((biases - EVENTS.rating) ** 2)), rel=1e-4)
    inputs = pair_inputs(model, EVENTS.user, EVENTS.item, texts)
    said = {name: np.asarray(one) for name, one in model.pair_model(EVENTS)(inputs).items()}
    auc = roc_auc_score(EVENTS.rating >= 4, said["sentiment"])
    assert found["sentiment_auc"] == pytest.approx(auc, abs=1e-6)
    tokens, numbers = inputs["review_token_ids"], inputs["review_num_tokens"]
    nats = -log_softmax(said["next_token"].astype(float), axis=-1)
    nats = np.take_along_axis(nats, tokens[..., None], axis=-1)[..., 0]
    counted = np.arange(tokens.shape[1]) < numbers[:, None]
    assert found["perplexity"] == pytest.approx(np.exp(nats[counted].mean()), rel=1e-4)


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tfrec_fusion.zoo.models.text_hybrid.text_inputs.text_arrays",
        lambda context: {"item_text": TEXTS},
    )

    def make(spec=SPEC, **keywords):
        own = TINY if spec is SPEC else {"dim": 4, "history_length": 6}
        chosen = {"epochs": 2, "refit": False, "progress": False, **own, **keywords}
        return NetworkTrainer(TABLES, Settings.from_keywords(spec, chosen), tmp_path, print)

    return make


@pytest.mark.parametrize(
    ("balance", "options"),
    [
        ("fixed", {"loss_weights": {"logits": 0.1}, "word_dropout": 0.2, "weigh_scores": True}),
        pytest.param("uncertainty", {}, marks=pytest.mark.slow),
        pytest.param("dwa", {}, marks=pytest.mark.slow),
        pytest.param("gradnorm", {}, marks=pytest.mark.slow),
        pytest.param("pcgrad", {"adversarial_epsilon": 0.1}, marks=pytest.mark.slow),
    ],
)
def test_every_balance_trains_and_logs(trainer, balance, options):
    model, info = trainer(balance=balance, **options).run()
    history = info["history"]
    assert {"val_ndcg@10", "val_rmse", "val_sentiment_auc", "val_perplexity"} <= set(history)
    if balance != "fixed":
        weights = {name for name in history if name.endswith("_weight")}
        assert weights == {f"{name}_weight" for name in model.output}
    if options.get("weigh_scores"):
        language = info["score_weights"]["language"]
        assert float(model.get_layer("score_weights").language) == language


@pytest.mark.slow
def test_reviews_are_judged_in_other_orders_of_their_words(trainer):
    made = trainer(tasks=("rating", "sentiment"), span_swap=0.5)
    assert "val_sentiment_auc" in made.run()[1]["history"]


@pytest.mark.parametrize(
    ("zero", "monitor"),
    [
        ((), ("ndcg@10", "max")),
        (("logits",), ("rmse", "min")),
        (("logits", "rating"), ("perplexity", "min")),
        (("logits", "rating", "next_token"), ("sentiment_auc", "max")),
    ],
)
def test_the_epoch_is_chosen_by_the_first_task_that_is_learned(trainer, zero, monitor):
    made = trainer(loss_weights=dict.fromkeys(zero, 0.0))
    assert monitor_of(made.settings, model_of()) == monitor


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"loss_weights": {"stars": 1}}, "does not have: stars. Its outputs are logits"),
        ({"loss_weights": dict.fromkeys(("logits", "rating", "sentiment", "next_token"), 0)},
         "with a weight above 0, to choose epochs by"),
        ({"tasks": ("rating",), "word_dropout": 0.1}, "reads no words of reviews"),
        ({"span_swap": 0.1}, "that next_token is yet to predict"),
        ({"vocabulary_size": 5000}, "`vocabulary_size` must be at most"),
    ],
)  # fmt: skip
def test_unsound_trainings_are_refused(trainer, keywords, message):
    with pytest.raises(ValueError, match=message):
        trainer(**keywords).run()


def test_other_models_refuse_what_only_tasks_have(trainer):
    two_tower = zoo.get_spec("two_tower")
    with pytest.raises(ValueError, match=r"two_tower takes the keywords .* Received: balance"):
        trainer(two_tower, balance="pcgrad")
    # A spec may take the option without a task: a model of one loss has nothing to balance.
    with_option = dataclasses.replace(two_tower, options=(*two_tower.options, TaskWeights))
    with pytest.raises(ValueError, match="two_tower has one loss"):
        trainer(with_option, balance="pcgrad").run()


def test_reviews_that_are_not_there_are_missed_at_the_door():
    silent = dataclasses.replace(EVENTS, text=np.full(len(EVENTS), " ", object))
    told = []

    def arrays(events, **choices):
        choices = SPEC.choices_of(choices)
        context = SimpleNamespace(events=events, choices=choices, options={}, say=told.append)
        return review_arrays(context)

    with pytest.raises(ValueError, match=r"all with an empty text. Give a `text` column"):
        arrays(silent)
    with pytest.raises(ValueError, match="no column `text`"):
        arrays(DATA.train)
    assert arrays(DATA.train, tasks=("rating",)) == {} and not told


def test_what_reviews_lack_is_said():
    model = model_of()
    text = np.where(np.arange(len(EVENTS)) < 3, "", "good")
    some = dataclasses.replace(EVENTS, text=text, rating=np.full(len(EVENTS), 5.0, np.float32))
    good = model.config.good_rating
    assert review_gaps(some, model.config.tasks, good) == [
        f"3 of {len(EVENTS):,} events have no review: these teach ratings alone",
        "all reviews are positive (rated 4 or more): sentiment has nothing to tell apart",
    ]
    assert review_gaps(EVENTS, model.config.tasks, good) == []


def test_reviews_that_are_missing_when_it_is_measured_are_not_measured():
    model = model_of()
    silent = dataclasses.replace(EVENTS, text=np.full(len(EVENTS), "", object))
    assert "perplexity" not in pair_metrics(model, EVENTS, silent, num_bootstrap=0)().metrics


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"tasks": ("stars",)}, "`tasks` must be one or more of rating, sentiment, next_token"),
        ({"tasks": ()}, "`tasks` must be one or more"),
        ({"bottom": "deep"}, "`bottom` must be one of mmoe, shared, ple"),
        ({"pairs": 0}, "`pairs` must be at least 1"),
        ({"head": "ncf"}, "has two towers, a history"),
        ({"review_reader": "frozen"}, "A frozen reader predicts no tokens"),
        ({"review_reader": "frozen", "tasks": ("sentiment",)}, "`review_dim` must be positive"),
    ],
)
def test_unsound_choices_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        MultiTaskConfig(4, 5, text_dim=3, **choices)


def test_a_reader_without_tokenizer_and_reviews_nobody_reads_are_refused():
    with pytest.raises(ValueError, match="needs a `tokenizer`"):
        zoo.build("multi_task", **SIZES, item_text=TEXTS)
    model = zoo.build("multi_task", **SIZES, item_text=TEXTS, tasks=("rating",), dim=4)
    with pytest.raises(ValueError, match=r"No task reads reviews. Received: tasks=\('rating',\)"):
        model.read_reviews(["good"])
    with pytest.raises(ValueError, match=r"This model has the tasks rating. Received: sentiment"):
        model.pair_model(merge(DATA.train), ["sentiment"])
