"""Training under dtype policies: through `runs.train`, resumed, fine-tuned, balanced, attacked."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from fine_tuning_tables import BASE, MINE
from leak_tables import WORDS, tables
from model_keywords import NETWORKS, SIZES, keywords_for
from quick_training import eagerly, without_pictures  # noqa: F401 (fixtures)
from tiny_bert import save_tiny_bert
from two_tasks import Y, batches, losses, two_tasks

from tfrec_fusion import zoo
from tfrec_fusion.layers.multitask import BALANCES
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.training.adversarial import AdversarialModel
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.carry_over import carry_over
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

HALF = ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16")
USUAL = (  # the default run; `make test-all` runs every combination
    *(("neumf", "mixed_bfloat16"), ("gmf", "float16"), ("resumed", "mixed_float16")),
    *(("fine-tuned", "mixed_bfloat16"), ("pcgrad", "bfloat16")),
    *((balance, "mixed_float16") for balance in BALANCES),
)
QUICK = {"epochs": 2, "progress": False}


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", eagerly)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    texts = (*WORDS, *tables().items["text"])
    return save_tiny_bert(tmp_path_factory.mktemp("preset") / "tiny_bert", texts)


def case(name, policy):
    slow = () if (name, policy) in USUAL else pytest.mark.slow
    return pytest.param(name, policy, marks=slow, id=f"{name}-{policy}")


def cases(*names):
    return pytest.mark.parametrize(
        ("name", "policy"), [case(name, policy) for name in names for policy in HALF]
    )


@cases(*NETWORKS)
def test_every_network_trains_under_every_policy(name, policy, tmp_path, preset):
    batch_size = None if name in ("gmf", "mlp", "neumf") else 16
    options = {**QUICK, "batch_size": batch_size}
    options |= keywords_for(name, part_epochs=1, text_preset=preset)
    with dtype_policy_scope(policy):
        train(name, tables(), tmp_path / "run", **options, **SIZES[name])
    run = load_run(tmp_path / "run")  # in a session of float32
    assert run.model.dtype_policy.name == run.info["training"]["dtype_policy"] == policy
    assert np.isfinite(run.info["training"]["history"]["loss"]).all()
    users = np.arange(len(run.users))
    scored = run.model.score_model(run.known_at_test)({"user_id": users})["scores"]
    assert scored.dtype == tf.float32 and np.isfinite(scored).all()
    found = run.recommender.recommend(str(run.users.ids[1]), 5)
    scores = run.recommender.score(np.array([1]))[0]
    taken = run.recommender.known.item[run.recommender.known.user == 1]
    expected = [i for i in np.argsort(-scores, kind="stable") if i and i not in taken][:5]
    assert found["item_id"].tolist() == run.items.id_of(np.array(expected)).tolist()


@cases("fine-tuned")
def test_a_model_of_half_precision_continues_in_float32(name, policy, tmp_path):
    with dtype_policy_scope(policy):
        start = train("gmf", BASE, tmp_path / "a", gmf_dim=4, **QUICK)
    made = fine_tune(start, MINE, tmp_path / "b", **QUICK)
    assert made.model.dtype_policy.name == "float32"
    assert sum(row["kept"] for row in made.info["carried"]) == start.model.count_params()


def test_values_of_half_precision_are_carried_over_as_they_are():
    with dtype_policy_scope("bfloat16"):
        small = zoo.build("gmf", num_users=4, num_items=5, gmf_dim=2)
    large = zoo.build("gmf", num_users=6, num_items=5, gmf_dim=2)
    carry_over(small, large, [(4, 6)])
    for old, new in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_array_equal(new[tuple(map(slice, old.shape))], old.astype(np.float32))


@cases("resumed")
def test_an_interrupted_training_resumes(name, policy, tmp_path):
    rng = np.random.default_rng(0)
    x = {name: rng.integers(1, 6, 32) for name in ("user_id", "item_id")}
    y = {"logits": rng.integers(0, 2, 32).astype(np.float32)}
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    how = {
        "optimizer": keras.optimizers.AdamW(0.01),
        "loss": {"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
        "validate": lambda: {"ndcg@10": 0.5},
        "progress": False,
    }
    found = []
    for parts in ((3,), (1, 3)):
        for epochs in parts:
            keras.utils.set_random_seed(0)
            with dtype_policy_scope(policy):
                model = zoo.build("gmf", num_users=6, num_items=6, gmf_dim=4)
            folder = tmp_path / str(len(parts))
            result = eagerly(model, data, epochs=epochs, run_dir=folder, seed=0, **how)
        found.append((model.get_weights(), result.history["loss"]))
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-3)
    for one, other in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_array_equal(one, other)


@cases(*BALANCES)
def test_losses_are_balanced(name, policy):
    with dtype_policy_scope(policy):
        model = two_tasks()
    optimizer = keras.optimizers.SGD(0.05)
    if policy == "mixed_float16":  # Keras's own begins at 2 ** 15, and skips steps until it fits
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**8)
    balanced = BalancedModel(model, name)
    result = eagerly(
        balanced, batches(), epochs=6, optimizer=optimizer, loss=losses(), progress=False
    )
    for task in Y:
        values = result.history[f"{task}_loss"]
        assert np.isfinite(values).all() and values[-1] < values[0]
    assert {one.dtype for one in (balanced.moving_weights, balanced.log_variance)} == {"float32"}


@pytest.mark.parametrize("policy", HALF)
def test_attacked_tables_move_by_epsilon_and_come_back(policy):
    with dtype_policy_scope(policy):
        model = zoo.build("gmf", num_users=4, num_items=5, gmf_dim=2, l2=0.0)
    attacked = AdversarialModel(model, epsilon=0.5)
    assert attacked.dtype_policy.name == policy
    loss = {"logits": keras.losses.BinaryCrossentropy(from_logits=True)}
    attacked.compile("sgd", loss, run_eagerly=True)
    scales = isinstance(attacked.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scales == (policy == "mixed_float16")
    x = {"user_id": np.array([1, 2]), "item_id": np.array([3, 4])}
    *_, gradients = attacked.gradients(x, {"logits": np.array([1.0, 0.0])}, None)
    moves = attacked._moves(gradients)
    assert len(moves) == 2
    for table, move in moves:
        assert move.dtype == table.value.dtype
        assert np.linalg.norm(np.asarray(move, np.float32)) == pytest.approx(0.5, rel=0.01)


def test_adam_steps_by_its_rate_where_squares_of_gradients_vanish():
    """The square of a gradient of 0.001 is 0 in float16; Adam's epsilon of 1e-7 would divide it."""
    x = keras.Input((1,))
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False, dtype="float16")(x))
    before = model.get_weights()[0].astype(float)
    data = tf.data.Dataset.from_tensors((np.full((1, 1), 1e-3), np.full((1, 1), 9.0)))
    absolute = keras.losses.MeanAbsoluteError()  # slope 1 towards a target far away
    eagerly(model, data, epochs=1, optimizer=keras.optimizers.Adam(0.1), loss=absolute)
    moved = model.get_weights()[0].astype(float) - before
    # m = 0.1 * 0.001, v = 0, rate = 0.1 * sqrt(1 - 0.999) / (1 - 0.9)
    assert moved.item() == pytest.approx(0.1 * 0.316 * 1e-4 / 1e-3, rel=0.15)
