"""How much memory Python objects take at their peak."""

import tracemalloc

MIB = 2**20


def peak_mib(call):
    """The peak of what a call allocates in Python and NumPy, in MiB."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
