"""The command line, `tfrec-zoo` or `python -m tfrec_fusion.zoo`: its entry point.

Importing this imports nothing that takes time, so that Ctrl-C is one line from the start.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command of `sys.argv`."""
    try:
        from tfrec_fusion.zoo.cli.group import cli
        from tfrec_fusion.zoo.cli.terminal import terminal
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        sys.exit(130)
    with terminal():
        cli(prog_name="tfrec-zoo")


if __name__ == "__main__":
    main()
