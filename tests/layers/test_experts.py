"""Experts that tasks share: numbers by hand, and that tasks are apart where they should be."""

import keras
import numpy as np
import pytest

from tfrec_fusion.layers.experts import PLE, Experts, MMoE

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def test_one_expert_is_a_shared_bottom_exactly():
    mixture = MMoE(num_tasks=2, num_experts=1, units=(6, 4))
    bottoms = np.asarray(mixture(X))
    bottom = keras.Sequential([keras.layers.Dense(6, "relu"), keras.layers.Dense(4, "relu")])
    bottom.build(X.shape)
    bottom.set_weights([np.asarray(w)[0].reshape(v.shape) for w, v in _in_order(mixture, bottom)])
    for task in range(2):
        np.testing.assert_array_equal(bottoms[:, task], np.asarray(mixture.experts(X))[:, 0])
        np.testing.assert_allclose(bottoms[:, task], bottom(X), rtol=1e-6, atol=1e-7)


def _in_order(mixture, bottom):
    experts = mixture.experts
    pairs = zip(experts.kernels, experts.biases, strict=True)
    return zip([weight for pair in pairs for weight in pair], bottom.weights, strict=True)


def test_a_mixture_by_hand():
    mixture = MMoE(num_tasks=2, num_experts=2, units=(1,))
    mixture(np.ones((1, 1)))
    kernel, bias = np.array([[[2.0]], [[5.0]]]), np.array([[[0.0]], [[1.0]]])
    mixture.experts.set_weights([kernel, bias])  # 2 x and 5 x + 1
    mixture.gate.set_weights([np.array([[[np.log(3.0), 0.0], [0.0, 0.0]]])])
    bottoms, gates = mixture(np.array([[1.0]]), return_gates=True)
    np.testing.assert_allclose(gates, [[[0.75, 0.25], [0.5, 0.5]]], rtol=1e-6)
    np.testing.assert_allclose(bottoms, [[[0.75 * 2 + 0.25 * 6], [4.0]]], rtol=1e-6)


def drawn(layer):
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def of_experts(experts, x):
    """One expert and one layer after the other, `(batch, num_experts, units)`."""
    found = []
    for number in range(experts.num_experts):
        hidden = x
        for kernel, bias in zip(experts.kernels, experts.biases, strict=True):
            hidden = np.maximum(hidden @ np.asarray(kernel)[number] + np.asarray(bias)[number], 0)
        found.append(hidden)
    return np.stack(found, axis=1)


def of_gate(kernel, x):
    share = np.exp(x @ np.asarray(kernel))
    return share / share.sum(-1, keepdims=True)


def test_each_task_gates_the_experts_they_share():
    mixture = MMoE(num_tasks=2, num_experts=3, units=(4, 2))
    mixture(X)
    drawn(mixture)
    experts = of_experts(mixture.experts, X)
    bottoms, gates = mixture(X, return_gates=True)
    for task in range(2):
        gate = of_gate(np.asarray(mixture.gate.kernel)[:, task], X)
        np.testing.assert_allclose(gates[:, task], gate, rtol=1e-5)
        expected = sum(gate[:, [e]] * experts[:, e] for e in range(3))
        np.testing.assert_allclose(bottoms[:, task], expected, rtol=1e-4, atol=1e-5)


def test_a_gate_weights_its_own_experts_then_the_shared_ones():
    layer = PLE(num_tasks=2, num_shared=3, num_own=2, units=(4,), num_levels=3)
    layer(X)
    drawn(layer)
    shared, inputs = X, [X, X]
    for level in range(3):
        of_shared = of_experts(layer.shared[level], shared)
        own = [of_experts(layer.own[level][task], inputs[task]) for task in range(2)]
        gates = [of_gate(layer.gates[level][task].kernel, inputs[task]) for task in range(2)]
        if level < 2:  # experts of task 0, of task 1, then the shared ones
            everyone = of_gate(layer.shared_gates[level].kernel, shared)
            shared = np.einsum("be,beu->bu", everyone, np.concatenate([*own, of_shared], axis=1))
        inputs = [
            np.einsum("be,beu->bu", gates[task], np.concatenate([own[task], of_shared], axis=1))
            for task in range(2)
        ]
    bottoms, received = layer(X, return_gates=True)
    np.testing.assert_allclose(received, np.stack(gates, axis=1), rtol=1e-4)
    np.testing.assert_allclose(bottoms, np.stack(inputs, axis=1), rtol=1e-4, atol=1e-5)


def test_an_experts_start_does_not_depend_on_how_many_there_are():
    spreads = []
    for number in (1, 32):
        keras.utils.set_random_seed(0)
        experts = Experts(number, (64,))
        experts(np.ones((1, 64), np.float32))
        spreads.append(np.std(experts.kernels[0]))
    assert spreads[0] == pytest.approx(spreads[1], rel=0.05)


def test_a_tasks_own_experts_do_not_reach_another_task():
    layer = PLE(num_tasks=2, num_shared=1, num_own=2, units=(4,), num_levels=1)
    before = np.asarray(layer(X))
    layer.own[0][1].kernels[0].assign(7 * np.ones((2, 3, 4)))
    after = np.asarray(layer(X))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert np.abs(before[:, 1] - after[:, 1]).max() > 0.1


def test_levels_share_through_the_gate_over_all_experts():
    layer = PLE(num_tasks=2, num_shared=1, num_own=1, units=(4,), num_levels=2)
    before = np.asarray(layer(X))
    layer.own[0][1].kernels[0].assign(7 * np.ones((1, 3, 4)))
    after, gates = layer(X, return_gates=True)
    assert np.abs(before[:, 0] - np.asarray(after)[:, 0]).max() > 1e-3
    np.testing.assert_allclose(np.sum(gates, axis=-1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Experts(0, (4,)),
        lambda: Experts(2, ()),
        lambda: MMoE(0),
        lambda: MMoE(2, units=(0,)),
        lambda: PLE(2, num_levels=0),
        lambda: PLE(2, num_own=0),
    ],
)
def test_sizes_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="positive"):
        make()
