"""Approximate nearest-neighbor indices over item vectors."""
