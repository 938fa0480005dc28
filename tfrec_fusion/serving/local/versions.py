"""Which versions of a model's folder are to be served: what is there, and what is wanted of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.bundle import CONFIG, read_server_config

MAX_VERSION = 2**63 - 1


@dataclass(frozen=True)
class Policy:
    """Which versions to serve, and their other names.

    Attributes:
        latest: How many of the highest versions; None when another rule counts.
        specific: Exactly these; None when another rule counts. With neither, all are served.
        labels: A version by its label.
    """

    latest: int | None = 1
    specific: frozenset[int] | None = None
    labels: dict[str, int] = field(default_factory=dict)

    def wanted(self, found: set[int]) -> set[int]:
        """The versions to serve, of those found.

        Example:
        >>> Policy(latest=2).wanted({1, 2, 10})
        {2, 10}
        """
        if self.specific is not None:
            return found & self.specific
        return set(sorted(found)[-self.latest :]) if self.latest else found


def version_folders(model_folder: Path) -> dict[int, Path]:
    """The versions in a model's folder: folders named by a whole number that hold a SavedModel.

    Everything else is not looked at, hidden folders such as those that an export is written to
    least of all.

    Args:
        model_folder: A folder; one that is missing has no versions.
    """
    try:
        names = sorted((one.name for one in model_folder.iterdir()), key=len, reverse=True)
    except OSError:
        return {}
    found = {}
    for name in names:  # of "0007" and "7" the shorter one counts
        if name.isascii() and name.isdigit() and len(name) < 40 and int(name) <= MAX_VERSION:
            folder = model_folder / name
            if (folder / "saved_model.pb").is_file():
                found[int(name)] = folder
    return found


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Sizes and times of a folder's files, to see whether something changed."""
    rows = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except OSError:  # gone while looking
            continue
        rows.append((str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns))
    return tuple(rows)


def read_policy(model_name: str, model_folder: Path) -> Policy:
    """The policy in `models.config` of the model's folder, or of the folder above it.

    The file is the stock server's, a `ModelServerConfig` as text. Of the entry with the model's
    name the version policy and the labels count; `base_path` says where another server finds
    the model and is not read.

    Args:
        model_name: The name of the entry.
        model_folder: The model's folder.

    Returns:
        What the file says; the latest version when there is none or it does not name the model.

    Raises:
        ValueError: When the file cannot be read as a `ModelServerConfig`, or a label is not one.
    """
    for path in (model_folder / CONFIG, model_folder.parent / CONFIG):
        try:
            config = read_server_config(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidInput(f"{path} could not be read: {error}") from error
        for entry in config.model_config_list.config:
            if entry.name == model_name:
                return _policy(path, entry)
    return Policy()


def _policy(path: Path, entry: model_server_config_pb2.ModelConfig) -> Policy:
    labels = {str(key): int(value) for key, value in entry.version_labels.items()}
    wrong = [label for label in labels if not re.fullmatch(r"[a-zA-Z0-9_]+", label)]
    if wrong:
        raise InvalidInput(
            f"{path}: a label must consist of letters, digits and underscores. "
            f"Received: {wrong[0]!r}."
        )
    policy = entry.model_version_policy
    chosen = policy.WhichOneof("policy_choice")
    if chosen == "specific":
        return Policy(None, frozenset(policy.specific.versions), labels)
    if chosen == "all":
        return Policy(None, None, labels)
    return Policy(policy.latest.num_versions or 1, None, labels)
