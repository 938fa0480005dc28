"""TensorFlow Serving's REST interface, as a FastAPI application."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from google.protobuf.json_format import MessageToDict
from starlette.exceptions import HTTPException
from tensorflow_serving.apis import get_model_metadata_pb2

from tfrec_fusion.serving.local import json_bodies
from tfrec_fusion.serving.local.answering import SIGNATURE_FIELD, Answering, Target
from tfrec_fusion.serving.local.bodies import Bodies
from tfrec_fusion.serving.local.failures import ServingError, invalid
from tfrec_fusion.serving.local.metrics import CONTENT_TYPE, METRICS_PATH
from tfrec_fusion.serving.local.openapi import EXAMPLES_BODY, PREDICT_BODY, answers_with
from tfrec_fusion.serving.local.page import add_playground
from tfrec_fusion.serving.local.versions import MAX_VERSION

Model = Annotated[str, Path(description="A model's name.", min_length=1)]
Version = Annotated[str, Path(description="A version's number.", pattern="^[0-9]+$")]
Label = Annotated[str, Path(description="A version's label.", pattern="^[a-zA-Z0-9_]+$")]
_ROOT = "/v1/models/{model}"
# Coroutines, though they wait for nothing: FastAPI would call plain functions in another thread.
FindTarget = Callable[..., Awaitable[Target]]


def rest_app(answering: Answering) -> FastAPI:
    """The application: predict, status, metadata, metrics and the playground.

    Every error is `{"error": "..."}`. Requests are received on the event loop and answered in
    the threads of `answering.desk`.

    Args:
        answering: Answers what was received.
    """
    app = FastAPI(
        title="tfrec-fusion local server",
        description="TensorFlow Serving's REST interface.",
        openapi_url=None,  # FastAPI's own would write the description anew for every request
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the client's Host
    )
    front = _Front(answering)
    targets: list[tuple[str, str, FindTarget]] = [
        (_ROOT, "latest", _latest),
        (_ROOT + "/versions/{version}", "version", _version),
        (_ROOT + "/labels/{label}", "label", _label),
    ]
    for path, kind, target in targets:
        for verb, body in (
            ("predict", PREDICT_BODY),
            ("classify", EXAMPLES_BODY),
            ("regress", EXAMPLES_BODY),
        ):
            app.add_api_route(
                f"{path}:{verb}",
                front.post(verb, target),
                methods=["POST"],
                operation_id=f"{verb}_{kind}",
                response_model=None,
                responses=answers_with(verb),
                openapi_extra=body,
            )
        for verb, suffix in (("metadata", "/metadata"), ("status", "")):
            app.add_api_route(
                path + suffix,
                front.get(verb, target),
                methods=["GET"],
                operation_id=f"{verb}_{kind}",
                response_model=None,
                responses=answers_with(verb),
            )
    app.add_api_route(
        METRICS_PATH, front.metrics, methods=["GET"], response_model=None, include_in_schema=False
    )
    description = json.dumps(app.openapi()).encode("utf-8")

    async def openapi() -> Response:
        return _json(description)

    app.add_api_route("/openapi.json", openapi, response_model=None, include_in_schema=False)
    add_playground(app, answering.models)
    app.add_exception_handler(ServingError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _malformed)
    app.add_exception_handler(Exception, _broken)
    return app


async def _latest(model: Model) -> Target:
    return Target(model)


async def _version(model: Model, version: Version) -> Target:
    number = int(version) if len(version) < 20 else MAX_VERSION + 1
    if number > MAX_VERSION:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return Target(model, version=number)


async def _label(model: Model, label: Label) -> Target:
    return Target(model, label=label)


class _Front:
    """The handlers; each takes the target that its path names."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._bodies = Bodies(answering.limits, answering.buffers)
        self._metrics: asyncio.Future[bytes] | None = None

    def post(self, verb: str, find: FindTarget) -> Callable[..., Any]:
        """A handler of `predict`, `classify` or `regress`."""
        found = Depends(find)

        async def handler(request: Request, target: Target = found) -> Response:
            with self._answering.counted(target.model, verb, "REST"):
                async with self._bodies.receive(request) as body:
                    work = functools.partial(self._post, verb, target, body)
                    answer = await self._answered(request, work, len(body))
            return _json(answer)

        return handler

    def get(self, verb: str, find: FindTarget) -> Callable[..., Any]:
        """A handler of `metadata` or `status`."""
        answer = self._metadata if verb == "metadata" else self._status
        found = Depends(find)

        async def handler(target: Target = found) -> Response:
            with self._answering.counted(target.model, verb, "REST"):
                return _json(answer(target))

        return handler

    async def metrics(self) -> Response:
        """Everything for Prometheus; those who ask at the same moment share an answer."""
        if self._metrics is None:
            self._metrics = asyncio.ensure_future(self._metrics_text())
        return Response(await asyncio.shield(self._metrics), media_type=CONTENT_TYPE)

    async def _metrics_text(self) -> bytes:
        self._metrics = None  # who asks from now on is told of what happens from now on
        return self._answering.metrics_text()

    def _post(self, verb: str, target: Target, body: bytes) -> bytes:
        if verb == "predict":
            return self._answering.predict_json(target, body)
        document = json_bodies.read_object(body)
        self._answering.refuse_examples(target, json_bodies.signature_name(document), verb)
        raise AssertionError("refuse_examples always refuses")

    def _status(self, target: Target) -> bytes:
        return _indented(_plain(self._answering.status(target)))

    def _metadata(self, target: Target) -> bytes:
        response = self._answering.metadata(target)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_FIELD].Unpack(definitions)
        return _indented(
            {
                "model_spec": _plain(response.model_spec),
                "metadata": {SIGNATURE_FIELD: _plain(definitions)},
            }
        )

    async def _answered(self, request: Request, work: Callable[[], bytes], size: int) -> bytes:
        """The answer; not waited for, nor computed if it still can be helped, when nobody does."""
        seconds = self._answering.limits.answer_seconds
        answering = asyncio.ensure_future(self._answering.desk.answer(work, size, seconds))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise ServingError("CANCELLED", "The client has gone.")
            return answering.result()
        finally:
            answering.add_done_callback(_forget)
            answering.cancel()
            gone.cancel()


def _forget(answering: asyncio.Future[bytes]) -> None:
    """Takes note of how a request ended that nobody waits for any more."""
    if not answering.cancelled():
        answering.exception()


async def _gone(request: Request) -> None:
    """Returns when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _plain(message: Any) -> dict[str, Any]:
    return MessageToDict(
        message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )


def _indented(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode("utf-8")


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _failure(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return _json(json.dumps({"error": message}).encode("utf-8"), status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServingError)
    headers = {"retry-after": "1"} if error.http_status == 503 else {}
    if error.http_status in (408, 413):  # what is left of the body is not read
        headers["connection"] = "close"
    return _failure(error.http_status, error.message, headers)


async def _malformed(request: Request, _: Exception) -> Response:
    """What is no request of the interface: 400 below /v1/ as in the stock server, else 404."""
    path = request.url.path
    if path.startswith("/v1/"):
        return _failure(400, f"Malformed request: {request.method} {path[:200]}")
    return _failure(404, f"Not found: {request.method} {path[:200]}")


async def _broken(_: Request, error: Exception) -> Response:
    return _failure(500, f"The server has a fault ({type(error).__name__}): see its log.")
