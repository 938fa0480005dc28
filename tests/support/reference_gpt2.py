"""GPT-2's hidden states in plain NumPy, from the papers, for comparison.

Radford et al. (2018, 2019): token and position embeddings, blocks whose two parts each begin with
a layer normalization, GELU in its tanh form, a last normalization. The weights are those of a
Hugging Face `model.safetensors`, whose kernels are `(inputs, outputs)`; in float64.
"""

import numpy as np
from safetensors.numpy import load_file


def gelu_new(x):
    """Hendrycks and Gimpel (2016), the tanh approximation."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, weights, name):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[
        f"{name}.bias"
    ]


def dense(x, weights, name):
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def softmax(x):
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def attention(x, weights, name, num_heads):
    """Of one text, `(length, dim)`: each token looks at itself and at those before it."""
    length, dim = x.shape
    together = dense(x, weights, f"{name}.c_attn")  # (length, 3 * dim)
    query, key, value = (
        part.reshape(length, num_heads, -1).transpose(1, 0, 2)  # (heads, length, dim / heads)
        for part in np.split(together, 3, axis=-1)
    )
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(dim // num_heads)  # (heads, length, length)
    scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
    mixed = (softmax(scores) @ value).transpose(1, 0, 2).reshape(length, dim)
    return dense(mixed, weights, f"{name}.c_proj")


def hidden_states(path, token_ids, num_heads):
    """`(length, dim)` vectors of one text's `(length,)` tokens, without padding."""
    weights = {name: one.astype(np.float64) for name, one in load_file(path).items()}
    x = weights["wte.weight"][token_ids] + weights["wpe.weight"][: len(token_ids)]
    num_layers = sum(name.endswith("ln_1.weight") for name in weights)
    for layer in range(num_layers):
        block = f"h.{layer}"
        normed = layer_norm(x, weights, f"{block}.ln_1")
        x = x + attention(normed, weights, f"{block}.attn", num_heads)
        normed = layer_norm(x, weights, f"{block}.ln_2")
        inner = gelu_new(dense(normed, weights, f"{block}.mlp.c_fc"))
        x = x + dense(inner, weights, f"{block}.mlp.c_proj")
    return layer_norm(x, weights, "ln_f")
