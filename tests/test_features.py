import pandas as pd
import pytest

from tfrec_fusion.data.features import multi_hot

TABLE = pd.DataFrame(
    {"genres": ["Drama|War", "", None], "year": ["1995", "1995", "2001"], "no": ""}
)


def test_labels_of_all_columns_side_by_side_with_none_for_the_unseen_item():
    received = multi_hot(TABLE, ["genres", "year"])
    assert received.dtype == "float32"
    assert received.tolist() == [[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_unknown_and_empty_columns_are_refused():
    with pytest.raises(
        ValueError, match=r"columns of the catalogue, genres, year, no\. Received: 'x"
    ):
        multi_hot(TABLE, ["x"])
    with pytest.raises(ValueError, match=r"Column 'no' of the catalogue holds no label"):
        multi_hot(TABLE, ["no"])


def test_labels_are_separated_by_what_is_given():
    table = pd.DataFrame({"genres": ["Drama, War", "War", "A|B"]})
    received = multi_hot(table, ["genres"], separator=", ")
    assert received.tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 1], [1, 0, 0]]
