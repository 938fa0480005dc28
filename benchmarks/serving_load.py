"""The local server under load: how much it answers, and that swapping versions fails nobody.

    python benchmarks/serving_load.py

exports a recommender of 1,000 users and 2,000 items, untrained (an answer costs the same), and
serves it by `tfrec-zoo serve` in one process, asks from this one, and prints, for REST and gRPC
each: the most answers a second (clients ask as fast as they are answered); then 60 s at 70 % of
that, at random times as of independent people, while two new versions are swapped in: how many
failed, the median and the 99th percentile of the time from when a request was due to its answer.
Last, the server's resident memory after 10,000 and after 100,000 requests. Writes
`benchmarks/results/serving_load.csv`. About ten minutes on two cores, both processes on the same.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
from quality import RESULTS

from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.serving.client import Client, Retries
from tfrec_fusion.serving.export.bundle import promote

USERS, ITEMS = 1000, 2000
ONCE = Retries(attempts=1)  # a request that fails counts as failed
MODEL = "load"
LONGEST = 60.0  # seconds that a swap may take

EXPORT = """
import sys
import keras, numpy as np, scipy.sparse as sp
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.served import ServedModels
folder, users, items, *versions = sys.argv[1], *map(int, sys.argv[2:])
index = keras.Input((), dtype="int32", name="user_id")
scores = keras.layers.Dense(items + 1)(keras.layers.Embedding(users + 1, 32)(index))
model = keras.Model({"user_id": index}, {"scores": scores})
for version in versions: export(ServedModels(model), folder,
    user_ids=["", *map(str, range(users))], item_ids=["", *map(str, range(items))],
    titles=["", *(f"Title {one}" for one in range(items))],
    known=sp.random(users + 1, items + 1, 0.05, "csr", random_state=0),
    popularity=np.arange(items + 1), version=version)
"""


@dataclass
class Answers:
    """What came of some requests.

    Attributes:
        seconds: From when a request was due to its answer.
        failures: What went wrong, by message.
    """

    seconds: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    def ask(self, client: Client, user: int, due: float) -> None:
        """Asks for one user."""
        try:
            client.predict({"user_id": [str(user)]})
        except Exception as error:  # whatever it is, it counts
            message = f"{type(error).__name__}: {error}"[:100]
            self.failures[message] = self.failures.get(message, 0) + 1
            return
        self.seconds.append(time.perf_counter() - due)

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return 1000 * float(np.percentile(self.seconds, share)) if self.seconds else float("nan")


def export_versions(folder: Path, *versions: int) -> None:
    """Exports in a process of its own: this one only asks."""
    command = [sys.executable, "-c", EXPORT, str(folder / MODEL), str(USERS), str(ITEMS)]
    subprocess.run([*command, *map(str, versions)], check=True)


@contextmanager
def served(folder: Path) -> Iterator[tuple[dict[str, str], int]]:
    """`tfrec-zoo serve` in a process of its own: its addresses, and the process's id."""
    command = [sys.executable, "-m", "tfrec_fusion.zoo", "serve", str(folder), "--json"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    try:
        yield {"REST": told["rest"], "gRPC": f"grpc://{told['grpc']}"}, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def closed_loop(address: str, clients: int, more: Callable[[int], bool]) -> tuple[Answers, float]:
    """Clients that ask again as soon as they are answered, while `more(asked so far)`."""
    answers, asked, lock = Answers(), [0], threading.Lock()

    def run(seed: int) -> None:
        draw = random.Random(seed)
        with Client(address, MODEL, timeout=30, retries=ONCE) as client:
            while True:
                with lock:
                    if not more(asked[0]):
                        return
                    asked[0] += 1
                answers.ask(client, draw.randrange(USERS), time.perf_counter())

    began = time.perf_counter()
    _together([threading.Thread(target=run, args=(seed,)) for seed in range(clients)])
    return answers, time.perf_counter() - began


def lasting(seconds: float) -> Callable[[int], bool]:
    """True until so many seconds have passed."""
    end = time.perf_counter() + seconds
    return lambda _: time.perf_counter() < end


def open_loop(address: str, clients: int, rate: float, seconds: float) -> Answers:
    """Requests at random times, so many a second on average; late ones are not left out."""
    draw, answers, lock = random.Random(0), Answers(), threading.Lock()
    due, times = time.perf_counter() + 0.5, []
    end = due + seconds
    while due < end:
        due += draw.expovariate(rate)
        times.append(due)
    coming = iter(times)

    def run() -> None:
        with Client(address, MODEL, timeout=30, retries=ONCE) as client:
            client.signatures()
            while True:
                with lock:
                    due = next(coming, None)
                    user = draw.randrange(USERS)
                if due is None:
                    return
                time.sleep(max(0.0, due - time.perf_counter()))
                answers.ask(client, user, due)

    _together([threading.Thread(target=run) for _ in range(clients)])
    return answers


def _together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def held_with_swaps(
    address: str, folder: Path, prepared: list[Path], clients: int, rate: float, seconds: float
) -> tuple[Answers, list[float]]:
    """Holds a rate while prepared versions are swapped in; their times in seconds."""
    swaps: list[float] = []

    def swap() -> None:
        swaps.extend(swap_versions(address, folder, prepared, seconds / 4))

    swapping = threading.Thread(target=swap)
    swapping.start()
    held = open_loop(address, clients, rate, seconds)
    swapping.join()
    return held, swaps


def swap_versions(address: str, folder: Path, prepared: list[Path], every: float) -> list[float]:
    """Moves prepared versions into the served folder and promotes them, as an export does.

    Returns:
        Seconds until each one answers alone.

    Raises:
        TimeoutError: When one does not within `LONGEST` seconds.
    """
    took = []
    with Client(address, MODEL, timeout=30) as client:
        for path in prepared:
            time.sleep(every)
            path.rename(folder / MODEL / path.name)
            promote(folder / MODEL)
            began = time.perf_counter()
            while answering(client) != [int(path.name)]:
                if time.perf_counter() - began > LONGEST:
                    raise TimeoutError(f"Version {path.name} is not served: {client.status()}.")
                time.sleep(0.2)
            took.append(time.perf_counter() - began)
    return took


def answering(client: Client) -> list[int]:
    """The versions that answer."""
    return [one.version for one in client.status() if one.state == "AVAILABLE"]


def resident_mib(pid: int) -> float:
    """The memory of a process that is in RAM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Of the held rate.")
@click.option("--peak-seconds", default=15.0, show_default=True, help="To find the maximum.")
@click.option("--share", default=0.7, show_default=True, help="Of the maximum to hold.")
@click.option("--requests", default=100_000, show_default=True, help="For the memory.")
@click.option("--clients", default=4, show_default=True, help="Threads that ask.")
@click.option("--csv/--no-csv", default=True, help="Write the results; not of a shortened run.")
def main(
    seconds: float, peak_seconds: float, share: float, requests: int, clients: int, csv: bool
) -> None:
    """Measures, prints the table and writes the CSV."""
    with tempfile.TemporaryDirectory() as name:
        folder, beside = Path(name, "served"), Path(name, "prepared")
        export_versions(folder, 1)
        export_versions(beside, 2, 3, 4, 5)
        prepared = [beside / MODEL / str(version) for version in (2, 3, 4, 5)]
        with served(folder) as (addresses, _):
            rows = []
            for number, (front, address) in enumerate(addresses.items()):
                two = prepared[2 * number : 2 * number + 2]
                closed_loop(address, clients, lasting(3.0))
                peak, took = closed_loop(address, clients, lasting(peak_seconds))
                rate = share * len(peak.seconds) / took
                held, swaps = held_with_swaps(address, folder, two, 4 * clients, rate, seconds)
                failures = peak.failures | held.failures
                for message, count in failures.items():
                    click.echo(f"{front}: {count} times {message}", err=True)
                metrics = {
                    "maximum/s": rate / share,
                    "held/s": len(held.seconds) / seconds,
                    "answered": len(held.seconds),
                    "failed": sum(failures.values()),
                    "swaps": len(swaps),
                    "swap s": max(swaps, default=float("nan")),
                    "p50 ms": held.percentile(50),
                    "p99 ms": held.percentile(99),
                }
                rows.append(ReportRow(front, metrics, {}))
        with served(folder) as (addresses, pid):  # a fresh one: what came before does not count
            memory = memory_rows(addresses["REST"], pid, requests, clients)
    print_table(rows, tuple(rows[0].metrics), title=f"{share:.0%} of the maximum, {seconds:g} s")
    print_table(memory, tuple(memory[0].metrics), title="Resident memory of the server")
    if csv:
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / "serving_load.csv", rows)
        write_csv(RESULTS / "serving_memory.csv", memory)


def memory_rows(address: str, pid: int, requests: int, clients: int) -> list[ReportRow]:
    """The server's memory after a tenth of the requests and after all of them."""
    rows: list[ReportRow] = []
    for name, number in (
        (f"after {requests // 10:,} requests", requests // 10),
        (f"after {requests:,} requests", requests - requests // 10),
    ):
        closed_loop(address, clients, lambda asked, most=number: asked < most)  # type: ignore[misc]
        resident = resident_mib(pid)
        first = rows[0].metrics["resident MiB"] if rows else resident
        metrics = {"resident MiB": resident, "ratio": resident / first}
        rows.append(ReportRow(name, metrics, {}))
    return rows


if __name__ == "__main__":
    main()
