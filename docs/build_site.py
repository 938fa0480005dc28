"""Builds the documentation: the API reference and the written pages.

    python docs/build_site.py build/docs

pdoc renders docstrings; a written page becomes the docstring of a module that has nothing else, and
so has the same navigation, search and links to the reference. A warning is an error, and so is a
link to a file that is not on the site.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pdoc.doc
import pdoc.render

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.whole import write_text

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs"
PACKAGES = ("tfrec_fusion",)
INDEX = "index"
PAGES = {  # by file, the name of the module that it becomes
    ROOT / "README.md": INDEX,
    ROOT / "CHANGELOG.md": "changelog",
    ROOT / "SECURITY.md": "security",
    HERE / "README.md": "pages",
    ROOT / "benchmarks" / "README.md": "pages.measurements",
    ROOT / "savedmodels" / "README.md": "pages.exported_models",
    **{page: f"pages.{page.stem}" for page in sorted(HERE.glob("[a-z]*.md"))},
}
_LINK = re.compile(r"(?<=\]\()(?P<file>[^)#:\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_COMMENT = re.compile(r"^<!--.*-->$", re.MULTILINE)


def build_site(to: Path) -> None:
    """Writes the site.

    Args:
        to: Its folder; files of the same names are written anew.

    Raises:
        ValueError: When a written page links to what is not on the site.
        Warning: Whatever pdoc warns of.
    """
    modules = {one.__name__: one for one in (*_written_pages(), *_packages())}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        documented = {name: pdoc.doc.Module(module) for name, module in modules.items()}
        for name, one in documented.items():
            # By itself pdoc takes from a package with `__all__` only those modules that it names.
            one.submodules = [documented[below] for below in modules if _parent(below) == name]
        pdoc.render.configure(docformat="google", show_source=False, template_directory=HERE)
        for name, one in documented.items():
            file = to / _html(name)
            write_text(file, pdoc.render.html_module(one, documented))
        write_text(to / "search.js", pdoc.render.search_index(documented))


def _packages() -> Iterator[ModuleType]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        names = [one.name for one in pkgutil.walk_packages(package.__path__, f"{name}.")]
        for below in (name, *names):
            if not below.endswith("__main__"):
                module = importlib.import_module(below)
                for offered in getattr(module, "__all__", ()):  # which may be loaded at first use
                    setattr(module, offered, getattr(module, offered))
                yield module


def _written_pages() -> Iterator[ModuleType]:
    for page, name in PAGES.items():
        text = _COMMENT.sub("", page.read_text("utf-8"))
        module = ModuleType(name, _LINK.sub(partial(_address, page), text))
        module.__dict__["__docformat__"] = "markdown"
        yield module


def _address(page: Path, link: re.Match[str]) -> str:
    """What a link of a page to a file becomes on the site."""
    file = (page.parent / link["file"]).resolve()
    if file in PAGES:
        name = PAGES[file]
    elif file.suffix == ".py" and file.is_relative_to(ROOT):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    else:
        raise InvalidInput(f"{page} links to what is not on the site: {link['file']}.")
    there = os.path.relpath(_html(name), Path(_html(PAGES[page])).parent)
    return there + (link["anchor"] or "")


def _parent(name: str) -> str:
    return name.rpartition(".")[0] or ("" if name == INDEX else INDEX)


def _html(name: str) -> str:
    return name.replace(".", "/") + ".html"


if __name__ == "__main__":
    build_site(Path(sys.argv[1]))
