"""Archives from the network, whole and verified, or not at all."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tfrec_fusion.errors import SystemRefusal, UserError
from tfrec_fusion.files.cache import CACHE_VARIABLE
from tfrec_fusion.files.checksums import sha256
from tfrec_fusion.files.lock import Busy, only_writer
from tfrec_fusion.files.refusals import refusal, refused
from tfrec_fusion.files.whole import settle, staging, whole_path

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10
READ_SECONDS = 60
PIP_SECONDS = 600
WAIT_SECONDS = 600  # for another process that downloads into the same cache


class Unreachable(UserError, RuntimeError):
    """One place could not deliver; the message says why."""


@dataclass(frozen=True)
class Archive:
    """A zip file with an official address.

    Attributes:
        file_name: Its name, also in the cache.
        sha256: What its content must hash to.
        url: Its address.
    """

    file_name: str
    sha256: str
    url: str

    @property
    def place(self) -> str:
        """Where it comes from, for people."""
        return self.url

    def fetch(self, folder: Path) -> None:
        """Downloads it into `folder`, with a progress bar, under its own name once verified.

        Raises:
            Unreachable: When the address does not answer or sends something else.
            SystemRefusal: When it cannot be written.
        """
        import pooch
        import requests

        downloader = pooch.HTTPDownloader(
            progressbar=True, chunk_size=1 << 16, timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        with whole_path(folder / self.file_name) as part:
            try:
                downloader(self.url, str(part), None)
            except (requests.RequestException, ValueError, OSError) as error:
                if refused(error) is not None:
                    raise
                raise Unreachable(_one_line(error)) from error
            _check_sum(part, self.sha256)


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package index whose data files are wanted, not its code.

    Attributes:
        file_name: Its name, also in the cache.
        sha256: What its content must hash to.
        requirement: What pip is asked for, e.g. `recbole==1.2.1`.
    """

    file_name: str
    sha256: str
    requirement: str

    @property
    def place(self) -> str:
        """Where it comes from, for people."""
        return f"the wheel of {self.requirement} (through pip)"

    def fetch(self, folder: Path) -> None:
        """Downloads it into `folder` with this Python's pip, so that its index settings count.

        Nothing is installed. pip's progress goes to standard error.

        Raises:
            Unreachable: When pip is missing, fails or delivers something else.
            SystemRefusal: When it cannot be written.
        """
        with staging(folder / self.file_name) as partial:
            partial.mkdir()
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--no-input",
                "--retries",
                "2",
                "--dest",
                str(partial),
                self.requirement,
            ]
            try:
                # 2 is this process's standard error: standard output stays free for results.
                done = subprocess.run(
                    command,
                    stdout=2,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    timeout=PIP_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Unreachable(_one_line(error)) from error
            if done.returncode:
                failed = Unreachable(f"pip failed: {_one_line(done.stderr)}")
                if (number := refused(RuntimeError(done.stderr))) is not None:
                    raise refusal(folder / self.file_name, number) from failed
                raise failed
            wheel = partial / self.file_name
            if not wheel.is_file():
                raise Unreachable(f"pip delivered {os.listdir(partial)}, not {self.file_name}")
            _check_sum(wheel, self.sha256)
            settle(wheel, folder / self.file_name)


def in_cache(archive: Archive | Wheel, cache: Path) -> Path:
    """The path of a verified archive in the cache; a corrupt one is removed, which is logged.

    Raises:
        Unreachable: When it is not there, was corrupt, or cannot be read.
    """
    path = cache / archive.file_name
    try:
        if not path.is_file():
            raise Unreachable(f"{path} does not exist")
        if (received := sha256(path)) == archive.sha256:
            return path
        path.unlink()
    except OSError as error:
        raise Unreachable(f"cannot read {path}: {_one_line(error)}") from error
    reason = f"{path} was corrupt (sha256 {received}, expected {archive.sha256}) and is removed"
    logger.warning("%s; it will be fetched again.", reason)
    raise Unreachable(reason)


def fetched(archive: Archive | Wheel, cache: Path) -> Path:
    """Downloads an archive into the cache, once for all processes that ask for it.

    Raises:
        Unreachable: When it cannot be had, or there can be no such cache.
        SystemRefusal: When the disk is full, or another process writes to the cache for too long.
    """
    try:
        with only_writer(cache, WAIT_SECONDS):
            with suppress(Unreachable):
                return in_cache(archive, cache)
            archive.fetch(cache)
            return in_cache(archive, cache)
    except Busy:
        raise
    except SystemRefusal as error:
        found = SystemRefusal(f"{error} {CACHE_VARIABLE} names another folder for the cache.")
        found.errno = error.errno
        raise found from error
    except OSError as error:
        raise Unreachable(f"cannot write to {cache}: {_one_line(error)}") from error


def _check_sum(path: Path, expected: str) -> None:
    if (received := sha256(path)) != expected:
        raise Unreachable(f"its sha256 is {received}, expected {expected}")


def _one_line(error: object, width: int = 400) -> str:
    """The words of an error on one line, its end kept: that is where the cause stands."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= width else "…" + words[-width:]
