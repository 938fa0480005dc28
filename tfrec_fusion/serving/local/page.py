"""The playground at the server's front: one page, and what it must know of the models."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Response

from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.signatures import TensorSpec
from tfrec_fusion.serving.local.watcher import Models


def add_playground(app: FastAPI, models: Models) -> None:
    """Adds the page at `/` and its list of models at `/playground/models`."""
    html = (
        files("tfrec_fusion.serving.local").joinpath("playground", "index.html").read_text("utf-8")
    )
    policy = _policy(html)

    async def page() -> Response:
        headers = {"content-security-policy": policy}
        return Response(html, headers=headers, media_type="text/html")

    async def listed() -> list[dict[str, Any]]:
        return describe(models)

    app.add_api_route("/", page, response_model=None, include_in_schema=False)
    app.add_api_route("/playground/models", listed, include_in_schema=False)


def _policy(html: str) -> str:
    """Lets run what is in the page and nothing else."""

    def hashes(tag: str) -> str:
        texts = re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", html)
        digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
        return " ".join(f"'sha256-{base64.b64encode(one).decode('ascii')}'" for one in digests)

    return (
        f"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors 'none'; "
        f"script-src {hashes('script')}; style-src {hashes('style')}"
    )


def describe(models: Models) -> list[dict[str, Any]]:
    """The models that answer, with the inputs and outputs of their signatures."""
    found = []
    for name, model in sorted(models.by_name.items()):
        try:
            with model.lease() as servable:
                signatures = {
                    one.name: {"inputs": _shapes(one.inputs), "outputs": _shapes(one.outputs)}
                    for one in servable.signatures.values()
                }
                version = servable.version
        except ServingError:  # none of its versions answers
            continue
        found.append(
            {
                "name": name,
                "version": version,
                "versions": model.versions,
                "labels": model.labels,
                "signatures": signatures,
            }
        )
    return found


def _shapes(specs: dict[str, TensorSpec]) -> dict[str, dict[str, Any]]:
    return {
        name: {"dtype": one.dtype.name, "shape": None if one.shape is None else list(one.shape)}
        for name, one in specs.items()
    }
