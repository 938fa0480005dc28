"""What written pages hold: code blocks, commands, links, headings; and whether these are sound."""

import ast
import importlib
import re
import shlex

import click
import readme_tables
from checkout import ROOT

from tfrec_fusion.zoo.cli.group import cli

PAGES = (*readme_tables.PAGES, ROOT / "CHANGELOG.md")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
_PROGRAM = re.compile(r"(?:[A-Z_]+=\S+ )*tfrec-zoo ")


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(text, language):
    """The code blocks of a language."""
    return [code for written, code in _FENCED.findall(text) if written == language]


def commands(text):
    """The arguments of every `tfrec-zoo` in console blocks."""
    lines = "\n".join(blocks(text, "console")).replace("\\\n", " ").splitlines()
    found = [(line, _PROGRAM.match(line)) for line in lines]
    return [shlex.split(line[program.end() :], comments=True) for line, program in found if program]


def subcommands(group):
    """The names of a group's commands, which may be made only when asked for."""
    return group.list_commands(click.Context(group))


def subcommand(group, name):
    """A command of a group, or None."""
    return group.get_command(click.Context(group), name)


def why_refused(arguments):
    """What the command line has against these arguments; None when it takes them."""
    command, rest = cli, list(arguments)
    while isinstance(command, click.Group):
        found = subcommand(command, rest[0]) if rest else None
        if found is None:
            known = ", ".join(subcommands(command))
            return f"{command.name} has no command {rest[:1]}; it has {known}"
        command, rest = found, rest[1:]
    try:
        command.make_context(command.name, rest)
    except click.UsageError as error:
        return error.format_message()
    return None


def options_of(names):
    """What a command takes, such as `["train", "ease"]`."""
    command = cli
    for name in names:
        command = subcommand(command, name)
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}


def missing_imports(code):
    """Names that the code imports, or takes from `tfrec_fusion.zoo`, and that are not there."""
    tree = ast.parse(code)
    wanted = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            wanted += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "zoo":
            wanted.append(("tfrec_fusion.zoo", node.attr))
    return [one for one in wanted if not _is_there(*one)]


def _is_there(module, name):
    try:
        found = importlib.import_module(module)
        return name is None or hasattr(found, name) or bool(_is_there(f"{module}.{name}", None))
    except ImportError:
        return False


def links(text):
    """`(file or "", anchor or "")` of every link that stays in the repository."""
    found = _LINK.findall(_FENCED.sub("", text))
    return [(file, anchor) for file, anchor in found if ":" not in file]


def anchors(text):
    """What a heading is called in an address, as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
