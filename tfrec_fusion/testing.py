"""Contract tests for models and layers of one's own, the same that this package's run through.

    from tfrec_fusion.testing import check_layer, check_model

    def test_my_model(tmp_path):
        check_model(SPEC, tmp_path)

Each check raises an `AssertionError` that says what is wrong. They are written for any test runner.
"""

from __future__ import annotations

import inspect
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.files.whole import whole_path
from tfrec_fusion.zoo.protocols import Model
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.run import Run, load_run
from tfrec_fusion.zoo.runs.train import train
from tfrec_fusion.zoo.spec import ModelSpec

RELATIVE, ABSOLUTE = 1e-4, 1e-5


def check_layer(layer: keras.layers.Layer, inputs: Any) -> None:
    """Checks a Keras layer: its config, its saved file, its gradients and half precision.

    Its weights are changed: they are drawn anew, so that zeros at the start hide nothing.

    Args:
        layer: An instance, built or not.
        inputs: An array, or a tuple of the arguments of `call`, which may hold lists of arrays
            and None.

    Raises:
        AssertionError: With what is wrong.

    Example:

    >>> check_layer(keras.layers.Dense(3), np.ones((2, 4), "float32"))
    """
    name, arguments = type(layer).__name__, inputs if isinstance(inputs, tuple) else (inputs,)
    layer(*arguments)
    _randomize(layer)
    expected = layer(*arguments)
    for one in _flat(expected):
        assert np.isfinite(one).all(), f"{name} gives values that are not finite."
    json.dumps(keras.saving.serialize_keras_object(layer))
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config(), f"{name}'s config changes on its way."
    copy(*arguments)
    assert len(copy.weights) == len(layer.weights), f"{name}'s config loses weights."
    copy.set_weights(layer.get_weights())
    _assert_close(copy(*arguments), expected, f"{name} made from its config differs")
    _check_saved(layer, arguments, expected)
    _check_gradients(layer, arguments)
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    for one in _flat(half(*arguments)):
        assert np.isfinite(one).all(), f"{name} is not finite under mixed_bfloat16."


def check_model(spec: ModelSpec, folder: str | Path, **keywords: Any) -> Run:
    """Checks a model: built, trained, saved, asked, explained, grown and exported by its spec.

    It trains for six epochs on small synthetic tables, which takes some seconds.

    Args:
        spec: The description, registered or not yet.
        folder: An empty folder for run folders and an export.
        **keywords: Of the training, such as smaller sizes.

    Returns:
        The trained run.

    Raises:
        AssertionError: With what is wrong.
        InvalidInput: When the spec is unsound, or the model refuses its own defaults.
    """
    assert get_spec(spec.name) is spec, f"{spec.name} is not registered: call zoo.register(SPEC)."
    _check_options(spec)
    tables, folder = example_tables(), Path(folder)
    if not spec.is_baseline:
        keywords = {"epochs": 6, "learning_rate": 0.01, **keywords}
    run = train(spec.name, tables, folder / "run", progress=False, **keywords)
    _check_network(spec, run)
    _check_answers(run)
    again = load_run(folder / "run")
    users = np.arange(1, len(run.users), dtype=np.int32)
    _assert_close(
        again.recommender.score(users),
        run.recommender.score(users),
        f"{spec.name} answers otherwise when it is loaded again",
    )
    _check_export(run, folder / "export")
    if spec.can_grow:
        _check_growth(run, tables, folder / "grown")
    return run


def example_tables(seed: int = 0) -> RecData:
    """Small tables with titles, texts, genres, ratings, reviews and a knowledge graph."""
    tables = generate(30, 24, 420, seed=seed, with_users=True, with_graph=True)
    rows = tables.interactions
    words = np.where(rows["rating"] > 3, "a good one, I liked it", "a bad one, not for me")
    rows["text"] = words + " because of " + rows["item_id"].astype(str)
    return tables


def _check_options(spec: ModelSpec) -> None:
    params = spec.config.__dataclass_params__
    assert spec.is_baseline or params.frozen, f"{spec.config.__name__} must be frozen."
    for one in (*spec.config_options, *spec.training_options):
        assert one.metadata["help"], f"The option `{one.name}` of {spec.name} needs a help text."
    assert spec.summary and not spec.summary.endswith("."), "A summary is a line without a period."


def _check_network(spec: ModelSpec, run: Run) -> None:
    model: Any = run.model
    assert isinstance(model, Model), (
        f"{spec.name} lacks score_model, history_model or similarity_model; a graph built with "
        "zoo.RetrievalModel has them."
    )
    if spec.is_baseline:
        return
    assert isinstance(model, keras.Model), f"{spec.name} must be a keras.Model."
    assert model.name == spec.name, f"The model must be named {spec.name!r}, not {model.name!r}."
    assert isinstance(model.input, dict) and isinstance(model.output, dict), (
        f"{spec.name} must have named inputs and outputs."
    )
    restored = spec.config(**json.loads(json.dumps(asdict(model.config))))
    assert restored == model.config, f"{spec.config.__name__} changes on its way through JSON."
    assert "logits" in model.output, f"{spec.name} must have the output `logits`."
    unknown = set(model.output) - {"logits", *spec.tasks}
    assert not unknown, f"{spec.name} has outputs without a task in its spec: {unknown}."
    losses = run.info["training"]["history"]["loss"]
    assert all(np.isfinite(losses)), f"{spec.name}'s loss is not finite: {losses}."
    assert min(losses[1:]) < losses[0], f"{spec.name}'s loss does not fall: {losses}."


def _check_answers(run: Run) -> None:
    name, one = run.info["model"], run.recommender
    users = np.arange(1, len(run.users), dtype=np.int32)
    scores = one.score(users)
    assert scores.shape == (len(users), len(run.items)), f"{name} scores {scores.shape}."
    assert scores.dtype == np.float32 and np.isfinite(scores).all(), f"{name}'s scores."
    known = set(run.recommender.known.item[run.recommender.known.user == 1])
    user = str(run.users.ids[1])
    best = one.recommend(user, 3)
    assert not known & set(run.items.index(best["item_id"])), f"{name} recommends seen items."
    assert best["score"].is_monotonic_decreasing, f"{name}'s list is not in order."
    graph: Any = run.model.history_model()
    if graph is not None:
        items = one.known.histories(5)[:3].astype(np.int32)
        batch = np.asarray(graph({"history": items})["scores"])
        alone = np.asarray(graph({"history": items[2:3]})["scores"])
        assert batch.shape == (3, len(run.items)), f"{name}'s history_model gives {batch.shape}."
        _assert_close(batch[2:3], alone, f"{name} scores a history otherwise in a batch")
        padded = np.pad(items[2:3], ((0, 0), (4, 0)))
        _assert_close(
            np.asarray(graph({"history": padded})["scores"]),
            alone,
            f"{name} scores a history otherwise with padding in front",
        )


def _check_export(run: Run, folder: Path) -> None:
    from tfrec_fusion.zoo.exports.export_run import export_run

    report = export_run(run, folder, with_texts=False)  # it compares before it reports success
    assert (folder / str(report.version) / "saved_model.pb").exists()


def _check_growth(run: Run, tables: RecData, folder: Path) -> None:
    from tfrec_fusion.zoo.runs.fine_tuning import fine_tune

    rows = tables.interactions
    last = int(rows["timestamp"].max())
    new = rows.head(8).assign(user_id="somebody new", timestamp=last + 1 + np.arange(8))
    new = new.drop_duplicates("item_id")
    more = RecData(new, tables.items, name="more")
    how: dict[str, Any] = {}
    if not get_spec(run.info["model"]).is_baseline:
        how = {"epochs": 1, "refit": run.info["options"]["refit"]}
    grown = fine_tune(run, more, folder, progress=False, **how)
    assert len(grown.users) == len(run.users) + 1, "Fine-tuning must add the new user."
    assert list(grown.users.ids[: len(run.users)]) == list(run.users.ids)


def _randomize(layer: keras.layers.Layer) -> None:
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        if weight.dtype.startswith("float"):
            weight.assign(0.5 * rng.normal(size=weight.shape))


def _check_saved(layer: keras.layers.Layer, arguments: tuple[Any, ...], expected: Any) -> None:
    """Saves a functional model of the layer alone, and loads it."""
    name = type(layer).__name__
    symbols = keras.tree.map_structure(
        lambda one: (
            None
            if one is None
            else keras.Input(batch_shape=np.shape(one), dtype=np.asarray(one).dtype.name)
        ),
        list(arguments),
    )
    values = [one for one in keras.tree.flatten(list(arguments)) if one is not None]
    inputs = [one for one in keras.tree.flatten(symbols) if one is not None]
    model = keras.Model(inputs, layer(*symbols))
    for symbol, real in zip(_flat_tensors(model.output), _flat(expected), strict=True):
        fits = all(size in (None, own) for size, own in zip(symbol.shape, real.shape, strict=True))
        assert fits, f"{name} announces the shape {symbol.shape} and gives {real.shape}."
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "layer.keras")
        with whole_path(path, ".keras") as part:
            model.save(part)
        loaded = keras.models.load_model(path, safe_mode=True)
    _assert_close(loaded(values), expected, f"{name} read from a .keras file differs")


def _check_gradients(layer: keras.layers.Layer, arguments: tuple[Any, ...]) -> None:
    import tensorflow as tf

    takes = inspect.signature(layer.call).parameters
    how = {"training": True} if "training" in takes else {}  # where losses of its own are added
    with tf.GradientTape() as tape:
        outputs = _flat_tensors(layer(*arguments, **how))
        total = sum(tf.reduce_sum(tf.cast(one, tf.float32) ** 2) for one in outputs)
        total += sum(layer.losses)
    variables = [one.value for one in layer.trainable_weights]
    for weight, gradient in zip(variables, tape.gradient(total, variables), strict=True):
        assert gradient is not None, f"No gradient reaches {weight.name}."
        values = ops.convert_to_numpy(tf.convert_to_tensor(gradient))
        assert np.isfinite(values).all(), f"The gradient of {weight.name} is not finite."


def _flat_tensors(outputs: Any) -> list[Any]:
    return keras.tree.flatten(outputs)


def _flat(outputs: Any) -> list[np.ndarray]:
    return [ops.convert_to_numpy(ops.cast(one, "float32")) for one in keras.tree.flatten(outputs)]


def _assert_close(found: Any, expected: Any, message: str) -> None:
    for one, other in zip(_flat(found), _flat(expected), strict=True):
        assert one.shape == other.shape, f"{message}: {one.shape} instead of {other.shape}."
        apart = float(np.abs(one - other).max(initial=0))
        assert np.allclose(one, other, RELATIVE, ABSOLUTE), f"{message} by {apart:g}."
