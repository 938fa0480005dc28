"""The language models that the package knows by name; each module ends in a `PRESET`."""
