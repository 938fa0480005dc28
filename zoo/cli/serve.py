"""The command that serves exported models on this machine."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.cli.printing import print_json, tell
from tfrec_fusion.zoo.cli.sections import WordedOption
from tfrec_fusion.zoo.cli.shared_options import folder_argument, shared

try:
    import resource
except ModuleNotFoundError:  # Windows counts otherwise
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from tfrec_fusion.serving.local.server import LocalServer


@click.command()
@folder_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Another name that clients reach it by, such as models.example.com or *.example.com; "
    "may be repeated.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8501,
    show_default=True,
    help="Port of REST and of the page; 0 takes a free one.",
)
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    default=8500,
    show_default=True,
    help="Port of gRPC; 0 takes a free one.",
)
@click.option("--no-grpc", is_flag=True, help="Serve REST alone.")
@click.option("--max-batch", default=256, show_default=True, help="Most rows of a request.")
@click.option("--max-values", default=2**20, show_default=True, help="Most values of a request.")
@click.option("--max-body-mib", default=16.0, show_default=True, help="Most MiB of a request.")
@click.option("--max-waiting", default=256, show_default=True, help="Most requests that wait.")
@click.option(
    "--workers",
    cls=WordedOption,
    type=click.IntRange(1),
    show_default="one for each core",
    help="Threads.",
)
@click.option(
    "--answer-seconds", default=30.0, show_default=True, help="Most seconds of an answer."
)
@click.option(
    "--drain-seconds",
    default=30.0,
    show_default=True,
    help="Seconds to finish requests at the end.",
)
@click.option(
    "--poll-seconds", default=1.0, show_default=True, help="Seconds between looks for new versions."
)
@click.option(
    "--wait", is_flag=True, help="Start without a model, and serve what is exported later."
)
@shared("allow_unsafe_ops")
@shared("as_json", help="Print one JSON object as soon as it listens.")
def serve(
    folder: Path,
    host: str,
    allow_host: tuple[str, ...],
    port: int,
    grpc_port: int,
    no_grpc: bool,
    max_batch: int,
    max_values: int,
    max_body_mib: float,
    max_waiting: int,
    workers: int | None,
    answer_seconds: float,
    drain_seconds: float,
    poll_seconds: float,
    wait: bool,
    allow_unsafe_ops: bool,
    as_json: bool,
) -> None:
    """Serve the models exported to FOLDER as TensorFlow Serving does, with a page to try them.

    FOLDER is one model's, or a folder of models. New versions take over as they are exported.
    """
    try:
        from tfrec_fusion.serving.local.limits import Limits
        from tfrec_fusion.serving.local.server import LocalServer
    except ModuleNotFoundError as error:
        raise click.UsageError(
            f"Serving needs {error.name}: pip install 'tfrec-fusion[serving]'."
        ) from error
    limits = Limits(
        max_batch=max_batch,
        max_values=max_values,
        max_body_bytes=int(max_body_mib * 2**20),
        max_waiting=max_waiting,
        answer_seconds=answer_seconds,
        drain_seconds=drain_seconds,
        **({} if workers is None else {"workers": workers}),
    )
    server = LocalServer(
        folder,
        host=host,
        port=port,
        grpc_port=None if no_grpc else grpc_port,
        limits=limits,
        poll_seconds=poll_seconds,
        allow_hosts=allow_host,
        allow_unsafe_ops=allow_unsafe_ops,
    )
    stop = threading.Event()
    before = {
        one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGINT, signal.SIGTERM)
    }
    _keep_answers_quick()
    _allow_many_files()
    _give_memory_back()
    try:
        server.start()
        _check_models(server, folder, wait)
        _announce(server, as_json)
        while not stop.wait(1.0):
            pass
        tell("Stopping: requests in flight are answered first.")
    finally:
        server.stop()
        for one, handler in before.items():
            signal.signal(one, handler)


def _keep_answers_quick() -> None:
    """Keeps answers quick while a version is loaded in the same process, which is ours alone.

    Loading a graph is much Python: a thread that wants to answer would wait 5 ms for each turn,
    and the collection after a swap would look through all that TensorFlow's import made.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()


def _allow_many_files() -> None:
    """Lets the process open as many files as it may: a connection is one, or three over gRPC."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):  # no limit, where the system has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _give_memory_back() -> None:
    """Lets what large requests took go back to the system at once, where glibc would keep it.

    glibc raises its threshold to the largest block that was freed, and keeps the blocks below.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another system's library
        mallopt = ctypes.CDLL(None).mallopt
        for threshold in (-3, -1):  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
            mallopt(threshold, 2**20)


def _check_models(server: LocalServer, folder: Path, wait: bool) -> None:
    """Raises `ValueError` when nothing can be served, unless that is to be waited for."""
    models = server.models.by_name
    if wait or any(model.versions for model in models.values()):
        return
    failed = [
        one.message for model in models.values() for one in model.statuses() if one.code != "OK"
    ]
    if failed:
        raise InvalidInput(f"No version could be loaded. {failed[0]}")
    raise InvalidInput(
        f"{folder} holds no exported version: a folder such as {folder}/NAME/1 with a "
        "saved_model.pb. Export one (`tfrec-zoo export RUN --to ...`), or wait with --wait."
    )


def _announce(server: LocalServer, as_json: bool) -> None:
    models = {name: model.versions for name, model in sorted(server.models.by_name.items())}
    if as_json:
        answer = {"rest": server.url, "grpc": server.grpc_address, "models": models}
        print_json(answer)
        return
    click.echo(f"REST and a page to try: {server.url}")
    if server.grpc_address:
        click.echo(f"gRPC:                   {server.grpc_address}")
    for name, model in sorted(server.models.by_name.items()):
        versions = ", ".join(map(str, model.versions)) or "none yet"
        labels = "".join(f", {label} is {number}" for label, number in model.labels.items())
        click.echo(f"{name}: version {versions}{labels}")
    if not models:
        click.echo("No models yet: they are served as they are exported.")
    if server.host not in ("127.0.0.1", "localhost", "::1"):
        tell(f"Everybody who reaches {server.host} can ask: there are no accounts.")
