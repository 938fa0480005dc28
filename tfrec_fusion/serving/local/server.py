"""Both fronts over one folder of models: started, drained, stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

import uvicorn

from tfrec_fusion.errors import SystemRefusal
from tfrec_fusion.serving.local.answering import Answering
from tfrec_fusion.serving.local.connection import connection_class
from tfrec_fusion.serving.local.grpc_thread import ACCEPTED, BACKLOG, GrpcThread
from tfrec_fusion.serving.local.guard import Guard
from tfrec_fusion.serving.local.hosts import Hosts
from tfrec_fusion.serving.local.limits import Limits
from tfrec_fusion.serving.local.model import Model
from tfrec_fusion.serving.local.rest import rest_app
from tfrec_fusion.serving.local.servable import Servable
from tfrec_fusion.serving.local.watcher import Models

START_SECONDS = 30.0


class LocalServer:
    """Serves exported models as TensorFlow Serving does, for notebooks and laptops.

    The same paths, bodies, protocol buffers, error texts and metrics' names; the versions of a
    folder are swapped without a failed request. Requests are not batched together. It listens on
    this machine only, unless told otherwise.

    Args:
        folder: A model's folder, or a folder of models.
        host: The address to listen on.
        port: REST; 0 takes a free one.
        grpc_port: gRPC; 0 takes a free one, None serves REST alone.
        limits: What is taken at once.
        poll_seconds: How often the folder is looked at.
        allow_hosts: Names, other than `host` and those of the loopback interface, that REST
            requests may have in `Host` and pages in `Origin`, such as `models.example.com` or
            `*.example.com`. Notebooks that show a port under a name of theirs need it.
        allow_unsafe_ops: Also serves models that may read, write or send files, see
            `serving.effects`; by default they are refused.

    Raises:
        FileNotFoundError: When `folder` is no folder.
        ValueError: When `folder` is a version's, or a name in `allow_hosts` is none.

    Example:
    >>> with LocalServer("savedmodels") as server:  # doctest: +SKIP
    ...     print(server.url)
    http://127.0.0.1:8501
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8501,
        grpc_port: int | None = 8500,
        limits: Limits | None = None,
        poll_seconds: float = 1.0,
        allow_hosts: Sequence[str] = (),
        allow_unsafe_ops: bool = False,
    ) -> None:
        self._hosts = Hosts(host, allow_hosts)
        load = partial(Servable, allow_unsafe_ops=allow_unsafe_ops)
        self.models = Models(Path(folder), partial(Model, load=load))
        self.host = host
        self.port = port
        self.grpc_port = grpc_port
        self.limits = limits or Limits()
        self._poll_seconds = poll_seconds
        self._answering = Answering(self.models, self.limits)
        self._grpc: GrpcThread | None = None
        self._uvicorn: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where REST and the playground are."""
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def grpc_address(self) -> str | None:
        """Where gRPC is, if it is."""
        return None if self.grpc_port is None else f"{_bracketed(self.host)}:{self.grpc_port}"

    def start(self) -> LocalServer:
        """Loads the models and listens; returns when requests are answered.

        Raises:
            OSError: When a port is taken or the address is not this machine's.
        """
        listener = self._listen("port", self.port)
        self.port = listener.getsockname()[1]
        if self.grpc_port is not None:
            try:
                grpc_listener = self._listen("grpc_port", self.grpc_port)
            except OSError:
                listener.close()
                raise
            self.grpc_port = grpc_listener.getsockname()[1]
            self._grpc = GrpcThread(self._answering, grpc_listener)
        self.models.refresh()
        self.models.watch(self._poll_seconds)
        config = uvicorn.Config(
            Guard(rest_app(self._answering), self._hosts),
            http=connection_class(self.limits, self._answering.buffers),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=ACCEPTED,
            timeout_graceful_shutdown=max(1, round(self.limits.drain_seconds)),
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server = self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), name="rest", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise SystemRefusal(f"The server on {self.url} did not start: see its log.")
            time.sleep(0.01)
        listener.listen(BACKLOG)
        if self._grpc is not None:
            self._grpc.start()
        return self

    def stop(self) -> None:
        """Refuses new requests, waits for those in flight, and frees the models."""
        if self._grpc is not None:
            self._grpc.stop()
        if self._uvicorn is not None and self._thread is not None:
            self._uvicorn.should_exit = True
            self._thread.join()
        if self._grpc is not None:
            self._grpc.join()
        self._answering.desk.close()
        self.models.close()

    def _listen(self, name: str, port: int) -> socket.socket:
        listener = None
        try:
            found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, address = found[0]
            # The protocol by name: asyncio sends answers at once only on sockets that have it.
            listener = socket.socket(family, kind, protocol)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            if listener is not None:
                listener.close()
            raise SystemRefusal(_refusal(name, self.host, port, error)) from error
        return listener

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refusal(name: str, host: str, port: int, error: OSError) -> str:
    return (
        f"`{name}` must be free on {host}. Received: {port}: {error.strerror or error}. "
        "Stop what listens there, or choose another."
    )
