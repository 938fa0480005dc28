"""Waits for what a server does instead of guessing how long it takes."""

import re
import threading
import time
import urllib.request


def wait_for(condition, awaited, seconds=30.0):
    """Returns once `condition()` holds; says what was awaited when it does not in time."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {awaited}")
        pause.wait(0.005)


def wait_for_requests(url, number):
    """Returns once so many requests wait or run in the local server at `url`."""

    def arrived():
        with urllib.request.urlopen(f"{url}/monitoring/prometheus/metrics", timeout=20) as answer:
            text = answer.read().decode()
        found = re.search(r"^tfrec_fusion_requests_in_server (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) == number

    wait_for(arrived, f"{number} requests in the server")
