"""Fusions of sources, towers over ids and texts, and the space of texts: numbers by hand."""

import keras
import numpy as np
import pytest

from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.fusion import FUSIONS, ConcatFusion, fusion_layer
from tfrec_fusion.layers.retrieval import CatalogLogits
from tfrec_fusion.layers.text_table import EncodedTable, TextProfile, TextTable
from tfrec_fusion.zoo.models.text_hybrid.new_items import boost_for_share

IDS = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
TEXTS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], np.float32)
KERNEL = np.array([[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]], np.float32)


def made(kind):
    layer = fusion_layer(kind, 2)
    layer([IDS, TEXTS])
    layer.projections[1].set_weights([KERNEL])
    return layer


def test_concat_adds_the_projected_sources_that_are_there():
    layer = made("concat")
    assert layer([IDS, TEXTS]).numpy().tolist() == [[16, 7], [3, 14]]
    assert layer([IDS, TEXTS], [np.array([0, 1]), None]).numpy().tolist() == [[15, 5], [3, 14]]
    assert layer([IDS, TEXTS], [None, np.array([True, False])]).numpy().tolist()[1] == [3, 4]


def test_gates_share_out_each_dimension():
    layer = made("gated")
    layer.gate.set_weights([np.zeros((4, 4)), np.log([3.0, 1.0, 1.0, 1.0])])
    received = layer([IDS, TEXTS]).numpy()[0]  # gates 3/4 and 1/4, then 1/2 and 1/2
    assert received.tolist() == pytest.approx([0.75 * 1 + 0.25 * 15, 0.5 * 2 + 0.5 * 5])
    alone = layer([IDS, TEXTS], [np.array([0, 0]), None]).numpy()
    np.testing.assert_allclose(alone, TEXTS @ KERNEL, rtol=1e-6)


def test_attention_adds_what_its_query_asks_for():
    layer = made("attention")
    layer.query.assign([2**0.5 * np.log(3), 0])
    layer.preference.assign([0, -14 * np.log(3)])  # makes up for 15 against 1
    received = layer([IDS, TEXTS]).numpy()[0]  # scores 1 log 3 and (15 - 14) log 3: halves
    assert received.tolist() == pytest.approx([1.5 * 16, 1.5 * 7], rel=1e-4)
    alone = layer([IDS, TEXTS], [np.array([0, 0]), None]).numpy()
    np.testing.assert_allclose(alone, 2 * TEXTS @ KERNEL, rtol=1e-6)


def test_residual_starts_as_the_linear_fusion():
    layer = made("residual")
    assert layer([IDS, TEXTS]).numpy().tolist() == [[16, 7], [3, 14]]
    layer.narrow.set_weights([np.zeros((4, 2)), np.array([1.0, -1.0])])
    assert layer([IDS, TEXTS]).numpy().tolist() == [[17, 6], [4, 13]]


@pytest.mark.parametrize("kind", FUSIONS)
def test_where_no_source_is_there_the_vector_is_the_same_for_all(kind):
    layer, nowhere = made(kind), np.zeros(2)
    constant = [0, 0]
    if kind == "residual":  # gelu of the hidden biases, 0.8413 of 1, added up by the last layer
        layer.widen.set_weights([np.ones((4, 4)), np.ones(4)])
        layer.narrow.set_weights([np.ones((4, 2)), np.array([1.0, -1.0])])
        constant = [4 * 0.841345 + 1, 4 * 0.841345 - 1]
    received = layer([IDS, TEXTS], [nowhere, nowhere]).numpy()
    np.testing.assert_allclose(received, [constant, constant], rtol=1e-3)


def test_fusions_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"`kind` must be one of concat, gated.*'sum'"):
        fusion_layer("sum", 2)
    with pytest.raises(ValueError, match="`dim` must be positive"):
        ConcatFusion(0)
    with pytest.raises(ValueError, match="2 sources, 1 present, built for 2"):
        made("concat")([IDS, TEXTS], [None])


def test_the_tower_reads_an_id_only_where_it_is_known():
    tower = FusedTower(4, 2)
    text = np.zeros((4, 3), np.float32)
    text[2] = [1, 0, 0]
    tower.all_rows(text)
    tower.embeddings.assign([[9, 9], [1, 1], [2, 2], [3, 3]])
    tower.fuse.projections[1].set_weights([KERNEL])
    tower.set_known([1, 1, 0, 0])
    rows = tower.all_rows(text).numpy().tolist()
    assert rows == [[0, 0], [1, 1], [10, 0], [0, 0]]
    assert tower(np.array([2, 1]), text[[2, 1]]).numpy().tolist() == [[10, 0], [1, 1]]
    tower.set_stand_ins([2], [[5, 6]])
    assert tower(np.array([2, 1]), text[[2, 1]]).numpy().tolist() == [[5, 6], [1, 1]]
    training = tower(np.array([2, 1]), text[[2, 1]], training=True).numpy()
    assert training.tolist() == [[10, 0], [1, 1]]
    tower.set_known([1, 1, 0, 0])  # what stood in is forgotten
    assert tower.all_rows(text).numpy().tolist() == rows
    with pytest.raises(ValueError, match="a known row: True"):
        tower.set_stand_ins([1], [[5, 6]])
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*Received: shape \(2,\)"):
        tower.set_stand_ins([2], [5, 6])


def test_ids_are_dropped_in_training_alone_and_at_the_rate_asked_for():
    keras.utils.set_random_seed(0)
    tower = FusedTower(2001, 2, use_text=False, id_dropout=0.3)
    index = np.arange(2001)
    drawn = tower(index, training=True).numpy()
    rows = tower.embeddings.numpy() * (index > 0)[:, None]
    kept = (drawn == rows).all(axis=1)
    np.testing.assert_array_equal(drawn, np.where(kept[:, None], rows, 0))
    assert abs(kept[1:].mean() - 0.7) < 0.04  # four deviations
    np.testing.assert_array_equal(tower(index), rows)


def test_towers_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="`use_id` or `use_text`"):
        FusedTower(4, 2, use_id=False, use_text=False)
    with pytest.raises(ValueError, match="id_dropout=1"):
        FusedTower(4, 2, id_dropout=1)
    with pytest.raises(ValueError, match=r"shape \(4,\).*Received: shape \(3,\)"):
        FusedTower(4, 2).set_known([1, 1, 1])


def test_texts_are_centered_half_whitened_and_of_length_one():
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(500, 3)) * [16, 1, 0] + 7
    texts[[0, 5]] = 0
    table = TextTable(500, 3, 2)
    table.set_texts(texts)
    rows = table.all_rows().numpy()
    there = np.arange(500)
    there = there[(there != 0) & (there != 5)]
    np.testing.assert_allclose(np.linalg.norm(rows[there], axis=1), 1, rtol=1e-5)
    assert not rows[[0, 5]].any()
    # Deviations of some 16 and 1 become their square roots before the scaling to length 1.
    centered = texts[there] - texts[there].mean(0)
    variances, axes = np.linalg.eigh(centered.T @ centered / len(there))  # ascending
    assert np.sqrt(variances[[2, 1]]) == pytest.approx([16, 1], rel=0.1)
    whitened = centered @ axes[:, [2, 1]] / variances[[2, 1]] ** 0.25
    expected = whitened / np.linalg.norm(whitened, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(rows[there]), np.abs(expected), atol=1e-5)
    np.testing.assert_allclose(rows[there] @ rows[7], expected @ expected[there == 7][0], atol=1e-5)
    np.testing.assert_allclose(table.vectors_of_text(texts[[7]]), rows[[7]], atol=1e-5)


def test_fewer_texts_than_components_leave_zeros():
    table = TextTable(4, 8, 6)
    table.set_texts(np.eye(4, 8))
    rows = table.all_rows().numpy()
    # Three texts in a triangle of equal sides around their mean: cosines of -1/2.
    np.testing.assert_allclose(rows[1:] @ rows[1:].T, 1.5 * np.eye(3) - 0.5, atol=1e-5)
    assert not rows[0].any() and not rows[:, 2:].any()


def test_the_space_refuses_unsound_texts():
    table = TextTable(3, 2, 1)
    with pytest.raises(ValueError, match=r"shape \(3, 2\). Received: \(2, 2\)"):
        table.set_texts(np.ones((2, 2)))
    with pytest.raises(ValueError, match="NaN or infinity in row 1"):
        table.set_texts(np.array([[0, 0], [np.nan, 1], [1, 1]]))
    with pytest.raises(ValueError, match="holds no text"):
        table.set_texts(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="components=3, text_dim=2"):
        TextTable(3, 2, 3)


def test_a_profile_is_the_mean_so_far_of_the_texts_that_are_there():
    texts = np.array([[[1.0], [9.0], [2.0], [3.0]]], np.float32)
    valid = np.array([[True, False, True, True]])
    received = TextProfile(strength=10)(texts, valid).numpy()[0, :, 0]
    assert received.tolist() == [10, 10, 15, 20]
    assert TextProfile(strength=10)(texts, valid, last=True).numpy().tolist() == [[20]]


def test_an_encoded_table_follows_its_language_model():
    class Length(keras.layers.Layer):
        def call(self, token_ids, num_tokens):
            return keras.ops.cast(keras.ops.stack([num_tokens, 0 * num_tokens], 1), "float32")

    table = EncodedTable(4, 2, 1, tower=Length(), length=3)
    table.set_texts(np.array([[0, 0], [1, 0], [3, 0], [2, 0]]))
    table.set_tokens(np.ones((4, 3)), [3, 1, 0, 3])
    rows = table.all_rows().numpy()[:, 0]
    assert np.abs(rows).tolist() == pytest.approx([0, 1, 0, 1]) and rows[1] == -rows[3]
    assert table(np.array([3])).numpy()[0, 0] == rows[3]
    with pytest.raises(ValueError, match=r"shapes \(\(4, 3\), \(4,\)\)"):
        table.set_tokens(np.ones((4, 2)), [3, 1, 0, 3])


def test_an_encoded_table_pads_texts_to_the_longest_of_their_group():
    shapes = []

    class Sum(keras.layers.Layer):
        def call(self, token_ids, num_tokens):
            shapes.append(tuple(token_ids.shape))
            there = keras.ops.arange(token_ids.shape[1])[None, :] < num_tokens[:, None]
            total = keras.ops.sum(keras.ops.where(there, token_ids, 0), axis=1)
            return keras.ops.cast(keras.ops.stack([total, num_tokens], 1), "float32")

    rng = np.random.default_rng(0)
    ids, numbers = rng.integers(1, 9, (40, 12)), rng.integers(0, 13, 40)
    numbers[:3] = 5, 12, 0
    table = EncodedTable(40, 2, 2, tower=Sum(), length=12)
    table.set_texts(np.where(np.arange(40)[:, None] > 0, rng.normal(size=(40, 2)), 0))
    table.set_tokens(ids, numbers)
    table(np.array([0]))
    shapes.clear()
    rows = table.all_rows().numpy()
    longest = np.sort(np.where(np.arange(40) > 0, numbers, 0))
    assert shapes == [(20, longest[19]), (12, longest[31]), (6, longest[37]), (2, 12)]
    np.testing.assert_allclose(rows, table(np.arange(40)).numpy(), rtol=1e-6)
    lengths = (np.arange(40) > 0) & (numbers > 0)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), lengths, atol=1e-5)


def test_new_items_keep_out_of_training_and_are_lifted_afterwards():
    head = CatalogLogits(3, use_bias=False, partial=True)
    head.set_candidates([1, 1, 0], boost=5, stretch=3)
    query, items = np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)
    assert head(query, items).numpy().tolist() == [[2, 2, 3 * 2 + 5]]
    assert head(query, items, training=True).numpy()[0, 2] < -1e8
    with pytest.raises(ValueError, match="partial=False"):
        CatalogLogits(3).set_candidates([1, 1, 0])


def test_the_boost_gives_new_items_their_share_of_the_lists():
    rng = np.random.default_rng(0)
    scores, new = rng.normal(size=(400, 50)), np.arange(50) % 5 == 0
    scores[:, new] -= 8
    seen = rng.random((400, 50)) < 0.1
    boost = boost_for_share(scores, new, seen, share=0.3, k=10)
    lifted = np.where(seen, -np.inf, scores + boost * new)
    lifted[:, 0] = -np.inf
    best = np.argsort(-lifted, axis=1)[:, :10]
    # The boost is the least that reaches the share: without the last item it lifted, it is not.
    assert new[best].mean() == pytest.approx(0.3, abs=1 / best.size)
    assert boost_for_share(scores, np.zeros(50, bool), seen) == 0


@pytest.mark.parametrize("k", [5, 11, 15, 20, 23])
def test_in_a_small_catalog_new_items_are_lifted_and_not_pushed_down(k):
    """Lists of 20 of 24 items: wherever new items stood, they would fill a third of them."""
    rng = np.random.default_rng(0)
    scores, new = rng.normal(size=(40, 25)), np.arange(25) > 17  # 7 of 24 are new
    scores[:, new] -= 3
    seen = np.zeros((40, 25), bool)
    for row in seen:
        row[rng.choice(np.arange(1, 18), 6, replace=False)] = True  # 11 familiar ones are left
    boost = boost_for_share(scores, new, seen, k=k)
    lifted = np.where(seen, -np.inf, scores + boost * new)
    lifted[:, 0] = -np.inf
    lists = np.argsort(-lifted, axis=1)[:, : min(k, 11)]
    assert new[lists].mean() == pytest.approx(7 / 24, abs=1 / lists.size + 1e-9)
    assert 1 < boost < 5


def test_who_has_seen_every_familiar_item_tells_nothing_of_the_boost():
    scores, new = np.array([[0.0, 1, 2, 3], [0, 5, 6, 1]]), np.arange(4) == 3
    seen = np.array([[False, True, True, False], [False] * 4])
    assert boost_for_share(scores, new, seen, share=0.5, k=2) == pytest.approx(4, abs=1e-4)
    assert boost_for_share(scores[:1], new, seen[:1], share=0.5, k=2) == 0


def test_the_boost_by_hand():
    # Item 3 becomes first from 5, 3, 8 and 4 on, and is always among two from 1 on.
    scores = np.array([[9, 5, 1, 0], [9, 1, 3, 0], [9, 9, 2, 1], [9, 4, 0, 0]], float)
    new, seen = np.array([1, 0, 0, 1], bool), np.zeros((4, 4), bool)
    assert boost_for_share(scores, new, seen, k=1) == pytest.approx(4)  # a third: two of four
    assert boost_for_share(scores, new, seen, share=0.25, k=1) == pytest.approx(3)
    assert boost_for_share(scores, new, seen, share=0.6, k=1) == pytest.approx(5)
    assert boost_for_share(scores, new, seen, share=1.0, k=1) == pytest.approx(8)
    assert boost_for_share(scores, new, seen, share=0.5, k=2) == pytest.approx(1)
    seen[1, 3], seen[0, 1] = True, True  # user 1 is not offered it, user 0 has item 2 left
    assert boost_for_share(scores, new, seen, share=0.25, k=1) == pytest.approx(1)
    assert boost_for_share(scores, new, seen, share=0.75, k=1) == pytest.approx(8)
