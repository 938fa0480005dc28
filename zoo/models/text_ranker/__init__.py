"""A language model that scores pairs of a user's text and an item's text."""
