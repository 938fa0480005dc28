"""A folder of prebuilt models that takes the place of the package's."""


def use(folder, patch):
    """Makes the prebuilt models those of a folder, as long as a pytest `MonkeyPatch` holds."""
    for name in ("card", "card_updates", "publishing"):
        patch.setattr(f"tfrec_fusion.zoo.prebuilt.{name}.CARDS", folder / "cards")
    for name in ("load", "card_updates", "publishing"):
        patch.setattr(f"tfrec_fusion.zoo.prebuilt.{name}.WEIGHTS", folder / "weights")


def use_without_texts(folder, patch):
    """As `use`, and publishing encodes no catalog."""
    use(folder, patch)
    patch.setattr(
        "tfrec_fusion.zoo.prebuilt.query_texts._save_vectors",
        lambda run, path: path.write_bytes(b"texts"),
    )
