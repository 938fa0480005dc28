"""Names of a graph: for people, and on the disk."""

import pytest

from tfrec_fusion.data.graph_names import GraphNames

RELATIONS = ("film.film.genre", "film.film.genre (inverse)", "has_part", "http://a.b.c/x_y", "a.b")
NAMES = GraphNames(("", "m.0é", "m.2"), RELATIONS)


def test_relations_are_readable_and_say_which_way_they_go():
    found = [NAMES.relation(one) for one in range(len(RELATIONS))]
    assert found == ["film: genre", "film: genre", "has part", "http://a.b.c/x y", "a.b"]
    assert (NAMES.arrow(0), NAMES.arrow(1)) == ("--film: genre-->", "<--film: genre--")
    assert NAMES.arrow(0, backwards=True) == NAMES.arrow(1)
    assert NAMES.arrow(1, backwards=True) == NAMES.arrow(0)


def test_names_are_kept_whole(tmp_path):
    NAMES.save(tmp_path / "graph.json")
    assert GraphNames.load(tmp_path / "graph.json") == NAMES
    assert [one.name for one in tmp_path.iterdir()] == ["graph.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff{", "does not hold a graph's names"),
        (b"[]", "Received: entities=None"),
        (b'{"entities": ["x"]}', "Received: relations=None"),
        (b'{"entities": ["x", 3], "relations": []}', r"Received: entities=\['x', 3\]"),
    ],
)
def test_what_is_no_names_is_refused(content, message, tmp_path):
    (tmp_path / "graph.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        GraphNames.load(tmp_path / "graph.json")
