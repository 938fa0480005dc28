"""Loads a SavedModel in a process that has only TensorFlow, and asks it questions.

The file is both a module (`recommend_in_clean_process`) and the script that the clean process
runs; as a script it imports nothing but the standard library, NumPy and TensorFlow, and makes
any import of this project or of Keras fail:

    python -I reload.py SAVED_MODEL/1 196 22          # recommendations as JSON
    python -I reload.py SAVED_MODEL/1 < calls.json    # any calls, see `call_in_clean_process`
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_OPS = {"tensorflow_text": "python/ops/*.so", "scann": "scann_ops/cc/_scann_ops.so"}
FORBIDDEN = ("tfrec_fusion", "keras", "tf_keras", "keras_hub", "keras_rs")


def call_in_clean_process(
    version_dir: str | Path, calls: list[dict[str, Any]], timeout: float = 600.0
) -> list[dict[str, Any]]:
    """Calls signatures of a SavedModel in a fresh Python process that has only TensorFlow.

    Args:
        version_dir: The folder that holds `saved_model.pb`.
        calls: Each `{"signature": name, "inputs": {input name: nested lists}}`.
        timeout: Seconds until the process is given up.

    Returns:
        One `{output name: nested lists}` a call, strings decoded. An empty batch is an empty
        list.

    Raises:
        FileNotFoundError: When `version_dir` holds no SavedModel.
        RuntimeError: When the process fails; the message ends with its last lines of output.

    Example:
    >>> call_in_clean_process("savedmodels/ease/1", [{
    ...     "signature": "recommend",
    ...     "inputs": {"user_id": ["196"]},
    ... }])  # doctest: +SKIP
    [{'item_id': [['181', ...]], 'title': [[...]], 'score': [[...]], 'source': [['model', ...]]}]
    """
    folder = Path(version_dir)
    if not (folder / "saved_model.pb").is_file():
        from tfrec_fusion.errors import NotFound  # the clean process has no such package

        raise NotFound(
            f"{folder} holds no saved_model.pb. Give the version folder of an export, such as "
            "savedmodels/NAME/1."
        )
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-I", str(Path(__file__).resolve()), str(folder.resolve())],
        input=json.dumps(calls),
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **quiet},
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise RuntimeError(
            f"{folder} could not be used by a process that has only TensorFlow "
            f"(exit code {done.returncode}). Its last lines:\n{last}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def recommend_in_clean_process(
    version_dir: str | Path, user_ids: list[str]
) -> list[dict[str, Any]]:
    """Recommendations from a fresh process that has only TensorFlow.

    Args:
        version_dir: The folder that holds `saved_model.pb`.
        user_ids: Users to answer; an unseen one is answered with popular items.

    Returns:
        One `{"user_id": …, "items": [{"item_id": …, "title": …, "score": …, "source": …}, …]}` a
        user, best first; cells without an answer are left out.

    Raises:
        FileNotFoundError: When `version_dir` holds no SavedModel.
        RuntimeError: When the process fails.
    """
    inputs = {"user_id": list(user_ids)}
    answer = call_in_clean_process(version_dir, [{"signature": "recommend", "inputs": inputs}])[0]
    return _by_user(list(user_ids), answer)


def _by_user(user_ids: list[str], answer: dict[str, Any]) -> list[dict[str, Any]]:
    columns = (answer[name] for name in ("item_id", "title", "score", "source"))
    rows = zip(*columns, strict=True)
    return [
        {
            "user_id": user_id,
            "items": [
                {"item_id": item, "title": title, "score": score, "source": source}
                for item, title, score, source in zip(*row, strict=True)
                if item
            ],
        }
        for user_id, row in zip(user_ids, rows, strict=True)
    ]


def _call(signature: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Runs one signature on nested lists; the lists' types and ranks come from the signature."""
    import numpy as np
    import tensorflow as tf

    specs = signature.structured_input_signature[1]
    tensors = {}
    for name, spec in specs.items():
        array = np.array(inputs[name], dtype=object if spec.dtype == tf.string else None)
        if array.size == 0:
            array = array.reshape((array.shape + (0,) * spec.shape.rank)[: spec.shape.rank])
        tensors[name] = tf.constant(array, spec.dtype)
    outputs = {}
    for name, tensor in signature(**tensors).items():
        values = tensor.numpy()
        if tensor.dtype == tf.string:
            values = np.vectorize(lambda one: one.decode("utf-8"), otypes=[object])(values)
        outputs[name] = values.tolist()
    return outputs


def load_server_ops(tf: Any) -> None:
    """Loads the operations of TensorFlow Text and, where it is installed, of ScaNN.

    They are loaded as a server links them: the Python part of TensorFlow Text needs Keras.

    Args:
        tf: The module `tensorflow`.
    """
    for package, libraries in _OPS.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for library in sorted(Path(folder).glob(libraries)):
                tf.load_op_library(str(library))


def main(arguments: list[str] | None = None) -> None:
    """The script: answers the users given as arguments, else the calls on standard input."""
    parser = argparse.ArgumentParser(description="Ask a SavedModel, with TensorFlow alone.")
    parser.add_argument("version_dir", help="folder that holds saved_model.pb")
    parser.add_argument("user_ids", nargs="*", help="users to answer; none reads calls from stdin")
    options = parser.parse_args(arguments)

    import tensorflow as tf

    load_server_ops(tf)
    model = tf.saved_model.load(options.version_dir)
    if options.user_ids:
        answer = _call(model.signatures["recommend"], {"user_id": options.user_ids})
        answers = _by_user(options.user_ids, answer)
    else:
        calls = json.load(sys.stdin)
        answers = [_call(model.signatures[one["signature"]], one["inputs"]) for one in calls]
    print(json.dumps(answers))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.modules.update(dict.fromkeys(FORBIDDEN))  # type: ignore[arg-type]
    main()
