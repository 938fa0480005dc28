"""Language models: presets, downloads and adaptation."""
