"""What importing the package does before Keras and TensorFlow are there."""

import json
import os
import subprocess
import sys

import pytest
from checkout import ROOT

STARTED = "import tensorflow as tf\nprint(tf.reduce_sum(tf.eye(3)).numpy())"


def python(*arguments, **variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TF_CPP", "KERAS"))}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean, **variables},
    )


@pytest.fixture
def keras_json(tmp_path):
    """A folder for KERAS_HOME whose file chooses torch."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    return str(tmp_path)


ASK = ("-m", "tfrec_fusion.zoo", "recommend", "ease.ml_latest_small", "--user-id", "1")


def test_another_backend_is_one_message_for_a_command(keras_json):
    for variables, received in (
        ({"KERAS_BACKEND": "jax"}, "'jax', chosen by the environment variable KERAS_BACKEND"),
        ({"KERAS_HOME": keras_json}, f"'torch', chosen by {keras_json}/keras.json"),
    ):
        done = python(*ASK, **variables)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr == (
            "Error: tfrec_fusion needs the TensorFlow backend of Keras. "
            f"Received: {received}. Set the environment variable KERAS_BACKEND=tensorflow before "
            "Python starts, such as `KERAS_BACKEND=tensorflow python …`.\n"
        )


def test_another_backend_is_refused_in_python_before_keras_is_imported():
    code = "import sys\nfrom tfrec_fusion import zoo\n"
    code += "try:\n    zoo.build('gmf', num_users=3, num_items=3)\n"
    code += "except ImportError as error:\n    print(error, 'keras' in sys.modules)"
    done = python("-c", code, KERAS_BACKEND="jax")
    assert "Received: 'jax'" in done.stdout and done.stdout.endswith("False\n"), done.stderr


def test_the_variable_counts_more_than_the_file(keras_json):
    code = "import tfrec_fusion; from tfrec_fusion.startup import check_backend; check_backend()"
    assert python("-c", code, KERAS_HOME=keras_json).returncode == 1
    done = python("-c", code, KERAS_HOME=keras_json, KERAS_BACKEND="tensorflow")
    assert done.returncode == 0, done.stderr


SERVED = """
from pathlib import Path
from tfrec_fusion.serving.local.servable import Servable
print(*Servable("tower", 1, Path("savedmodels/two_tower.ml_latest_small/1")).signatures)
"""


@pytest.mark.parametrize(
    ("code", "printed"),
    [(f"from tfrec_fusion import zoo\n{STARTED}", "3.0\n"), (SERVED, "recommend_from_history")],
    ids=["start", "serve"],
)
def test_tensorflow_is_silent_after_the_import(code, printed):
    done = python("-c", code)
    assert printed in done.stdout and done.stderr == ""


def test_a_users_own_log_level_stays():
    code = "import tfrec_fusion, os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    assert python("-c", code, TF_CPP_MIN_LOG_LEVEL="0").stdout == "0\n"
    assert python("-c", code).stdout == "3\n"


@pytest.mark.parametrize("first", ["tensorflow", "keras"])
def test_saved_classes_are_known_whichever_library_comes_first(first):
    # TensorFlow looks for Keras without importing it.
    code = f"import tfrec_fusion, {first}, keras; print(*keras.saving.get_custom_objects())"
    done = python("-c", code)
    assert "tfrec_fusion>NCF" in done.stdout.split(), done.stderr
