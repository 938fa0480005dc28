"""A client of TensorFlow Serving and of the local server, over REST or gRPC.

>>> from tfrec_fusion.serving.client import Client
>>> with Client("http://127.0.0.1:8501", "ease") as client:  # doctest: +SKIP
...     client.recommend("196", exclude=["50"], k=10)
[Item(item_id='181', title='Return of the Jedi (1983)', score=4.2, source='model'), ...]
"""

from tfrec_fusion.serving.client.answers import Item, Score, SignatureInfo, TensorInfo, VersionState
from tfrec_fusion.serving.client.errors import (
    InvalidRequest,
    NotServed,
    ServerError,
    ServerTimeout,
    ServerUnavailable,
)
from tfrec_fusion.serving.client.recommending import Client
from tfrec_fusion.serving.client.retries import Retries

__all__ = [
    "Client",
    "InvalidRequest",
    "Item",
    "NotServed",
    "Retries",
    "Score",
    "ServerError",
    "ServerTimeout",
    "ServerUnavailable",
    "SignatureInfo",
    "TensorInfo",
    "VersionState",
]
