"""A stranger's SavedModel that would do more than compute is neither served nor verified."""

from __future__ import annotations

import os
import re
import shutil

import command_line
import hostile_saved_models as hostile
import numpy as np
import pytest
import tensorflow as tf
from checkout import ROOT
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from tfrec_fusion.serving.export.effects import UnsafeModel, computing_ops, effects_of
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.reload import load_server_ops
from tfrec_fusion.serving.export.warm_up import AnsweredCall, write_warm_up
from tfrec_fusion.serving.local.model import Model
from tfrec_fusion.serving.local.servable import Servable
from tfrec_fusion.serving.local.server import LocalServer

SAVED_MODELS = ROOT / "savedmodels"
SIGNATURES = ("recommend", "serving_default")
ASK = {"user_id": np.array([b"ann"], object)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "secret").write_text("the secret\n")
    return folder


@pytest.fixture(scope="module")
def harmless(files):
    return hostile.save(files / "harmless", None, files / "secret", files / "stolen", False)


@pytest.fixture(scope="module")
def writer(files):
    return hostile.save(files / "writer", hostile.write, files / "secret", files / "stolen", True)


@pytest.fixture
def copied(harmless, tmp_path):
    return shutil.copytree(harmless.parent, tmp_path / "harmless") / "1"


def stolen(files):
    return [path for path in files.iterdir() if path.name.startswith("stolen")]


@pytest.mark.parametrize(
    ("effect", "op"),
    list(
        zip(
            hostile.SERVED,
            [
                *("WriteFile", "ReadFile", "WriteFile", "WriteFile", "WriteFile"),
                *("PrintV2", "SaveV2", "TextLineDataset", "MatchingFiles"),
            ],
            strict=True,
        )
    ),
    ids=[one.__name__ for one in hostile.SERVED],
)
def test_a_model_that_touches_files_when_asked_is_not_loaded(effect, op, files, tmp_path):
    version = hostile.save(tmp_path / "m", effect, files / "secret", files / "stolen", False)
    with pytest.raises(UnsafeModel, match=rf"compute\. Received: .*{op} in .*--allow-unsafe-ops"):
        Servable("m", 1, version)
    with pytest.raises(UnsafeModel, match=rf"{op} in "):
        verify_folder(tmp_path / "m")
    assert stolen(files) == []


def test_a_model_that_writes_when_it_is_loaded_is_not_loaded(writer, files):
    with pytest.raises(UnsafeModel, match=r"WriteFile in __inference__initializer"):
        Servable("writer", 1, writer)
    model = Model("writer", writer.parent)
    model.refresh()
    (status,) = model.statuses()
    assert (model.versions, status.code) == ([], "INVALID_ARGUMENT")
    assert "WriteFile in __inference__initializer" in status.message
    assert stolen(files) == []


def test_the_commands_refuse_it_in_one_line_and_run_it_when_told(writer, files):
    refused = command_line.run("verify", writer.parent, code=2).stderr
    assert refused.count("\n") == 1 and "WriteFile in __inference" in refused
    free = ("--port", 0, "--no-grpc")
    refused = command_line.run("serve", writer.parent, *free, code=2).stderr
    assert refused.count("\n") == 1 and "--allow-unsafe-ops" in refused
    assert stolen(files) == []
    with LocalServer(writer.parent, port=0, grpc_port=None, allow_unsafe_ops=True) as server:
        assert server.models.find("writer").versions == [1]
    (written,) = stolen(files)  # so it is a program
    written.unlink()


@pytest.mark.slow
def test_verify_names_what_it_was_allowed_to_run(writer, files):
    ask = {"user_id": ["ann"]}
    calls = [AnsweredCall(one, ask, {"item_id": [["done"]]}) for one in SIGNATURES]
    write_warm_up(writer, "writer", calls)
    (found,) = verify_folder(writer.parent, allow_unsafe_ops=True)
    assert {line.partition(" in ")[0] for line in found.effects} == {"WriteFile"}
    told = command_line.run("verify", writer.parent, "--allow-unsafe-ops").stdout
    assert "1 does more than compute: WriteFile in __inference_" in told
    (written,) = stolen(files)
    written.unlink()


def test_a_harmless_model_of_somebody_else_is_served(harmless):
    assert effects_of(harmless) == []
    answer = Servable("harmless", 1, harmless).predict("recommend", ASK)
    assert answer["item_id"].tolist() == [[b"a"]]


@pytest.mark.parametrize("name", sorted(one.name for one in SAVED_MODELS.iterdir() if one.is_dir()))
def test_the_exports_of_the_repository_only_compute(name):
    assert effects_of(SAVED_MODELS / name / "1") == []


# A stranger's graph, changed by hand where TensorFlow's Python would not write such a thing.

DENIED = [
    "AnonymousIterator",
    "BatchFunction",
    "CSVDatasetV2",
    "CollectiveReduceV2",
    "CopyHost",
    "CreateSummaryFileWriter",
    "DataServiceDatasetV4",
    "DatasetToTFRecord",
    "DebugIdentity",
    "DebugIdentityV2",
    "DecodeProtoV2",
    "DumpTensor",
    "EagerPyFunc",
    "EncodeProto",
    "FileSystemSetConfiguration",
    "FixedLengthRecordDataset",
    "FixedUnigramCandidateSampler",
    "GenerateVocabRemapping",
    "ImmutableConst",
    "LMDBDataset",
    "LoadAndRemapMatrix",
    "MergeV2Checkpoints",
    "MlirPassthroughOp",
    "PyFunc",
    "PyFuncStateless",
    "QueueDequeueV2",
    "ReaderReadV2",
    "RecordInput",
    "RemoteCall",
    "Restore",
    "RestoreV2",
    "RpcClient",
    "Save",
    "SaveDataset",
    "SaveV2",
    "Send",
    "SnapshotDatasetV2",
    "SqlDataset",
    "TFRecordDataset",
    "WholeFileReaderV2",
    "WriteSummary",
    "XlaCallModule",
    "Abort",
    "SomeOpOfNextYear",
    "TFText>ReadsAFile",
    "Scann>WritesAFile",
]


def add(version, op, place="__inference_recommend"):
    def change(saved):
        (graph,) = saved.meta_graphs
        nodes = graph.graph_def.node
        if place:
            library = graph.graph_def.library.function
            (nodes,) = (one.node_def for one in library if one.signature.name.startswith(place))
        nodes.add(name="added", op=op)

    hostile.change_graph(version, change)


@pytest.mark.parametrize("op", DENIED)
def test_an_operation_that_may_leave_the_process_is_named(op, copied):
    add(copied, op)
    (found,) = effects_of(copied)
    assert found.startswith(f"{op} in __inference_recommend")


def test_an_operation_outside_of_functions_is_named(copied):
    add(copied, "ReadFile", place="")
    assert effects_of(copied) == ["ReadFile in the graph"]


def nodes_of_saver(graph):
    return {one.op: one for f in graph.graph_def.library.function for one in f.node_def}


def saver_of(graph, kind):
    (found,) = (f for f in graph.graph_def.library.function if f"traced_{kind}" in f.signature.name)
    return found


def restores_a_path_of_its_own(graph):
    restore = saver_of(graph, "restore")
    restore.node_def.add(name="path", op="Const")
    (node,) = (one for one in restore.node_def if one.op == "RestoreV2")
    node.input[0] = "path:output:0"


def restore_is_called_by_a_signature(graph):
    recommend = next(f for f in graph.graph_def.library.function if "recommend" in f.signature.name)
    call = recommend.node_def.add(name="added", op="StatefulPartitionedCall")
    call.attr["f"].func.name = saver_of(graph, "restore").signature.name


def restore_is_run_before_anything(graph):
    graph.collection_def["saved_model_main_op"].node_list.value[:] = [
        graph.saver_def.restore_op_name
    ]


def restore_is_given_a_path(graph):
    graph.graph_def.node.add(name="path", op="Const")
    (node,) = (one for one in graph.graph_def.node if one.name == graph.saver_def.restore_op_name)
    node.input[0] = "path"


def restore_may_stand_for_another_function(graph):
    saver_of(graph, "restore").attr["api_implements"].s = b"recommend"


def restore_calls_another_one(graph):
    restore = saver_of(graph, "restore")
    other = graph.graph_def.library.function.add()
    other.CopyFrom(restore)
    other.signature.name = "other"
    restore.node_def.add(name="added", op="other")


@pytest.mark.parametrize(
    "change",
    [
        restores_a_path_of_its_own,
        restore_is_called_by_a_signature,
        restore_is_run_before_anything,
        restore_is_given_a_path,
        restore_may_stand_for_another_function,
        restore_calls_another_one,
    ],
    ids=lambda one: one.__name__,
)
def test_a_saver_that_is_more_than_a_saver_is_named(change, copied):
    hostile.change_graph(copied, lambda saved: change(saved.meta_graphs[0]))
    assert any(line.startswith("RestoreV2 in ") for line in effects_of(copied))


def test_a_function_named_like_an_operation_is_named(copied):
    def change(saved):
        saved.meta_graphs[0].graph_def.library.function.add().signature.name = "ReadFile"

    hostile.change_graph(copied, change)
    add(copied, "ReadFile")
    assert effects_of(copied) == ["a function named like the operation ReadFile"]


@pytest.fixture(scope="module")
def with_words(files):
    """A model that reads a vocabulary of its own."""
    (files / "words.txt").write_text("brazil\nalien\n")
    module = tf.Module()
    key, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    words = tf.lookup.TextFileInitializer(
        str(files / "words.txt"), tf.string, key, tf.int64, number
    )
    module.words = tf.lookup.StaticHashTable(words, -1)

    @tf.function(input_signature=[hostile.TEXTS])
    def place(word):
        return {"place": module.words.lookup(word)}

    tf.saved_model.save(module, str(files / "words" / "1"), signatures=place)
    return files / "words" / "1"


def test_a_vocabulary_among_the_assets_is_fine(with_words):
    assert effects_of(with_words) == []
    servable = Servable("words", 1, with_words)
    answer = servable.predict("serving_default", {"word": np.array([b"alien"], object)})
    assert answer["place"].tolist() == [1]


def path_from_the_graph(graph):
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "InitializeTableFromTextFileV2":
                node.input[1] = "path:output:0"
                function.node_def.add(name="path", op="Const")
                return


def path_from_another_constant(graph):
    graph.graph_def.node.add(name="path", op="Const")
    for node in graph.graph_def.node:
        if "initializer" in node.attr["f"].func.name:
            node.input[0] = "path"


def path_from_a_constant_of_the_objects(graph):
    for node in graph.object_graph_def.nodes:
        if node.WhichOneof("kind") == "asset":
            node.constant.operation = "path"


def path_written_later(graph):
    graph.graph_def.node.add(name="path", op="Const")
    (handle,) = (one.name for one in graph.graph_def.node if one.op == "VarHandleOp")
    graph.graph_def.node.add(name="later", op="AssignVariableOp", input=[handle, "path"])


@pytest.mark.parametrize(
    "change",
    [
        path_from_the_graph,
        path_from_another_constant,
        path_from_a_constant_of_the_objects,
        path_written_later,
    ],
    ids=lambda one: one.__name__,
)
def test_a_vocabulary_from_elsewhere_is_named(change, with_words, tmp_path):
    version = shutil.copytree(with_words, tmp_path / "1")
    hostile.change_graph(version, lambda saved: change(saved.meta_graphs[0]))
    (found,) = effects_of(version)
    assert found.startswith("InitializeTableFromTextFileV2 in ")


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd"])
def test_an_asset_outside_of_its_folder_is_named(name, with_words, tmp_path):
    version = shutil.copytree(with_words, tmp_path / "1")

    def change(saved):
        saved.meta_graphs[0].asset_file_def[0].filename = name

    hostile.change_graph(version, change)
    assert effects_of(version) == [f"the asset {name!r}, outside of assets/"]


def test_a_link_out_of_the_folder_is_named(with_words, files, tmp_path):
    version = shutil.copytree(with_words, tmp_path / "1")
    (version / "assets" / "words.txt").unlink()
    (version / "assets" / "words.txt").symlink_to(files / "secret")
    (found,) = effects_of(version)
    assert found == f"assets/words.txt, a link to {(files / 'secret').resolve()}"
    (tmp_path / "link").symlink_to(with_words)  # the folder itself may be one
    assert effects_of(tmp_path / "link") == []


def test_what_is_no_file_is_named(copied):
    os.mkfifo(copied / "assets.extra" / "pipe")
    (copied / "assets" / "round").symlink_to("round")
    (copied / "saved_model.pbtxt").touch()
    second, pipe, link = effects_of(copied)
    assert second == "a second graph, saved_model.pbtxt"
    assert "assets.extra/pipe, which is no readable file" in pipe + link
    assert "assets/round, which is no readable file" in pipe + link


def test_the_operations_that_compute_are_those_that_tensorflow_says_have_no_state():
    load_server_ops(tf)
    known = op_def_pb2.OpList.FromString(
        pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    )
    ops = {one.name: one for one in known.op}
    folder = ROOT / "tfrec_fusion" / "serving" / "export"
    pure = (folder / "pure_ops.txt").read_text().split()
    stateful = (folder / "stateful_ops.txt").read_text().split()
    assert len(pure) > 700 and computing_ops() == {*pure, *stateful}
    for name in pure:
        if name in ops:
            assert not ops[name].is_stateful
    strange = re.compile(r"(.*_)?(file|filename|path|urls?|directory|address|source|region)(_.*)?")
    for name in (*pure, *stateful):
        if name in ops:
            words = [one.name for one in (*ops[name].input_arg, *ops[name].attr)]
            assert not [one for one in words if strange.fullmatch(one)], name
            assert "token" not in words  # of a function in Python
