import keras
import numpy as np
import pytest

from tfrec_fusion.losses import SmoothedSoftmax

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(4, 3, 6)).astype(np.float32)
TARGET = RNG.integers(0, 6, size=(4, 3))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_it_is_keras_own_smoothing_on_one_hot_targets(smoothing):
    keras_own = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    expected = keras_own(np.eye(6, dtype=np.float32)[TARGET], LOGITS)
    np.testing.assert_allclose(SmoothedSoftmax(smoothing)(TARGET, LOGITS), expected, rtol=1e-5)


def test_weights_and_removed_classes_count_for_nothing():
    loss = SmoothedSoftmax(0.3)
    weight = np.zeros((4, 3), np.float32)
    weight[1, 2] = 12
    alone = loss(TARGET[1:2, 2:], LOGITS[1:2, 2:])
    np.testing.assert_allclose(loss(TARGET, LOGITS, weight), alone, rtol=1e-5)
    removed = np.concatenate([LOGITS, np.full((4, 3, 1), -1e9, np.float32)], axis=-1)
    np.testing.assert_allclose(loss(TARGET, removed), loss(TARGET, LOGITS), rtol=1e-5)


def test_it_is_built_again_from_its_config_and_refuses_what_is_out_of_range():
    again = keras.losses.deserialize(keras.losses.serialize(SmoothedSoftmax(0.25)))
    assert again.label_smoothing == 0.25
    with pytest.raises(ValueError, match=r"below 1. Received: 1"):
        SmoothedSoftmax(1.0)
