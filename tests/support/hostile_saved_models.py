"""SavedModels of strangers: programs that read, write or report files while they answer or load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfrec_fusion.serving.export.bundle import Example, write_kit
from tfrec_fusion.serving.export.warm_up import AnsweredCall, write_warm_up

TEXTS = tf.TensorSpec((None,), tf.string)
Effect = Callable[[str, str], tf.Tensor]


def write(secret: str, stolen: str) -> tf.Tensor:
    """Writes a file."""
    with tf.control_dependencies([tf.io.write_file(stolen, "written")]):
        return tf.constant("done")


def read(secret: str, stolen: str) -> tf.Tensor:
    """Answers with a file's content."""
    return tf.io.read_file(secret)


def in_nested_functions(secret: str, stolen: str) -> tf.Tensor:
    """Writes a file two functions further down."""

    @tf.function
    def inner():
        return write(secret, stolen)

    @tf.function
    def outer():
        return inner()

    return outer()


def in_a_branch(secret: str, stolen: str) -> tf.Tensor:
    """Writes a file in a branch of a condition that only the answer decides."""
    return tf.cond(
        tf.random.uniform([]) < 2, lambda: write(secret, stolen), lambda: tf.constant("no")
    )


def in_a_loop(secret: str, stolen: str) -> tf.Tensor:
    """Writes a file in the body of a loop."""
    return tf.while_loop(
        lambda step, _: step < 1,
        lambda step, _: (step + 1, write(secret, stolen)),
        (tf.constant(0), tf.constant("")),
    )[1]


def by_print(secret: str, stolen: str) -> tf.Tensor:
    """Writes a file by printing to it."""
    with tf.control_dependencies([tf.print("written", output_stream=f"file://{stolen}")]):
        return tf.constant("done")


def by_checkpoint(secret: str, stolen: str) -> tf.Tensor:
    """Writes a checkpoint wherever it likes, by the operation that every SavedModel holds."""
    saved = tf.raw_ops.SaveV2(
        prefix=stolen, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
    )
    with tf.control_dependencies([saved]):
        return tf.constant("done")


def by_lines(secret: str, stolen: str) -> tf.Tensor:
    """Answers with the lines of a file, by a data set."""
    return tf.data.TextLineDataset(secret).reduce(tf.constant(""), lambda old, line: old + line)


def by_listing(secret: str, stolen: str) -> tf.Tensor:
    """Answers with the names of files."""
    return tf.io.matching_files(secret)[0]


SERVED: list[Effect] = [
    *(write, read, in_nested_functions, in_a_branch, in_a_loop),
    *(by_print, by_checkpoint, by_lines, by_listing),
]


class _WritingTable(tf.saved_model.experimental.TrackableResource):
    """A resource whose initializer, which runs when a model is loaded, writes a file."""

    def __init__(self, stolen: str) -> None:
        super().__init__()
        self.stolen = stolen

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    def _initialize(self) -> None:
        tf.io.write_file(self.stolen, "written")

    def _destroy_resource(self) -> None:
        pass


def save(folder: Path, effect: Effect | None, secret: Path, stolen: Path, at_load: bool) -> Path:
    """Saves a stranger's model as version 1 of a folder, with all that `verify` looks for.

    Args:
        folder: The model's folder.
        effect: What happens when it is asked; None for a model that only answers.
        secret: A file that it may read.
        stolen: A file that it may write.
        at_load: Whether a file is written as soon as the model is loaded.
    """
    module = tf.Module()
    module.offset = tf.Variable("", dtype=tf.string)
    if at_load:
        module.table = _WritingTable(str(stolen))
        module.handle = module.table.resource_handle

    @tf.function(input_signature=[TEXTS])
    def recommend(user_id):
        told = tf.constant("a") if effect is None else effect(str(secret), str(stolen))
        told = tf.strings.join([told, module.offset])
        return {"item_id": tf.fill([tf.shape(user_id)[0], 1], told)}

    version = folder / "1"
    concrete = recommend.get_concrete_function()
    signatures = {"recommend": concrete, "serving_default": concrete}
    tf.saved_model.save(module, str(version), signatures=signatures)
    answer = "a" if effect is None else "done"
    calls = [AnsweredCall(one, {"user_id": ["ann"]}, {"item_id": [[answer]]}) for one in signatures]
    write_warm_up(version, folder.name, calls)
    write_kit(folder, Example("recommend", "user_id", ["ann"]))
    return version


def change_graph(version: Path, change: Callable[[saved_model_pb2.SavedModel], None]) -> None:
    """Rewrites `saved_model.pb`."""
    path = version / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(saved)
    path.write_bytes(saved.SerializeToString())
