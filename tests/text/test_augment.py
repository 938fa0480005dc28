"""Text augmentation: what may change, what must stay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion.text.pretraining.augment import TextAugmentation
from tfrec_fusion.training.fit import fit

LENGTH = 12
NUMBER = np.array([0, 1, 2, 3, 7, 12] * 50, np.int32)
IDS = np.where(np.arange(LENGTH) < NUMBER[:, None], np.arange(1, LENGTH + 1), 0).astype(np.int32)
BATCH = {"item_token_ids": tf.constant(IDS), "item_num_tokens": tf.constant(NUMBER)}


def changed(**choices):
    return TextAugmentation(("item",), **choices)(BATCH, seed=[3, 4])["item_token_ids"].numpy()


@pytest.mark.parametrize("kept", [0, 1])
def test_a_swap_keeps_the_words_the_padding_and_the_ends(kept):
    found = changed(span_swap=1.0, kept=kept)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(IDS, axis=1))
    for row, before, number in zip(found, IDS, NUMBER, strict=True):
        np.testing.assert_array_equal(row[number:], 0)
        np.testing.assert_array_equal(row[:kept], before[:kept])
        np.testing.assert_array_equal(row[number - kept : number], before[number - kept : number])
        assert (row != before).any() == (number - 2 * kept >= 2)
        # two runs changed places: at most three places where a token does not follow its neighbor
        steps = np.diff(row[:number])
        assert (steps != 1).sum() <= 3


def test_a_rate_is_the_share_of_texts_that_change():
    found = changed(span_swap=0.4)
    long = NUMBER >= 2
    assert 0.3 < (found != IDS).any(axis=1)[long].mean() < 0.5


def test_words_are_left_out_at_their_rate_and_nothing_else_is():
    found = changed(word_dropout=0.3, unknown_id=99, kept=1)
    place = np.arange(LENGTH)
    within = (place >= 1) & (place < NUMBER[:, None] - 1)
    assert 0.25 < (found == 99)[within].mean() < 0.35
    np.testing.assert_array_equal(found[~within], IDS[~within])
    np.testing.assert_array_equal(found[found != 99], IDS[found != 99])


def test_without_rates_nothing_changes():
    np.testing.assert_array_equal(changed(), IDS)


def test_one_seed_changes_one_way():
    augment = TextAugmentation(("item",), span_swap=1.0, word_dropout=0.1)
    first, again, other = (
        augment(BATCH, seed)["item_token_ids"] for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    moved = (first != other).numpy().any(axis=1)
    assert not moved[NUMBER == 0].any() and moved[NUMBER == 12].all()


def test_fit_changes_each_batch_of_each_epoch_anew():
    seen = []
    ids = keras.Input((LENGTH,), dtype="int32", name="item_token_ids")
    numbers = keras.Input((), dtype="int32", name="item_num_tokens")
    output = keras.layers.Dense(1)(keras.ops.cast(ids, "float32"))
    model = keras.Model({"item_token_ids": ids, "item_num_tokens": numbers}, output)
    augment = TextAugmentation(("item",), span_swap=1.0)

    def watched(x, seed):
        tf.py_function(lambda one: seen.append(tuple(one.numpy())), [seed], [])
        return augment(x, seed)

    batches = tf.data.Dataset.from_tensors((BATCH, np.zeros((len(IDS), 1)))).repeat(3)
    arguments = {"optimizer": keras.optimizers.SGD(0.0), "loss": "mse", "progress": False}
    losses = fit(model, batches, epochs=2, augment=watched, seed=5, **arguments).history["loss"]
    assert len(set(seen)) == len(seen) == 6
    assert losses[0] != losses[1]  # the weights stand still, the texts do not


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`word_dropout` must be between 0 and 1"):
        TextAugmentation(("item",), word_dropout=1.5)
    with pytest.raises(ValueError, match="`kept` must not be negative"):
        TextAugmentation(("item",), kept=-1)
    with pytest.raises(ValueError, match="'user', which needs user_token_ids and user_num_tokens"):
        TextAugmentation(("user",), span_swap=0.5)(BATCH, seed=[1, 2])


def test_two_texts_of_a_row_change_each_for_itself():
    ids, number = tf.constant([list(range(1, 41))] * 2), tf.constant([40, 40])
    batch = {}
    for name in ("user", "item"):
        batch |= {f"{name}_token_ids": ids, f"{name}_num_tokens": number}
    changed = TextAugmentation(("user", "item"), word_dropout=0.5)(batch, seed=[1, 2])
    one, other = (changed[f"{name}_token_ids"].numpy() for name in ("user", "item"))
    assert (one != other).any() and (one[0] != one[1]).any()
    assert set(np.unique(one)) | set(np.unique(other)) <= set(range(41))
