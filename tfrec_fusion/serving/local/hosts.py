"""Who may ask over HTTP: names of this server, and pages that it served itself.

A web page anywhere may have a name that resolves to this machine (DNS rebinding), and any page
may send a request to another address. Browsers say the name in `Host` and the page's in `Origin`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.local.failures import ServingError, invalid, shown

# What every answer says to browsers; the playground has a policy of its own.
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_NAME = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(
    rf"(?P<host>\[[0-9a-f:.]+\]|{_NAME}(?:\.{_NAME})*)\.?(?::(?P<port>[0-9]{{1,5}}))?"
)
_PATTERN = re.compile(rf"(?:\*\.)?{_NAME}(?:\.{_NAME})*|\[?[0-9a-f:.]+\]?")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """The names that a server answers to.

    Args:
        bound: The address or name it listens on. Names of the loopback interface are always
            accepted; where it may listen on several addresses, every address is, but no other
            name.
        allowed: More names, such as `models.example.com`; `*.example.com` for all below one.

    Raises:
        ValueError: When an allowed name is none.

    Example:
    >>> hosts = Hosts("127.0.0.1", ["*.example.com"])
    >>> [hosts.accepts(one) for one in ("localhost", "a.example.com", "example.org")]
    [True, True, False]
    """

    def __init__(self, bound: str, allowed: Iterable[str] = ()) -> None:
        names = [one.lower().rstrip(".") for one in allowed]
        for name in names:
            if not _PATTERN.fullmatch(name):
                raise InvalidInput(
                    "A host that is allowed must be a name without scheme and port, such as "
                    f"models.example.com or *.example.com. Received: {shown(name)}."
                )
        self._allowed = {_plain(name) for name in names if not name.startswith("*")}
        self._below = tuple(name[1:] for name in names if name.startswith("*"))
        address = _address(bound)
        self._bound = {bound.lower() if address is None else str(address), *_LOOPBACK}
        if address is None:
            self._any_address = bound.lower() != "localhost"
        else:
            self._any_address = address.is_unspecified

    def accepts(self, name: str) -> bool:
        """Whether a name, without a port, is the server's."""
        if name in self._bound or self.is_allowed(name):
            return True
        address = _address(name)
        return self._any_address and address is not None

    def is_allowed(self, name: str) -> bool:
        """Whether a name was allowed by the one who started the server."""
        return name in self._allowed or name.endswith(self._below)

    def check(self, scope: dict[str, Any]) -> None:
        """Lets a request pass, or not.

        Args:
            scope: The request's ASGI scope.

        Raises:
            ServingError: INVALID_ARGUMENT without a well-formed `Host`, PERMISSION_DENIED for
                another server's name or another server's page.
        """
        if not scope["raw_path"].startswith(b"/"):
            raise invalid("The request's target must be a path, such as /v1/models/NAME.")
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or (found := _parsed(hosts[0])) is None:
            raise invalid("The request must have one header Host: a name, and a port or none.")
        if not self.accepts(found[0]):
            raise _forbidden("Host", found[0], found[0])
        for origin in _values(scope, b"origin"):
            self._check_origin(origin, found)

    def _check_origin(self, origin: str, own: tuple[str, str]) -> None:
        scheme, _, rest = origin.lower().partition("://")
        page = _parsed(rest) if scheme in ("http", "https") else None
        if page is None:
            raise _forbidden("Origin", origin, "NAME")
        if not (self.is_allowed(page[0]) or page == own):
            raise _forbidden("Origin", origin, page[0])


def _values(scope: dict[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _parsed(text: str) -> tuple[str, str] | None:
    """Host and port; an empty port when none is given, None when it is neither."""
    found = _HOST.fullmatch(text.lower())
    if found is None:
        return None
    host, port = _plain(found["host"]), found["port"] or ""
    if ":" in found["host"] and _address(host) is None:
        return None
    return None if port and not 0 < int(port) < 65536 else (host, port)


def _plain(host: str) -> str:
    """An address in its one form, without brackets; a name as it is."""
    address = _address(host)
    return host if address is None else str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _forbidden(header: str, value: str, name: str) -> ServingError:
    return ServingError(
        "PERMISSION_DENIED",
        f"The server does not answer to this {header}. Received: {shown(value)}. Whoever started "
        f"it can allow the name: --allow-host {name if len(name) < 100 else 'NAME'}, or "
        "LocalServer(..., allow_hosts=[...]).",
    )
