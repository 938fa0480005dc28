import pandas as pd
import pytest

from tfrec_fusion.data.features import LabelFeatures, multi_hot

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


def test_new_labels_follow_the_old_ones_of_every_column():
    old = LabelFeatures.from_table(TABLE, ["genres", "year"])
    new = pd.DataFrame({"genres": ["Action|War"], "year": ["1980"], "no": ""})
    grown = LabelFeatures.from_table(pd.concat([TABLE, new]), ["genres", "year"], old.labels)
    assert grown.labels == (
        ("genres", "Drama"),
        ("genres", "War"),
        ("year", "1995"),
        ("year", "2001"),
        ("genres", "Action"),
        ("year", "1980"),
    )
    received = grown.multi_hot()
    assert received[:4, :4].tolist() == old.multi_hot().tolist()
    assert received[:4, 4:].sum() == 0
    assert received[4].tolist() == [0, 1, 0, 0, 1, 1]


def test_a_label_that_is_gone_keeps_its_feature():
    old = LabelFeatures.from_table(TABLE, ["genres"])
    rest = LabelFeatures.from_table(TABLE[1:2].assign(genres="War"), ["genres"], old.labels)
    assert rest.multi_hot().tolist() == [[0, 0], [0, 1]]


def test_features_are_read_back_as_they_were(tmp_path):
    old = LabelFeatures.from_table(TABLE, ["genres", "year"])
    old.save(tmp_path / "features.json")
    again = LabelFeatures.load(tmp_path / "features.json")
    assert again.labels == old.labels
    assert again.multi_hot().tolist() == old.multi_hot().tolist()
    (tmp_path / "features.json").write_text('{"labels": [1]}')
    with pytest.raises(ValueError, match=r"features\.json does not hold columns of labels"):
        LabelFeatures.load(tmp_path / "features.json")
