"""Requests that are written byte by byte, and what comes back."""

from __future__ import annotations


def received(connection):
    with connection:
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
