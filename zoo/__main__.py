"""Runs the command line: `python -m tfrec_fusion.zoo`."""

from tfrec_fusion.zoo.cli.command_line import main

if __name__ == "__main__":
    main()
