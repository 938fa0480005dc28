"""Amazon's product reviews of 2014, of which one category is read here: musical instruments.

    https://jmcauley.ucsd.edu/data/amazon/

The reviews may be used for research, but not be passed on: nothing is downloaded, and the user
points at a copy. Only users and items with at least five reviews are in it ("5-core").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfrec_fusion.data.sources.registry import DataSource

if TYPE_CHECKING:
    from tfrec_fusion.data.sources.layouts import Layout


def _layouts() -> tuple[Layout, ...]:
    from tfrec_fusion.data.sources.amazon_reviews.files import LAYOUTS

    return LAYOUTS


SOURCE = DataSource(
    name="musical-instruments",
    summary="10,261 Amazon reviews of 900 musical instruments by 1,429 people; needs a local copy",
    license=(
        "Published for research, with a citation asked for and no explicit license: never to be "
        "redistributed, nor a model that contains its texts."
    ),
    citation="R. He and J. McAuley. 2016. Ups and downs. WWW. Amazon data of 2014, 5-core.",
    layouts=_layouts,
    num_interactions=10_261,
    local_copy=(
        "get the 5-core reviews and the metadata of Musical Instruments from\n"
        "    https://jmcauley.ucsd.edu/data/amazon/, write them as reviews.csv.gz (user_id: "
        "reviewerID,\n    item_id: asin, rating: overall, timestamp: unixReviewTime, summary, "
        "review_text: reviewText)\n    and items.csv (item_id: asin, title, category), and give "
        "their folder as --data-dir (`data_dir`)"
    ),
)
