"""The playground's pages as a browser without a window shows them."""

from __future__ import annotations

import re
import shutil

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


def texts(html, css_class):
    return re.findall(rf'class="{css_class}">([^<]*)<', html)


def paragraph(html, name):
    """The text of a paragraph, empty when it is hidden."""
    tag, text = re.search(rf'<p (id="{name}"[^>]*)>([^<]*)</p>', html).groups()
    return "" if "hidden" in tag else text


def shown(html, section):
    tag = re.search(rf'<section id="{section}"[^>]*>', html).group()
    return "hidden" not in tag
