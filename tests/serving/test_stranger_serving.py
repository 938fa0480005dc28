"""What a stranger puts into a folder that is served: nothing is waited for, nothing unbounded."""

from __future__ import annotations

import os
import shutil
import struct
import threading

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from waiting import wait_for

from tfrec_fusion.serving.export.bundle import CONFIG, labels_of
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.warm_up import WARM_UP, read_warm_up
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.serving.local.versions import read_policy
from tfrec_fusion.serving.local.watcher import Models


@pytest.fixture
def folder(served_folder, tmp_path):
    """A model's folder in a folder of models."""
    return shutil.copytree(served_folder / "films", tmp_path / "models" / "films")


def in_time(call):
    """What a call returns or raises within a minute; it fails where it waits for ever."""
    done = []

    def run():
        try:
            done.append(call())
        except Exception as error:
            done.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits"
    return done[0]


@pytest.mark.parametrize("above", [False, True])
def test_a_pipe_for_a_config_is_told_and_the_model_served(above, folder):
    os.mkfifo((folder.parent if above else folder) / CONFIG)
    told = in_time(lambda: read_policy("films", folder))
    assert isinstance(told, ValueError)
    assert "must be a file. Received: a named pipe (FIFO)." in str(told)
    models = Models(folder.parent)
    in_time(models.refresh)
    assert models.find("films").versions == [1]
    in_time(models.close)


def test_a_pipe_that_comes_while_the_server_runs_stops_nothing(folder):
    with LocalServer(folder.parent, port=0, grpc_port=None, poll_seconds=0.05) as server:
        os.mkfifo(folder.parent / CONFIG)
        shutil.copytree(folder / "1", folder / "2.part")
        (folder / "2.part").rename(folder / "2")
        wait_for(lambda: server.models.find("films").versions == [2], "version 2", seconds=60)


def sockets(path):
    import socket

    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, sockets, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "folder", "socket", "device"],
)
@pytest.mark.parametrize("name", ["saved_model.pb", str(WARM_UP), "variables/variables.index"])
def test_what_is_no_file_is_not_served(make, name, folder, tmp_path, monkeypatch):
    path = folder / "1" / name
    path.unlink()
    monkeypatch.chdir(path.parent)  # a socket's path must be short
    make(type(path)(path.name))
    models = Models(folder.parent)
    in_time(models.refresh)
    if "films" in models.by_name and models.find("films").versions:
        assert make is os.mkdir  # of a folder there is nothing to wait for
    assert isinstance(in_time(lambda: verify_folder(folder)), (ValueError, OSError))


def test_a_config_that_is_too_large_or_no_text_is_told(folder):
    for content in (b"#" * 2**21, b"\xff", b"model_config_list {" * 10_000):
        (folder / CONFIG).write_bytes(content)
        for read in (lambda: read_policy("films", folder), lambda: labels_of(folder)):
            with pytest.raises(ValueError, match=r"models\.config"):
                read()


def test_a_record_that_says_it_is_endless_is_not_read(folder):
    path = folder / "1" / WARM_UP
    path.write_bytes(path.read_bytes() + struct.pack("<QI", 2**40, 0))
    with pytest.raises(ValueError, match=r"cannot be read \(it is cut short\)"):
        read_warm_up(folder / "1")
    models = Models(folder.parent)
    models.refresh()
    (status,) = models.find("films").statuses()
    assert (status.code, models.find("films").versions) == ("INVALID_ARGUMENT", [])
    assert "cannot be read (it is cut short)" in status.message


def test_a_tensor_of_a_few_bytes_is_not_made_large(folder):
    log = prediction_log_pb2.PredictionLog()
    tensor = log.predict_log.request.inputs["user_id"]
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.tensor_shape.dim.add(size=2**33)
    tensor.float_val.append(0.0)
    with tf.io.TFRecordWriter(str(folder / "1" / WARM_UP)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(ValueError, match="`user_id` of a warm-up record must have at most"):
        read_warm_up(folder / "1")
