"""Texts as tokens and vectors."""
