"""What requests cost a process that has only TensorFlow: memory at most, memory for good, seconds.

As a script it imports nothing of this project and reads calls from standard input:

    python -I tests/support/request_cost.py VERSION_DIR MAX_MIB < calls.json
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

FORBIDDEN = ("tfrec_fusion", "zoo", "keras", "tf_keras", "keras_hub", "keras_rs")


def costs(version_dir: Path, calls: list[dict], max_mib: int = 2500) -> list[dict]:
    """Asks a SavedModel in a process of its own, which ends itself above `max_mib`.

    Args:
        version_dir: The folder that holds `saved_model.pb`.
        calls: Each `{"signature": name, "inputs": {name: [shape, values]}}`; values are repeated
            until they fill the shape.
        max_mib: The most memory.

    Returns:
        For each call `peak` and `kept`, MiB more than before it, `seconds`, and `error`.
    """
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-I", __file__, str(version_dir), str(max_mib)],
        input=json.dumps(calls),
        capture_output=True,
        encoding="utf-8",
        env=quiet,
        timeout=600,
    )
    assert not done.returncode, done.stdout + done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def status(name: str) -> float:
    """MiB of a line of this process's status, such as VmRSS."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def end_above(max_mib: float) -> None:
    while True:
        if status("VmRSS") > max_mib:
            print(f"The process grew above {max_mib} MiB.", flush=True)
            os._exit(9)
        time.sleep(0.02)


def main() -> None:
    import numpy as np
    import tensorflow as tf

    spec = importlib.util.find_spec("tensorflow_text")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in sorted(Path(folder).glob("python/ops/*.so")):
            tf.load_op_library(str(library))
    model = tf.saved_model.load(sys.argv[1])
    threading.Thread(target=end_above, args=[float(sys.argv[2])], daemon=True).start()
    for call in json.load(sys.stdin):
        signature = model.signatures[call["signature"]]
        small, large = {}, {}
        for name, (shape, values) in call["inputs"].items():
            small[name] = tf.fill([1] * len(shape), values[0])
            large[name] = tf.constant(np.resize(np.array(values, object), shape))
        signature(**small)  # the first call prepares
        before, error = status("VmRSS"), ""
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # VmHWM starts anew
        start = time.perf_counter()
        try:
            signature(**large)
        except tf.errors.OpError as failure:
            error = f"{type(failure).__name__}: {failure}"
        cost = {"seconds": time.perf_counter() - start, "error": error}
        cost |= {"peak": status("VmHWM") - before, "kept": status("VmRSS") - before}
        print(json.dumps(cost), flush=True)


if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(FORBIDDEN))  # type: ignore[arg-type]
    main()
