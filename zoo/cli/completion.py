"""The command that prints a shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM = "tfrec-zoo"
VARIABLE = "_TFREC_ZOO_COMPLETE"  # click's, made of the program's name


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script that lets SHELL complete commands, options, models, runs and data sets.

    \b
    bash  eval "$(tfrec-zoo completion bash)"          in ~/.bashrc (bash 4.4 or newer)
    zsh   eval "$(tfrec-zoo completion zsh)"           in ~/.zshrc, after compinit
    fish  tfrec-zoo completion fish | source           in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(context.find_root().command, {}, PROGRAM, VARIABLE)
    click.echo(ShellComplete.source(complete))
