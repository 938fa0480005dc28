"""The command that lists models."""

from __future__ import annotations

import click

from tfrec_fusion.zoo.cli.printing import print_json
from tfrec_fusion.zoo.cli.shared_options import shared
from tfrec_fusion.zoo.registry import specs


@click.command("list")
@click.option(
    "--pretrained", is_flag=True, help="List the prebuilt models instead, with their numbers."
)
@shared("as_json")
def list_models(pretrained: bool, as_json: bool) -> None:
    """List the models that `train` takes, and what each is."""
    if pretrained:
        from tfrec_fusion.zoo.prebuilt.card import table_of_cards

        table = table_of_cards()
        records = table.astype(object).where(table.notna(), None).to_dict("records")
        if as_json:
            print_json({"models": records})
        else:
            click.echo(table.to_string(index=False))
        return
    if as_json:
        rows = [
            {"name": name, "summary": spec.summary, "parameters": spec.choices_of({})}
            for name, spec in specs().items()
        ]
        print_json({"models": rows})
        return
    width = max(map(len, specs()))
    for name, spec in specs().items():
        click.echo(f"{name:{width}} {spec.summary}")
