"""Words for what a score comes from, in the output `source` of an exported model."""

MODEL = "model"
POPULARITY = "popularity"  # how many events the item has: the user or the history is unknown
NEW_USER = "new_user"  # the model's score for a user without a history
TEXT = "text"  # the cosine of two texts
NO_ANSWER = ""
