"""Files with a byte that is not what it was."""

import contextlib


@contextlib.contextmanager
def flipped(path, at):
    """One bit of a file, as a disk may turn it, is another one meanwhile."""
    with path.open("r+b") as file:
        file.seek(at)
        before = file.read(1)
        file.seek(at)
        file.write(bytes([before[0] ^ 4]))
    try:
        yield
    finally:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(before)


@contextlib.contextmanager
def aside(path):
    """A file that is not there meanwhile."""
    moved = path.rename(path.with_name(path.name + ".aside"))
    try:
        yield
    finally:
        moved.rename(path)
