"""Requests over TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from tfrec_fusion.serving.client.answers import (
    SignatureInfo,
    TensorInfo,
    VersionState,
    is_bytes,
    numpy_dtype,
)
from tfrec_fusion.serving.client.errors import (
    ServerError,
    ServerTimeout,
    ServerUnavailable,
    error_of_status,
)

try:
    import httpx2
except ImportError as error:  # pragma: no cover - shown by a test in a process without it
    raise ImportError(
        "The REST client needs httpx2. Install it with: pip install 'tfrec-fusion[serving]'"
    ) from error

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RestTransport:
    """One model behind a REST address.

    Args:
        address: Such as `http://127.0.0.1:8501`.
        model: The model's name.
        version: A version of it.
        label: A label, instead.
    """

    def __init__(self, address: str, model: str, version: int | None, label: str | None) -> None:
        url = httpx2.URL(address)
        # A proxy that the environment names is not asked for what is on this machine.
        self._http = httpx2.Client(base_url=url, trust_env=url.host not in _LOOPBACK)
        self._path = f"/v1/models/{quote(model, safe='')}"
        if version is not None:
            self._path += f"/versions/{version}"
        elif label is not None:
            self._path += f"/labels/{quote(label, safe='')}"

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, TensorInfo],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Asks a signature, in the column format."""
        columns = {name: _listed(array) for name, array in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        answer = self._send("POST", ":predict", body.encode("utf-8"), timeout)
        values = answer.get("outputs")
        if len(outputs) == 1:
            values = {next(iter(outputs)): values}
        if not isinstance(values, dict) or values.keys() != outputs.keys():
            found = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ServerError(
                "INTERNAL", f"The answer must hold {', '.join(sorted(outputs))}. Received: {found}."
            )
        return {name: _array(name, values[name], info) for name, info in outputs.items()}

    def signatures(self, timeout: float) -> dict[str, SignatureInfo]:
        """The model's signatures."""
        answer = self._send("GET", "/metadata", None, timeout)
        definitions = answer["metadata"]["signature_def"]["signature_def"]
        return {
            name: SignatureInfo(_infos(one.get("inputs", {})), _infos(one.get("outputs", {})))
            for name, one in definitions.items()
        }

    def status(self, timeout: float) -> list[VersionState]:
        """What became of the model's versions."""
        rows = self._send("GET", "", None, timeout)["model_version_status"]
        return [
            VersionState(
                int(row["version"]),
                row["state"],
                row["status"]["error_code"],
                row["status"]["error_message"],
            )
            for row in rows
        ]

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _send(self, method: str, suffix: str, body: bytes | None, timeout: float) -> dict[str, Any]:
        try:
            response = self._http.request(
                method,
                self._path + suffix,
                content=body,
                headers={"content-type": "application/json"} if body is not None else None,
                timeout=timeout,
            )
        except httpx2.TimeoutException as error:
            message = f"No answer from {self._http.base_url} within {timeout:.3g} s."
            raise ServerTimeout("DEADLINE_EXCEEDED", message) from error
        except httpx2.TransportError as error:
            message = f"{self._http.base_url} could not be asked: {error}"
            raise ServerUnavailable("UNAVAILABLE", message) from error
        try:
            answer = json.loads(response.content)
        except ValueError:
            answer = {"error": response.text[:200] or response.reason_phrase}
        if response.is_success and isinstance(answer, dict):
            return answer
        message = answer.get("error", answer) if isinstance(answer, dict) else answer
        raise error_of_status(response.status_code, str(message))


def _infos(tensors: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {name: TensorInfo(one["dtype"], _shape(one)) for name, one in tensors.items()}


def _shape(tensor: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    shape = tensor.get("tensor_shape", {})
    if shape.get("unknown_rank"):
        return None
    sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
    return tuple(None if size < 0 else size for size in sizes)


def _listed(array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    carried = np.empty(array.size, object)
    carried[:] = [_text(one) for one in array.ravel()]
    return carried.reshape(array.shape).tolist()


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}


def _array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    dtype = numpy_dtype(info.dtype)
    if dtype is np.object_ and is_bytes(name):
        value = _decoded(value)
    array = np.array(value, dtype)
    if info.shape is not None and array.size == 0:  # [] has lost the dimensions after the first
        rest = [size or 0 for size in info.shape[array.ndim :]]
        array = array.reshape([*array.shape, *rest])
    return array


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    return base64.b64decode(value["b64"])
