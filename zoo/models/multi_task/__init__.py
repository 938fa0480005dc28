"""Next items, ratings, sentiment and review texts learned together."""
