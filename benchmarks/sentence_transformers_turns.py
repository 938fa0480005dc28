"""Encodes texts with sentence-transformers whenever asked, in a Python that has it.

    python benchmarks/sentence_transformers_turns.py MODEL_FOLDER LENGTH THREADS

reads one JSON list of texts from the first line of standard input, then encodes them once for each
further line and answers with the seconds it took. `encoding_speed.py` runs it; it needs no more
than sentence-transformers and PyTorch:

    pip install torch sentence-transformers
"""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Answers line by line until standard input ends."""
    import torch
    from sentence_transformers import SentenceTransformer

    folder, length, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = SentenceTransformer(folder, device="cpu")
    model.max_seq_length = int(length)
    texts = json.loads(sys.stdin.readline())
    for _ in sys.stdin:
        started = time.perf_counter()
        model.encode(texts, show_progress_bar=False)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
