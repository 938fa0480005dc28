"""One contract for every neural model of the zoo, then what is special to each."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from built_models import (
    CASES,
    DATA,
    HYBRID,
    KNOWLEDGE,
    ROWS,
    SIZES,
    SLOW,
    SMALL,
    TEXTS,
    built,
    one_batch,
    shared,
)
from reference_protocol import assert_ranked, reference_ranking
from scipy.special import softmax

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.training.fit import fit
from tfrec_fusion.zoo.models.ncf.network import NCFConfig
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig
from tfrec_fusion.zoo.models.text_hybrid.new_items import boost_for_share, offer_new_items
from tfrec_fusion.zoo.runs.full_ranking import ranking_of
from tfrec_fusion.zoo.runs.task_losses import losses_of


def every_case(prepare):
    """A fixture that has every case prepared."""
    marked = [pytest.param(one, marks=pytest.mark.slow if one in SLOW else ()) for one in CASES]
    return pytest.fixture(params=marked)(lambda request: prepare(request.param))


case, network = every_case(str), every_case(shared)


def test_every_network_is_under_the_contract():
    networks = {name: spec for name, spec in zoo.specs().items() if not spec.is_baseline}
    assert {name for name, _ in CASES.values()} == set(networks)


def test_plain_keras_compiles_fits_and_overfits_one_batch(case):
    model = built(CASES[case])
    spec, batch = one_batch(CASES[case], model)
    model.compile(keras.optimizers.Adam(0.03), loss=losses_of(spec, model))
    losses = model.fit(batch, epochs=60, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.75 * losses[0]  # several positives a user: not every loss can reach 0


def test_a_seed_gives_the_same_weights_again(case):
    first, second = (built(CASES[case]).get_weights() for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_output_carries_a_mask(network):
    for output in network.model(network.batch[0]).values():
        assert getattr(output, "_keras_mask", None) is None


@pytest.mark.parametrize("case", ["attention", "gru", "hybrid"])
def test_the_loss_of_every_encoder_is_that_of_numpy(case):
    model = built(CASES[case])
    # Short windows are padded on the left: a mask that reaches the loss would raise their weight.
    history = np.array([[0, 0, 0, 0, 0, 3], [0, 0, 0, 5, 2, 7], [4, 1, 8, 2, 6, 9]])
    target = np.array([[0, 0, 0, 0, 0, 8], [0, 0, 0, 2, 7, 1], [1, 8, 2, 6, 9, 3]])
    x, weight = {"history": history}, (target > 0) * np.float32(1.5)
    model.compile("sgd", losses_of(zoo.get_spec(model.name), model))
    logits = model(x)["logits"].numpy().astype(np.float64)
    likelihood = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -np.take_along_axis(likelihood, target[..., None], axis=-1)[..., 0]
    states = model.get_layer("encoder")(np.ones((*history.shape, 8), np.float32), history > 0)
    assert getattr(states, "_keras_mask", None) is None
    received = model.test_on_batch(x, target, weight)
    assert received == pytest.approx((loss * weight).mean(), rel=1e-5)


def test_keras_file_round_trip(network, tmp_path):
    model = network.model
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = network.batch[0]
    for name, output in model(inputs).items():
        np.testing.assert_array_equal(output, loaded(inputs)[name])
    assert loaded.config == model.config
    np.testing.assert_array_equal(*(raw_scores(one) for one in (model, loaded)))


def test_inputs_and_outputs_are_named_dictionaries(network):
    model = network.model
    assert set(model.output) <= {"logits", *network.spec.tasks}
    words = {"review_token_ids", "review_num_tokens", "pair_step", "pair_item", "pair_rating"}
    ids = {"user_id", "item_id", "history"}
    assert set(model.input) <= ids | words | {"candidate_sampling_probability"}


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("user and history", {"candidate_tower": "items", "query_tower": "encoder"}),
        ("in-batch user", {"user_tower": "user", "retrieval_head": "logits", "query_tower": None}),
        (
            "hybrid user",
            {"candidate_tower": "items", "user_tower": "users", "item_text": "item_text"},
        ),
        ("knowledge", {"knowledge_graph": "graph", "query_tower": "encoder", "user_tower": None}),
        ("tasks", {"rating_biases": "biases", "review_reader": "reader", "bottom": "bottom"}),
        ("evidence", {"candidate_tower": "items", "query_tower": "encoder", "texts": "texts"}),
        ("neumf", {"item_gmf": "item_gmf", "user_mlp": "user_mlp", "gmf": "gmf"}),
    ],
)
def test_sublayers_are_attributes_and_add_no_weight(case, names):
    model = shared(case).model
    for attribute, name in names.items():
        expected = None if name is None else model.get_layer(name)
        assert getattr(model, attribute) is expected
    order = {id(weight): None for layer in model.layers for weight in layer.weights}
    assert [id(weight) for weight in model.weights] == list(order)


USERS = np.arange(SIZES["num_users"])
HALF = {"mixed_bfloat16": 2**-7, "mixed_float16": 2**-10, "bfloat16": 2**-7, "float16": 2**-10}


def half_precision(case, policy):
    """One policy of every case in the default run, all of some."""
    usual = policy == "mixed_bfloat16" or case in ("neumf", "attention")
    slow = () if usual and case not in SLOW else pytest.mark.slow
    return pytest.param(case, policy, marks=slow, id=f"{case}-{policy}")


@pytest.mark.parametrize(
    ("case", "policy"), [half_precision(case, policy) for case in CASES for policy in HALF]
)
def test_half_precision_trains_and_scores_in_float32(case, policy, tmp_path):
    network, one = shared(case, policy), shared(case).batch
    model, batch = network.model, tf.data.Dataset.from_tensors(one)
    optimizer = keras.optimizers.SGD(0.05)
    if policy == "mixed_float16":  # Keras's own begins at 2 ** 15, and skips steps until it fits
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**8)
    model.compile(optimizer, loss=losses_of(network.spec, model), run_eagerly=True)
    before = model.get_weights()
    assert np.isfinite(model.fit(batch, epochs=2, verbose=0).history["loss"]).all()
    moved = zip(before, model.get_weights(), strict=True)
    assert any((then != now).any() for then, now in moved)
    found = model(one[0], training=True)
    added = {f"loss {number}": one for number, one in enumerate(model.losses)}
    assert {one.dtype for one in (*found.values(), *added.values())} == {tf.float32}
    assert model.item_vectors().dtype == np.float32
    others = (model.history_model(), model.similarity_model())
    if "pair_step" in model.input:
        others += (model.pair_model(DATA.train),)
    declared = {one.dtype for graph in others if graph is not None for one in graph.outputs}
    assert declared == {"float32"}
    received = raw_scores(model)
    assert_near_float32(case, model, received, HALF[policy])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy.name == policy
    np.testing.assert_array_equal(raw_scores(loaded), received)


def raw_scores(model, users=USERS, **choices):
    scored = model.score_model(DATA.train, **choices)({"user_id": users})["scores"]
    assert scored.dtype == tf.float32
    return np.asarray(scored)


def assert_near_float32(case, model, received, epsilon):
    """The same weights in float32 give the same scores, but for six roundings of the largest."""
    full = shared(case)
    for mine, its in zip(full.model.weights, model.weights, strict=True):
        mine.assign(keras.ops.cast(its, mine.dtype))
    expected = full.scores(USERS)
    rounding = 6 * epsilon * np.abs(expected).max()
    np.testing.assert_allclose(received, expected, rtol=0, atol=rounding)
    # Scores kept in half precision would tie, several in each list.
    ties, usual = (
        sum(len(row) - len(np.unique(row)) for row in one) for one in (received, expected)
    )
    assert ties <= usual + len(received) // 4


def test_gradients_are_finite_also_in_bfloat16(case):
    network, (x, y, *weight) = shared(case, "mixed_bfloat16"), shared(case).batch
    model = network.model
    with tf.GradientTape() as tape:
        found = model(x, training=True)
        y = y if isinstance(y, dict) else {"logits": y}
        given = weight[0] if weight and isinstance(weight[0], dict) else {"logits": weight}
        loss = sum(
            one(y[name], found[name], *tf.nest.flatten(given.get(name, [])))
            for name, one in losses_of(network.spec, model).items()
        )
        loss += sum(model.losses)
    weights = {one.path: one.value for one in model.trainable_weights}
    gradients = tape.gradient(loss, weights)
    one_expert = getattr(model.config, "bottom", "") == "shared"  # its gate has nothing to choose
    still = {path for path, gradient in gradients.items() if gradient is None}
    assert still == ({"bottom/gate/kernel"} if one_expert else set())
    for path in gradients.keys() - still:
        gradient = np.asarray(tf.convert_to_tensor(gradients[path]), np.float32)
        assert np.isfinite(gradient).all(), path


def test_scores_cover_the_catalog(network):
    received = network.scores(USERS)
    assert received.shape == (SIZES["num_users"], SIZES["num_items"])
    assert received.dtype == np.float32
    alone = np.concatenate([network.scores([user]) for user in (0, 7)])
    np.testing.assert_allclose(received[[0, 7]], alone, rtol=1e-4, atol=1e-5)
    assert network.scores(np.zeros(0, int)).shape == (0, SIZES["num_items"])


def test_frozen_scores_are_the_live_ones_until_training_goes_on(network):
    model, live, users = network.model, network.scores, np.arange(5)
    frozen = model.score_model(DATA.train, frozen=True)
    before = np.asarray(frozen({"user_id": users})["scores"])
    np.testing.assert_allclose(before, live(users), rtol=1e-4, atol=1e-5)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    now = raw_scores(model, users)
    np.testing.assert_allclose(live(users), now, rtol=1e-4, atol=1e-5)
    assert np.abs(now - before).max() > 1e-3


def test_a_history_is_scored_like_the_user_who_has_it(network):
    model = network.model
    graph = model.history_model()
    if graph is None:
        assert "history" not in model.input or "user_id" in model.input
        return
    histories = DATA.train.histories(6)[3:5]
    older = np.array([[7, 2, 9], [1, 1, 8]], np.int32)  # before the six that training reads
    longer = np.concatenate([older, histories], axis=1)
    received, cut = (np.asarray(graph({"history": one})["scores"]) for one in (histories, longer))
    np.testing.assert_allclose(cut, received, atol=1e-6)
    if "user_id" not in model.input:
        np.testing.assert_allclose(received, network.scores([3, 4]), rtol=1e-4, atol=1e-5)
    rows = np.flatnonzero(DATA.train.user == 3)  # the unseen user 0 takes over what user 3 did
    events = dataclasses.replace(
        DATA.train, user=0 * rows, **{name: getattr(DATA.train, name)[rows] for name in ROWS[1:]}
    )
    received = np.asarray(graph({"history": events.histories(6)[:1]})["scores"])
    expected = np.asarray(model.score_model(events)({"user_id": np.zeros(1, int)})["scores"])
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_similarity_is_the_cosine_of_item_vectors(network):
    model = network.model
    vectors = model.item_vectors()
    cosines = np.asarray(model.similarity_model()({"item_id": np.array([3])})["scores"])[0]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(cosines, unit @ unit[3], atol=1e-5)
    assert cosines.argmax() == 3


@pytest.mark.parametrize("name", ["gmf", "mlp", "neumf"])
def test_ncf_scores_pairs_and_the_catalog_alike(name):
    network = shared(name)
    for weight in network.model.trainable_weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    item = np.arange(SIZES["num_items"])
    pairs = network.model({"user_id": np.full_like(item, 4), "item_id": item})["logits"]
    np.testing.assert_allclose(network.scores([4])[0], pairs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["attention", "gru", "user and history", "features"])
def test_two_tower_scores_are_the_logits_after_the_last_item(name):
    network = shared(name)
    histories = DATA.train.histories(6)
    inputs = {"history": histories[3:5], "user_id": np.array([3, 4])}
    given = {key: inputs[key] for key in network.model.input}
    np.testing.assert_allclose(
        network.scores([3, 4]), network.model(given)["logits"][:, -1], rtol=1e-4, atol=1e-5
    )


def test_neumf_starts_as_the_sum_of_its_trained_branches():
    neumf, gmf, mlp = map(shared, ("neumf", "gmf", "mlp"))
    for network in (gmf, mlp):
        for weight in network.model.trainable_weights:
            weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    neumf.model.start_from(gmf.model, mlp.model, share=0.25)
    expected = 0.25 * gmf.scores([1, 2]) + 0.75 * mlp.scores([1, 2])
    np.testing.assert_allclose(neumf.scores([1, 2]), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"must have a layer `user_gmf` with weights \[\(31, 8\)"):
        neumf.model.start_from(built(("gmf", {"gmf_dim": 4})), mlp.model)


def test_a_falling_rate_rises_for_half_an_epoch_and_ends_at_zero():
    config = zoo.build("gpt2_hybrid", num_users=4, num_items=5, item_text=np.eye(5), dim=4).config
    recipe = zoo.get_spec("gpt2_hybrid").recipe_of(config)
    recipe = dataclasses.replace(recipe, epochs=3, learning_rate=0.8)
    rate = recipe.optimizer(steps_per_epoch=20)._learning_rate
    assert [round(float(rate(step)), 4) for step in (0, 5, 10, 35, 60)] == [0, 0.4, 0.8, 0.4, 0]


def test_training_learns_the_planted_signal():
    tables = generate(200, 60, 6000, seed=4)
    data = index_data(tables)
    keras.utils.set_random_seed(0)
    model = zoo.build(
        "two_tower", num_users=len(data.users), num_items=len(data.items), **{**SMALL, "dim": 16}
    )
    spec = zoo.get_spec("two_tower")
    batches = spec.batches(model, data.train, 16, 0)
    optimizer = spec.recipe_of(model.config).optimizer(int(batches.cardinality()))
    fit(model, batches, epochs=20, optimizer=optimizer, loss=losses_of(spec, model))
    known, heldout = (one.matrix().toarray() > 0 for one in (data.train, data.validation))
    known[:, 0] = True

    def ndcg(scores):
        return reference_ranking(scores, known, heldout, ks=(10,))["ndcg@10"]

    scores = model.score_model(data.train)({"user_id": np.arange(len(known))})["scores"]
    scores = np.asarray(scores)
    measured = ranking_of(model, data.train, data.validation, num_bootstrap=0)().metrics
    assert_ranked(measured, scores, known, heldout, ks=(10,))
    learned = ndcg(scores)
    popular = np.tile(data.train.item_counts, (len(known), 1))
    # Who knows the topics weighs popularity by how often the user took an item of the same one.
    topic = np.array([None, *tables.items.set_index("item_id")["genres"][data.items.ids[1:]]])
    alike = topic[:, None] == topic[None, :]
    planted = ndcg(popular * (data.train.matrix() @ alike))
    assert learned - ndcg(popular) > (planted - ndcg(popular)) / 4 > 0.02


def test_build_refuses_what_it_does_not_know():
    with pytest.raises(
        ValueError, match=r"one of ease, item_knn.*Received: 'neuralmf'\. .*'neumf'"
    ):
        zoo.build("neuralmf")
    with pytest.raises(ValueError, match="neumf needs `num_users` and `num_items`"):
        zoo.build("neumf")
    with pytest.raises(ValueError, match=r"ease takes l2.*Received: lambda"):
        zoo.build("ease", **{"lambda": 3})
    with pytest.raises(ValueError, match="`encoder` must be one of"):
        zoo.build("two_tower", **SIZES, encoder="lstm")
    with pytest.raises(AttributeError, match=r"fusion\.zoo' has no attribute 'magic'"):
        zoo.magic  # noqa: B018
    with pytest.raises(ValueError, match="this model reads the users'"):
        shared("attention").model.score_model()
    with pytest.raises(ValueError, match="ease is fitted in closed form: it has no recipe"):
        zoo.get_spec("ease").recipe_of(None)


def test_a_large_catalog_is_trained_on_the_batchs_candidates():
    choices = [zoo.build("two_tower", num_users=9, num_items=n, dim=2) for n in (50, 30_000)]
    assert [model.config.negatives for model in choices] == ["catalog", "in_batch"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_users": 1}, "`num_users` and `num_items` must be at least 2"),
        ({"gmf_dim": 0, "mlp_dim": 0}, "one must be positive"),
        ({"mlp_units": ()}, "`mlp_units` needs a hidden layer"),
    ],
)
def test_ncf_refuses_unsound_sizes(sizes, message):
    with pytest.raises(ValueError, match=message):
        NCFConfig(**{**SIZES, **sizes})


def test_a_cold_item_is_scored_by_its_text():
    keras.utils.set_random_seed(0)
    model = zoo.build("gpt2_hybrid", **SIZES, **HYBRID)
    cold = 4
    events = dataclasses.replace(
        DATA.train, **{name: getattr(DATA.train, name)[DATA.train.item != cold] for name in ROWS}
    )
    model.set_known(events)
    tower = model.get_layer("items")
    before = model.item_vectors()
    tower.embeddings.assign(tower.embeddings + 1)
    after = model.item_vectors()
    np.testing.assert_array_equal(before[cold], after[cold])
    assert not np.allclose(before[events.item[0]], after[events.item[0]])
    of_text = model.text_item_model()({"text": TEXTS[[cold]]})["embedding"]
    np.testing.assert_allclose(of_text[0], after[cold], atol=1e-5)


def test_a_new_item_stands_where_its_neighbors_in_meaning_stand():
    keras.utils.set_random_seed(0)
    cold, twin = (4, 9), 7
    texts = TEXTS.copy()
    texts[cold[0]] = texts[twin]
    model = zoo.build("gpt2_hybrid", **SIZES, **HYBRID | {"item_text": texts})
    kept = ~np.isin(DATA.train.item, cold)
    events = dataclasses.replace(DATA.train, **{n: getattr(DATA.train, n)[kept] for n in ROWS})
    model.set_known(events)
    boost = offer_new_items(model, events, share=0.5, k=4)
    placed, neighbor = model.item_vectors()[[cold[0], twin], : SMALL["dim"]]
    assert placed @ neighbor > 0.9 * np.linalg.norm(placed) * np.linalg.norm(neighbor)

    users, familiar = np.unique(events.user), events.item_counts > 0
    meanings = np.asarray(model.item_text.all_rows())
    shares = softmax(20 * meanings[familiar] @ meanings[cold[0]])
    middle = shares @ model.item_vectors()[familiar, : SMALL["dim"]]
    placed, middle = (one / np.linalg.norm(one) for one in (placed, middle))
    np.testing.assert_allclose(placed, middle, atol=1e-4)
    scores = np.asarray(model.score_model(events)({"user_id": users})["scores"])
    new = ~familiar & (np.arange(len(familiar)) > 0)
    spread = {name: scores[:, part].std(1).mean() for name, part in (("n", new), ("f", familiar))}
    assert spread["n"] == pytest.approx(spread["f"] / 2, rel=1e-3)
    lifted = scores - boost * new
    assert boost_for_share(lifted, new, events.matrix()[users].toarray() > 0, 0.5, 4) == (
        pytest.approx(boost, abs=1e-3)
    )


def test_new_items_score_by_their_formula():
    keras.utils.set_random_seed(0)
    model = zoo.build("gpt2_hybrid", **SIZES, **HYBRID)
    new = np.isin(np.arange(SIZES["num_items"]), [2, 4, 9, 11, 15])
    kept = ~new[DATA.train.item]
    events = dataclasses.replace(DATA.train, **{n: getattr(DATA.train, n)[kept] for n in ROWS})
    model.set_known(events)
    users, familiar = np.unique(events.user), events.item_counts > 0
    new = ~familiar & (np.arange(len(familiar)) > 0)
    rows = model.item_vectors()
    vectors, texts = rows[:, : SMALL["dim"]], rows[:, SMALL["dim"] :]
    of_users, _ = model.query_models(events)
    query = np.asarray(of_users({"user_id": users})["query"]) / model.config.temperature
    likeness = np.exp(20 * texts[new] @ texts[familiar].T)
    stand_ins = likeness @ vectors[familiar] / likeness.sum(1, keepdims=True)
    borrowed = query[:, : SMALL["dim"]] @ stand_ins.T
    borrowed -= borrowed.mean(axis=0) / 2
    content = query[:, SMALL["dim"] :] @ texts[new].T

    def spread(scores):
        return scores.std(axis=1).mean()

    of_familiar = query @ rows[familiar].T
    summed = spread(content) / spread(borrowed) * borrowed + content
    slope = spread(of_familiar) / 2 / spread(summed)
    boost = offer_new_items(model, events, share=0.4, k=5)
    after = np.asarray(model.score_model(events, frozen=True)({"user_id": users})["scores"])
    np.testing.assert_allclose(after[:, new], slope * summed + boost, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(after[:, familiar], of_familiar, rtol=1e-4, atol=1e-4)
    taken = events.matrix()[users].toarray() > 0
    taken[:, 0] = True
    length = np.minimum(5, (~taken & familiar).sum(1))  # what is left of the familiar items
    for moved, enough in ((1e-3, True), (-1e-3, False)):
        offered = np.where(taken, -np.inf, after + moved * new)
        lists = zip(np.argsort(-offered, axis=1), length, strict=True)
        share = np.mean([new[items[:most]].mean() for items, most in lists])
        assert (share >= 0.4) == enough


def test_items_without_ids_and_texts_are_told_apart_by_the_graph():
    model = shared("knowledge without ids").model
    model.get_layer("item_text").vectors.assign(np.zeros((SIZES["num_items"], 6)))
    tower = model.item_vectors()[1:, : SMALL["dim"]]
    table = model.get_layer("graph")
    table.entities.assign(
        np.where(np.arange(len(KNOWLEDGE.entities))[:, None] < 21, 0, table.entities)
    )
    same = model.item_vectors()[1:, : SMALL["dim"]]
    linked = {
        tuple(KNOWLEDGE.tail[KNOWLEDGE.starts[i] : KNOWLEDGE.starts[i + 1]]) for i in range(1, 21)
    }
    assert len(np.unique(tower.round(4), axis=0)) == 20  # their own entities weigh the neighbors
    assert len(np.unique(same.round(4), axis=0)) == len(linked) > 1


def test_a_graph_is_trained_with_the_model():
    model = built(CASES["knowledge"])
    table = model.get_layer("graph")
    entities, relations = table.entities, table.relations
    before = np.mean([float(table.triple_loss(entities, relations)) for _ in range(20)])
    spec = zoo.get_spec("knowledge_hybrid")
    batches = spec.batches(model, DATA.train, 4, 0)
    optimizer = keras.optimizers.Adam(0.02)
    fit(model, batches, epochs=6, optimizer=optimizer, loss=losses_of(spec, model), progress=False)
    after = np.mean([float(table.triple_loss(entities, relations)) for _ in range(20)])
    assert before == pytest.approx(np.log(9), rel=0.05)  # the true tail among eight wrong ones
    assert after < before / 4


def test_a_graph_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="this data has no graph"):
        zoo.build("knowledge_hybrid", **SIZES, item_text=TEXTS)
    with pytest.raises(ValueError, match=r"over the same items\. Received: 21 items, num_items=9"):
        zoo.build("knowledge_hybrid", num_users=4, num_items=9, knowledge=KNOWLEDGE, sources="id")
    with pytest.raises(ValueError, match="two towers"):
        TextHybridConfig(**SIZES, text_dim=4, head="ncf", use_graph=True)
    with pytest.raises(ValueError, match="`triple_score` must be one of"):
        zoo.build("knowledge_hybrid", **SIZES, sources="id", knowledge=KNOWLEDGE, triple_score="x")
    plain = zoo.build("knowledge_hybrid", **SIZES, item_text=TEXTS, use_graph=False)
    assert "graph" not in {layer.name for layer in plain.layers}


def test_hybrids_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="needs `text_tower` and `item_tokens`"):
        zoo.build("gpt2_hybrid", **SIZES, item_text=TEXTS, text_mode="lora")
    with pytest.raises(ValueError, match="`text_dim` must be positive"):
        zoo.build("gpt2_hybrid", **SIZES)
    with pytest.raises(ValueError, match="`fusion` must be one of"):
        zoo.build("gpt2_hybrid", **SIZES, item_text=TEXTS, fusion="sum")
    with pytest.raises(ValueError, match="cannot read the item of every pair"):
        zoo.build("gpt2_hybrid", **SIZES, item_text=TEXTS, text_mode="full", negatives="in_batch")
    with pytest.raises(ValueError, match="negatives the catalog"):
        offer_new_items(shared("hybrid in-batch").model, DATA.train)
    with pytest.raises(ValueError, match="this model reads the users'"):
        shared("hybrid").model.score_model()
