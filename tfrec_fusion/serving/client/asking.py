"""Asking one model by signature, over whichever transport: inputs checked, answers typed."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.client.answers import (
    SignatureInfo,
    TensorInfo,
    VersionState,
    numpy_dtype,
)
from tfrec_fusion.serving.client.errors import InvalidRequest
from tfrec_fusion.serving.client.retries import Retries

# Inputs that may be left out: rows of ids, padded with "", that nothing need be said in.
ID_LISTS = ("exclude_item_ids", "allow_item_ids")
DEFAULT_SIGNATURE = "serving_default"


class Transport(Protocol):
    """Sends one request once, to one model."""

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, TensorInfo],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Asks a signature."""

    def signatures(self, timeout: float) -> dict[str, SignatureInfo]:
        """The model's signatures."""

    def status(self, timeout: float) -> list[VersionState]:
        """What became of the model's versions."""

    def close(self) -> None:
        """Ends the connections."""


def open_transport(address: str, model: str, version: int | None, label: str | None) -> Transport:
    """The transport that an address names.

    Raises:
        ValueError: When the address begins with none of `http://`, `https://` and `grpc://`.
        ImportError: When the package that the transport needs is missing.
    """
    if address.startswith("grpc://"):
        from tfrec_fusion.serving.client.grpc_transport import GrpcTransport

        return GrpcTransport(address.removeprefix("grpc://"), model, version, label)
    if address.startswith(("http://", "https://")):
        from tfrec_fusion.serving.client.rest_transport import RestTransport

        return RestTransport(address, model, version, label)
    raise InvalidInput(
        "`address` must begin with http://, https:// or grpc://, as in http://127.0.0.1:8501. "
        f"Received: {address!r}."
    )


class ModelClient:
    """Asks one model; `Client` adds what recommenders answer.

    Args:
        address: `http://host:port` for REST, `grpc://host:port` for gRPC.
        model: The model's name.
        version: A version of it; by default the latest.
        label: A version's label, instead.
        timeout: Seconds for a call, everything included.
        retries: When a call is sent again.

    Raises:
        ValueError: When the address or the timeout is not one, or both a version and a label are
            given.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 10.0,
        retries: Retries | None = None,
    ) -> None:
        if version is not None and label is not None:
            raise InvalidInput(
                f"Give `version` or `label`. Received: version={version}, label={label!r}."
            )
        if not timeout > 0:
            raise InvalidInput(f"`timeout` must be positive. Received: {timeout}.")
        self._transport = open_transport(address, model, version, label)
        self._timeout = timeout
        self._retries = retries or Retries()
        self._name = model
        self._known: dict[str, SignatureInfo] | None = None

    def predict(
        self, inputs: Mapping[str, Any], signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, np.ndarray]:
        """Asks any signature.

        Args:
            inputs: Nested lists or arrays by input name, the batch first; text as `str` or
                UTF-8 bytes. `exclude_item_ids` and `allow_item_ids` may be left out.
            signature: The signature's name.

        Returns:
            Arrays by output name; text is an object array of `str`, and of `bytes` in outputs
            named `*_bytes`.

        Raises:
            InvalidRequest: When the server refuses the inputs.
            NotServed: When there is no such model or version.
            ServerUnavailable: When no server could be reached, or it stayed busy.
            ServerTimeout: When there was no answer in time.
            ValueError: When an input is of another type than the signature's.

        Example:
        >>> client.predict({"user_id": ["196"]}, "recommend")["item_id"].shape  # doctest: +SKIP
        (1, 10)
        """
        info = self._signature(signature)
        try:
            return self._ask(inputs, signature, info)
        except InvalidRequest:
            self._known = None  # a newer version may have come whose inputs are others
            newer = self._signature(signature)
            if newer == info:
                raise
            return self._ask(inputs, signature, newer)

    def signatures(self) -> dict[str, SignatureInfo]:
        """What the model's signatures take and give, asked anew.

        Raises:
            NotServed: When there is no such model or version.
            ServerUnavailable: When no server could be reached, or it stayed busy.
            ServerTimeout: When there was no answer in time.
        """
        self._known = self._retries.run(self._transport.signatures, self._timeout)
        return dict(self._known)

    def status(self) -> list[VersionState]:
        """What became of the model's versions, the highest first.

        Raises:
            NotServed: When there is no such model or version.
            ServerUnavailable: When no server could be reached, or it stayed busy.
            ServerTimeout: When there was no answer in time.
        """
        return self._retries.run(self._transport.status, self._timeout)

    def close(self) -> None:
        """Ends the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _signature(self, name: str) -> SignatureInfo:
        known = self._known
        if known is None or name not in known:
            known = self.signatures()
        if name not in known:
            raise InvalidRequest(
                "INVALID_ARGUMENT",
                f"`signature` must be one of {', '.join(sorted(known))}. Received: {name!r}.",
            )
        return known[name]

    def _ask(
        self, inputs: Mapping[str, Any], signature: str, info: SignatureInfo
    ) -> dict[str, np.ndarray]:
        for name in inputs:
            if name not in info.inputs:
                raise InvalidRequest(
                    "INVALID_ARGUMENT",
                    f"`{name}` is no input of `{signature}`, which takes "
                    f"{', '.join(sorted(info.inputs))}.",
                )
        arrays = {name: _array(name, value, info.inputs[name]) for name, value in inputs.items()}
        rows = max((len(one) for one in arrays.values() if one.ndim), default=1)
        for name in ID_LISTS:
            if name in info.inputs and name not in arrays:
                arrays[name] = np.full((rows, 1), b"", object)
        return self._retries.run(
            lambda left: self._transport.predict(signature, arrays, info.outputs, left),
            self._timeout,
        )


def _array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    """The array of an input.

    Raises:
        InvalidInput: When it is of another type than the signature's, or no list.
    """
    if isinstance(value, str | bytes) and info.shape != ():
        raise InvalidInput(
            f"`{name}` must be a list, one entry a question. Received: {value!r:.60}. "
            f"For one, write [{value!r:.40}]."
        )
    try:
        if info.dtype != "DT_STRING":
            return np.array(value, numpy_dtype(info.dtype))
        array = np.array(value, object)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(
            f"`{name}` must be nested lists of type {info.dtype}: {error}."
        ) from error
    texts = np.empty(array.size, object)
    texts[:] = [_bytes(name, one) for one in array.ravel()]
    return texts.reshape(array.shape)


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise InvalidInput(
            f"`{name}` must hold texts in lists of equal length. Received: {value!r:.60}."
        )
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"`{name}` must be valid Unicode. Received: {value!r:.60}.") from error
