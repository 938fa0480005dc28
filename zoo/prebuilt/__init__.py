"""Prebuilt models: cards, weights, publishing and reproducing."""
