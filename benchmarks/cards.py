"""Names in the card of each prebuilt model the files that it is read from, with their checksums.

    python -m benchmarks.cards

To be run when a file of the package was changed on purpose, such as `zoo/prebuilt/weights` or the
packaged language model: until then `zoo.load` refuses what the cards do not name.
"""

from __future__ import annotations

import click

from tfrec_fusion.text.language_models.named.tiny_gpt2 import NAME as TINY_GPT2
from tfrec_fusion.text.language_models.packaged_files import write_packaged_checksums
from tfrec_fusion.zoo.prebuilt.card_updates import name_files_again


@click.command()
def main() -> None:
    """Writes the cards, and prints the names of those that changed."""
    write_packaged_checksums(TINY_GPT2)
    for card in name_files_again():
        click.echo(f"{card.name}: {len(card.files)} files")


if __name__ == "__main__":
    main()
