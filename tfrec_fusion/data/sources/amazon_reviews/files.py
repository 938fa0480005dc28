"""Reviews of Amazon as tables: `reviews.csv.gz` and `items.csv`."""

from __future__ import annotations

from tfrec_fusion.data.sources.layouts import Files, Layout, Tables
from tfrec_fusion.data.tables.columns import clean_ratings
from tfrec_fusion.data.tables.text_tables import parse_text_table

REVIEWS, ITEMS = "reviews.csv.gz", "items.csv"
RATINGS = (1, 5)


def read_reviews(files: Files) -> Tables:
    """Reads reviews, whose summary and text become one text, and items with their category.

    Args:
        files: Contents by name: reviews with `user_id`, `item_id`, `rating`, `timestamp`,
            `summary` and `review_text`; items with `item_id`, `title` and `category`.
    """
    reviews, items = (parse_text_table(files[name], name) for name in (REVIEWS, ITEMS))
    reviews["text"] = reviews["summary"] + ". " + reviews["review_text"]
    items.insert(items.columns.get_loc("title") + 1, "text", items["category"])
    clean_ratings(reviews["rating"], RATINGS)
    return Tables(reviews.drop(columns=["summary", "review_text"]), items)


LAYOUTS = (Layout((REVIEWS, ITEMS), read_reviews),)
