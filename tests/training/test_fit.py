import csv
import math
import signal
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from checkout import child_environment
from linear_models import Recording, linear_batches, linear_model, train, values

from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.training.checkpoint import Record
from tfrec_fusion.training.fit import TrainingDiverged, fit


def test_one_epoch_is_plain_gradient_descent():
    # One batch of two rows, y = 0 at the start: the gradient of mean((x w - y)²) is -2 xᵀy / 2.
    x, y = np.array([[1.0, 0.0], [0.0, 1.0]], "float32"), np.array([[1.0], [-2.0]], "float32")
    dataset = tf.data.Dataset.from_tensor_slices(({"x": x}, {"y": y})).batch(2)
    model, began = linear_model(), time.perf_counter()
    result = train(model, dataset, epochs=1, optimizer=keras.optimizers.SGD(0.1))
    np.testing.assert_allclose(model.get_weights()[0], [[0.1], [-0.2]], rtol=1e-6)
    assert result.history == {"loss": [pytest.approx(2.5)]}
    assert (result.best_epoch, result.best_value, result.epochs_run) == (1, None, 1)
    assert not result.stopped_early
    assert 0 < result.seconds < time.perf_counter() - began


def test_early_stopping_puts_the_best_weights_back():
    model, seen = linear_model(), []
    numbers = iter([0.1, 0.3, 0.2, 0.3, 0.9])

    def validate():
        seen.append(model.get_weights())
        return {"ndcg@10": next(numbers)}

    result = train(model, epochs=9, validate=validate, patience=2)
    assert (result.best_epoch, result.best_value, result.epochs_run) == (2, 0.3, 4)
    assert result.stopped_early
    assert result.history["val_ndcg@10"] == [0.1, 0.3, 0.2, 0.3]
    for best, now in zip(seen[1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(now, best)


def test_improvements_below_min_delta_do_not_count():
    result = train(epochs=9, validate=values(0.10, 0.11, 0.12), patience=2, min_delta=0.05)
    assert (result.best_epoch, result.epochs_run) == (1, 3)


def test_callbacks_see_each_epoch_with_its_validation():
    seen, model = Recording(), linear_model()
    result = train(model, validate=values(0.1, 0.3), validate_every=2, callbacks=[seen])
    assert seen.began == [0, 1, 2] and seen.models == {model}
    assert [one["loss"] for one in seen.logs] == result.history["loss"]
    found = [(one.get("val_ndcg@10"), one.get("val_recall@10")) for one in seen.logs]
    assert found == [(None, None), (0.1, 0.5), (0.3, 0.5)]


def test_callbacks_see_no_epoch_twice_after_a_resumption(tmp_path):
    class Stopped(Exception):
        pass

    class Stopping(Recording):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise Stopped
            super().on_epoch_begin(epoch, logs)

    first, second, third = Stopping(), Recording(), Recording()
    with pytest.raises(Stopped):
        train(epochs=4, run_dir=tmp_path, callbacks=[first])
    result = train(epochs=4, run_dir=tmp_path, callbacks=(second,))
    train(epochs=4, run_dir=tmp_path, callbacks=[third])
    assert (first.began, second.began, third.began) == ([0, 1], [2, 3], [])
    losses = [one["loss"] for one in (*first.logs, *second.logs)]
    assert losses == result.history["loss"]


def test_a_callback_may_end_a_training():
    class Ending(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = logs["val_ndcg@10"] > 0.2

    ended = train(epochs=9, validate=values(0.1, 0.3, 0.9), callbacks=[Ending()])
    assert (ended.epochs_run, ended.best_epoch, ended.best_value) == (2, 2, 0.3)


def test_smaller_is_better_in_mode_min():
    result = train(validate=lambda: {"rmse": 1.0}, monitor="rmse", mode="min", patience=1)
    assert result.epochs_run == 2
    result = train(validate=values(3.0, 1.0, 2.0), mode="min", patience=None)
    assert (result.best_epoch, result.best_value) == (2, 1.0)


def test_validation_every_second_epoch_and_after_the_last():
    result = train(epochs=3, validate=values(0.1, 0.2), validate_every=2)
    assert [math.isnan(value) for value in result.history["val_ndcg@10"]] == [True, False, False]
    assert result.best_epoch == 3


def test_the_run_folder(tmp_path):
    result = train(run_dir=tmp_path, validate=values(0.1, 0.2, 0.3))
    with (tmp_path / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in rows] == result.history["loss"]
    assert [float(row["val_ndcg@10"]) for row in rows] == [0.1, 0.2, 0.3]
    assert [float(row["val_recall@10"]) for row in rows] == [0.5, 0.5, 0.5]
    assert list((tmp_path / "tensorboard").rglob("events.out.*"))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["training.npz"]


def test_an_epoch_not_validated_is_an_empty_cell(tmp_path):
    train(epochs=2, run_dir=tmp_path, validate=values(0.1), validate_every=2)
    assert (tmp_path / "training.csv").read_text().splitlines()[1].endswith(",,")


@pytest.mark.parametrize("where", ["loss", "metric"])
def test_divergence_says_where_and_what_to_do(where, tmp_path):
    train(epochs=1, run_dir=tmp_path)
    before = (tmp_path / "checkpoints" / "training.npz").read_bytes()
    if where == "loss":
        bad = linear_batches().map(lambda x, y: (x, {"y": y["y"] * math.nan}))
        with pytest.raises(TrainingDiverged, match=r"loss became nan in epoch 2.*learning rate"):
            train(dataset=bad, run_dir=tmp_path)
    else:
        with pytest.raises(TrainingDiverged, match=r"ndcg@10 became nan after epoch 2"):
            train(run_dir=tmp_path, validate=values(math.nan))
    assert (tmp_path / "checkpoints" / "training.npz").read_bytes() == before


def test_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole, first, second = linear_model(), linear_model(), linear_model()
    expected = train(whole, epochs=5, optimizer="adam", validate=values(0.1, 0.2, 0.3, 0.4, 0.5))
    train(first, epochs=2, optimizer="adam", validate=values(0.1, 0.2), run_dir=tmp_path)
    resumed = train(
        second, epochs=5, optimizer="adam", validate=values(0.3, 0.4, 0.5), run_dir=tmp_path
    )
    assert resumed.epochs_run == 5
    assert second.optimizer.iterations.numpy() == 15
    np.testing.assert_allclose(resumed.history["loss"], expected.history["loss"], rtol=1e-5)
    for one, other in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)


def test_early_stopping_state_is_resumed(tmp_path):
    first, second = linear_model(), linear_model()
    best = train(first, epochs=1, validate=values(0.9), run_dir=tmp_path)
    best_weights = first.get_weights()
    result = train(second, epochs=9, validate=values(0.1, 0.2, 0.3), patience=3, run_dir=tmp_path)
    assert best.best_epoch == result.best_epoch == 1
    assert result.epochs_run == 4
    for one, other in zip(best_weights, second.get_weights(), strict=True):
        np.testing.assert_array_equal(other, one)

    third = linear_model()
    finished = train(third, epochs=9, validate=values(), patience=3, run_dir=tmp_path)
    assert finished == result
    np.testing.assert_array_equal(third.get_weights()[0], best_weights[0])


def test_resume_false_starts_over(tmp_path):
    train(epochs=2, run_dir=tmp_path)
    assert train(epochs=1, run_dir=tmp_path, resume=False).epochs_run == 1


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    train(epochs=1, run_dir=tmp_path)
    with pytest.raises(ValueError, match=r"another model.*\(2, 1\).*\(2, 3\).*resume=False"):
        train(linear_model(units=3), run_dir=tmp_path)
    with pytest.raises(ValueError, match=r"written for another optimizer"):
        train(optimizer="adam", run_dir=tmp_path)


def test_bfloat16_weights_and_random_states_survive(tmp_path):
    def build():
        inputs = keras.Input((2,), name="x", dtype="bfloat16")
        hidden = keras.layers.Dropout(0.5, seed=3, dtype="bfloat16")(inputs)
        return keras.Model({"x": inputs}, {"y": keras.layers.Dense(1, dtype="bfloat16")(hidden)})

    first, second = build(), build()
    train(first, epochs=2, optimizer="adam", run_dir=tmp_path)
    train(second, epochs=2, optimizer="adam", run_dir=tmp_path)
    states = [[v.numpy().astype("float64") for v in model.variables] for model in (first, second)]
    for one, other in zip(states[0][:3], states[1][:3], strict=True):
        np.testing.assert_array_equal(other, one)


def dropout_model(seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2,), name="x")
    hidden = keras.layers.Dropout(0.4)(keras.layers.Dense(6, "tanh")(inputs))
    return keras.Model({"x": inputs}, {"y": keras.layers.Dense(1, name="y")(hidden)})


def test_dropout_goes_on_where_it_was_interrupted(tmp_path):
    whole, first, second, third = map(dropout_model, (0, 0, 1, 2))  # each starts otherwise
    train(whole, epochs=5, optimizer="adam")
    train(first, epochs=2, optimizer="adam", run_dir=tmp_path)
    train(third, epochs=2, optimizer="adam", run_dir=tmp_path)  # nothing is left to train
    train(second, epochs=5, optimizer="adam", run_dir=tmp_path)

    def state(model):
        return [one.numpy() for one in (*model.variables, *model.optimizer.variables)]

    fresh = dropout_model(0).variables  # two kernels, two biases, the state of dropout
    assert len(fresh) == 5
    assert not any(map(np.array_equal, fresh, first.variables))
    for restored, kept in zip(state(third), state(first), strict=True):
        np.testing.assert_array_equal(restored, kept)
    for resumed, through in zip(state(second), state(whole), strict=True):
        np.testing.assert_allclose(resumed, through, rtol=1e-6, atol=1e-7)


KILLED_IN_EPOCH_5 = """
    import os, signal, sys
    from pathlib import Path
    from linear_models import train

    finished = []

    def validate():
        finished.append(1)
        if len(finished) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"ndcg@10": 0.1 * len(finished)}

    train(epochs=6, optimizer="adam", validate=validate, run_dir=Path(sys.argv[1]))
"""


def test_training_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED_IN_EPOCH_5), str(tmp_path)]
    killed = subprocess.run(command, capture_output=True, timeout=300, env=child_environment())
    assert killed.returncode == -signal.SIGKILL
    assert len((tmp_path / "training.csv").read_text().splitlines()) == 1 + 4
    left = tmp_path / "checkpoints" / ".training.npz.0123456789abcdef.part"
    left.write_bytes(b"torn")

    model = linear_model()
    result = train(model, epochs=6, optimizer="adam", validate=values(0.3, 0.2), run_dir=tmp_path)
    assert (result.epochs_run, model.optimizer.iterations.numpy()) == (6, 6 * 3)
    assert result.history["val_ndcg@10"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.3, 0.2])
    assert result.best_epoch == 4
    assert len((tmp_path / "training.csv").read_text().splitlines()) == 1 + 6
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["training.npz"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "whole"
    with whole_file(path) as file:
        file.write(b"old")
    with pytest.raises(InterruptedError), whole_file(path) as file:
        file.write(b"ne")
        raise InterruptedError
    assert path.read_bytes() == b"old"


def test_a_metric_that_comes_late_is_nan_before():
    record = Record()
    record.append({"loss": 1.0})
    record.append({"loss": 0.5, "val_auc": 0.7})
    assert record.history["loss"] == [1.0, 0.5]
    assert math.isnan(record.history["val_auc"][0])
    assert record.history["val_auc"][1] == 0.7


@pytest.mark.parametrize(
    ("dataset", "steps_per_epoch", "expected"),
    [
        (linear_batches(10, 4), None, 3),
        (linear_batches(30, 1), None, 20),
        (linear_batches(30, 1).filter(lambda x, y: True), None, 20),
        (linear_batches(30, 1).repeat(), 30, 15),
        (linear_batches(30, 1).repeat(), 23, 1),
    ],
)
def test_steps_per_execution_is_as_large_as_the_epoch_allows(dataset, steps_per_epoch, expected):
    model = linear_model()
    train(model, dataset, epochs=2, steps_per_epoch=steps_per_epoch)
    assert model.steps_per_execution == expected
    num_steps = steps_per_epoch or sum(1 for _ in dataset)
    assert model.optimizer.iterations.numpy() == 2 * num_steps


def test_xla_is_a_switch_and_left_to_keras_without_it():
    model, plain = linear_model(), linear_model()
    plain.compile("sgd", "mse")
    train(model, epochs=1, jit_compile="auto")
    assert model.jit_compile is plain.jit_compile
    train(model, epochs=1, jit_compile=True)
    assert model.jit_compile is True


def test_weights_per_step_and_row():
    # Logits (batch, steps, items) with weights (batch, steps): a weight of 0 takes the step out.
    inputs = keras.Input((3,), dtype="int32", name="history")
    logits = keras.layers.Embedding(4, 5, embeddings_initializer="zeros")(inputs)
    model = keras.Model({"history": inputs}, {"logits": logits})
    x, y = np.array([[1, 2, 3]], "int32"), np.array([[2, 2, 2]], "int32")
    weights = np.array([[1.0, 1.0, 0.0]], "float32")
    dataset = tf.data.Dataset.from_tensors(({"history": x}, {"logits": y}, {"logits": weights}))
    loss = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    result = train(model, dataset, epochs=1, loss=loss)
    assert result.history["loss"][0] == pytest.approx(2 / 3 * math.log(5), rel=1e-5)
    assert not model.get_weights()[0][3].any()


def test_a_compiled_model_keeps_its_own_optimizer():
    model = linear_model()
    model.compile("adam", "mse")
    optimizer = model.optimizer
    fit(model, linear_batches(), epochs=1)
    assert model.optimizer is optimizer


def test_the_optimizer_given_is_copied():
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 100))
    model = linear_model()
    train(model, epochs=1, optimizer=optimizer)
    assert (optimizer.iterations.numpy(), model.optimizer.iterations.numpy()) == (0, 3)
    assert model.optimizer.get_config() == optimizer.get_config()


def test_seed_is_set_before_training():
    model, drawn = linear_model(), []
    for _ in range(2):
        train(
            model, epochs=1, seed=5, validate=lambda: drawn.append(np.random.rand()) or values(1)()
        )
    assert drawn[0] == drawn[1]


class Terminal:
    """A stderr that says it is a terminal and keeps what is written."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        """Nothing is buffered."""

    def isatty(self):
        return True


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_line(progress, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    train(validate=values(0.1, 0.2, 0.3), progress=progress)
    last = terminal.text.split("\r")[-1]
    if progress:
        assert "epoch 3/3" in last
        assert "9/9" in last
        assert "loss=" in last
        assert "ndcg@10=0.3000" in last
    else:
        assert terminal.text == ""


def test_each_epoch_is_a_line_where_there_is_no_terminal(capsys):
    result = train(validate=values(0.1, 0.2, 0.3), progress=True)
    told = capsys.readouterr().err.splitlines()
    losses = [f"{one:.4f}" for one in result.history["loss"]]
    values_ = ("0.1000", "0.2000", "0.3000")
    assert [line.split(": ")[1] for line in told] == [
        ", ".join((f"epoch {epoch}/3", *sorted((f"loss={loss}", f"ndcg@10={value}"))))
        for epoch, (loss, value) in enumerate(zip(losses, values_, strict=True), 1)
    ]
    train(epochs=1, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1. Received: 0"),
        ({"patience": 0}, "`patience` must be at least 1. Received: 0"),
        ({"steps_per_execution": -1}, "`steps_per_execution` must be at least 1. Received: -1"),
        ({"mode": "up"}, "`mode` must be 'max' or 'min'. Received: 'up'"),
        ({"optimizer": None, "loss": None}, "`jit_compile` belong"),
        ({"dataset": linear_batches().take(0)}, "`dataset` has no batches"),
        ({"dataset": linear_batches().repeat()}, "`dataset` is endless. Pass `steps_per_epoch`"),
        ({"validate": values(1.0), "monitor": "auc"}, r"ndcg@10, recall@10. Received: 'auc'"),
    ],
)
def test_wrong_arguments(wrong, message):
    model = linear_model()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        train(model, **wrong)


def test_a_model_not_compiled_needs_an_optimizer():
    with pytest.raises(ValueError, match=r"not compiled\. Pass `optimizer` and `loss`"):
        fit(linear_model(), linear_batches(), epochs=1)


def test_no_epoch_waits_for_the_autotuner(monkeypatch):
    given = []
    monkeypatch.setattr(keras.Model, "fit", lambda self, dataset, **_: given.append(dataset))
    train()
    assert [one.options().autotune.enabled for one in given] == [False]
