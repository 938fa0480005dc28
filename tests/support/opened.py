"""Which files of some folders are opened, by whatever language, told by the kernel."""

import contextlib
import ctypes
import os
import struct

IN_OPEN, IN_ISDIR = 0x20, 0x40000000


@contextlib.contextmanager
def opened_files(*roots):
    """Gives a set that holds, afterwards, the files that were opened at any depth."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor, found, folders = libc.inotify_init1(os.O_NONBLOCK), set(), {}
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    for root in roots:
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            watch = libc.inotify_add_watch(descriptor, os.fsencode(folder), IN_OPEN)
            assert watch >= 0, os.strerror(ctypes.get_errno())
            folders[watch] = folder
    try:
        yield found
        with contextlib.suppress(BlockingIOError):
            while events := os.read(descriptor, 1 << 16):
                while events:
                    watch, mask, _, length = struct.unpack_from("iIII", events)
                    name, events = events[16 : 16 + length].rstrip(b"\0"), events[16 + length :]
                    assert watch in folders, "events were lost"
                    if not mask & IN_ISDIR and name:
                        found.add(folders[watch] / os.fsdecode(name))
    finally:
        os.close(descriptor)
