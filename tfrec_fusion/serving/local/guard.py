"""What surrounds the application: who may ask, and what every answer says to browsers."""

from __future__ import annotations

import json

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.hosts import HEADERS, Hosts


class Guard:
    """An application that answers to the server's names alone.

    Args:
        app: Answers the requests that may pass.
        hosts: The server's names.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI asks."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._hosts.check(dict(scope))
        except ServingError as error:
            body = json.dumps({"error": error.message}).encode("utf-8")
            response = Response(body, error.http_status, media_type="application/json")
            await response(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)
