"""ML-FSL: its episodes, its label propagation and its label counter against loops, its training and its scores."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from novel_toy import NAMES, NOVEL, NOVEL_NAMES, labelled, novel_toy, precision
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import normalize
from training_toy import changed, clip

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.ml_fsl import MLFSL, Settings, embed
from t2ipal.methods.model_files import join_levels, read_model, write_model
from t2ipal.models.label_propagation import (
    count_logits,
    median_distance,
    propagate,
    propagate_once,
    share_labels,
    spread,
    squared_distances,
    vote_counts,
)
from t2ipal.protocols.episodes import Episodes
from t2ipal.rows import SHOTS, TRAIN
from t2ipal.training.train import fit

SEEDS = (1, 2)


def settings(**changes: object) -> Settings:
    return Settings(**{"epochs": 3, "batch": 16, "way": 5} | changes)


def trained(chosen: Settings, seeds: tuple[int, ...] = SEEDS, **changes: object) -> dict[str, Tensor]:
    return fit(MLFSL, chosen, clip(), NAMES, novel_toy(seeds=seeds, **changes), seeds, device="cpu")[0]


def test_it_is_found_and_says_what_it_uses() -> None:
    assert methods.get("ml_fsl") is MLFSL
    assert MLFSL.kinds(Settings()) == {TRAIN, SHOTS}
    assert MLFSL.own_schedule
    assert all(field.description for field in Settings.model_fields.values())
    with pytest.raises(ValidationError):
        Settings(way=1)


@examples(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(4, 9),
    way=st.integers(2, 12),
    shots=st.integers(1, 5),
    share=st.floats(0.25, 0.7),
)
def test_episodes_hold_what_they_promise(seed: int, classes: int, way: int, shots: int, share: float) -> None:
    labels = (np.random.default_rng(seed).random((80, classes)) < share).astype(np.int8)
    source = Episodes(labels, way, shots)
    assert source.way == min(way, classes)
    for _ in range(3):
        found = source.sample(np.random.default_rng(seed))
        assert sorted(set(found.classes.tolist())) == found.classes.tolist()
        assert len(found.classes) == source.way
        assert len(set(found.queries)) == len(found.queries) == source.way // 2
        assert (labels[found.queries][:, found.classes].sum(1) >= 2).all()
        support = found.support.reshape(source.way, shots)
        for c, rows in zip(found.classes, support, strict=True):
            assert (labels[rows, c] == 1).all()
            others = np.setdiff1d(np.flatnonzero(labels[:, c]), found.queries)
            assert not len(others) or not set(rows) & set(found.queries)
            assert len(set(rows)) == min(shots, max(1, len(others))) or not len(others)


def test_episodes_leave_no_class_and_no_image_out() -> None:
    labels = (np.random.default_rng(0).random((60, 12)) < 0.3).astype(np.int8)
    source, generator = Episodes(labels, 6, 2), np.random.default_rng(0)
    drawn = [source.sample(generator) for _ in range(400)]
    assert len(np.unique([episode.classes for episode in drawn])) == 12
    able = np.flatnonzero(labels.sum(1) >= 2)
    queries = np.bincount(np.concatenate([episode.queries for episode in drawn]), minlength=60)
    assert (queries > 0).nonzero()[0].tolist() == able.tolist()
    # 1,200 queries of 51 images: 5 standard deviations of a count
    assert abs(queries[able] - 1200 / len(able)).max() < 5 * (1200 / len(able)) ** 0.5
    support = np.unique(np.concatenate([episode.support for episode in drawn]))
    assert support.tolist() == np.flatnonzero(labels.any(1)).tolist()


def test_a_class_with_few_images_gives_them_again() -> None:
    labels = np.zeros((6, 4), dtype=np.int8)
    labels[0, :2] = labels[1, 2:] = labels[2, 0] = labels[3, 1] = labels[4, 2] = 1  # class 3: image 1 alone
    found = Episodes(labels, 4, 3).sample(np.random.default_rng(0))
    assert sorted(found.queries) == [0, 1]
    assert found.support.tolist() == [2, 2, 2, 3, 3, 3, 4, 4, 4, 1, 1, 1]


def test_too_few_images_with_two_labels_are_an_error() -> None:
    with pytest.raises(UserError, match="episodes of 4 classes: 1 images have 2 labels or more; expected at least 2"):
        Episodes(np.array([[1, 1, 1, 1], [1, 0, 0, 0]]), 10, 1)


def unit(*shape: int, seed: int = 0) -> Tensor:
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def loop_weights(query: list[Tensor], support: list[Tensor], sigma: float) -> list[list[float]]:
    """Rows of W: support first, then the queries; zero diagonal; rows sum to one."""
    rows = []
    for i, q in enumerate(query):
        row = [math.exp(-sum((a - b) ** 2 for a, b in zip(q.tolist(), s.tolist(), strict=True)) / sigma)
               for s in [*support, *query]]  # fmt: skip
        row[len(support) + i] = 0
        rows.append([value / sum(row) for value in row])
    return rows


@pytest.mark.parametrize("sigma", [0.2, 1.0, 50.0])
def test_propagation_is_the_fixed_point_of_its_steps(sigma: float) -> None:
    query, support, labels = unit(2, 4, 6), unit(2, 5, 6, seed=1), torch.randint(0, 2, (2, 5, 3))
    shares = share_labels(labels)
    found = propagate(query, support, shares, sigma)
    for s in range(2):
        weights = loop_weights(list(query[s]), list(support[s]), sigma)
        current = [[0.0] * 3 for _ in range(4)]
        for _ in range(3000):  # each query takes the weighted mean of all labels, again and again
            everything = shares[s].tolist() + current
            current = [
                [sum(w * y[c] for w, y in zip(row, everything, strict=True)) for c in range(3)] for row in weights
            ]
        assert found[s].flatten().tolist() == pytest.approx(np.ravel(current).tolist(), abs=1e-5)
    assert bool((found >= 0).all())
    assert bool((found.sum(-1) <= 1 + 1e-5).all())


def test_queries_that_only_see_each_other_are_solved() -> None:
    support, query = torch.eye(4)[:1, :].expand(3, 4), torch.eye(4)[1:3] + 1e-4
    found = propagate(normalize(query, dim=-1), support, torch.eye(3), 1e-3)
    assert found.isfinite().all()


@pytest.mark.parametrize("others", [0, 3])
def test_one_step_is_that_of_the_loop(others: int) -> None:
    query, support, labels = unit(2, 4, 6), unit(2, 5, 6, seed=1), torch.randint(0, 2, (2, 5, 3))
    present = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    shares, context = share_labels(labels), unit(2, others, 6, seed=2)
    found = propagate_once(query, support, present, shares, 0.7, context if others else None)
    for s in range(2):
        for q in range(4):
            weights = [math.exp(-float((query[s, q] - support[s, k]).square().sum()) / 0.7) for k in range(5)]
            weights = [w if present[s, k] else 0.0 for k, w in enumerate(weights)]
            total = sum(weights)
            total += sum(math.exp(-float((query[s, q] - x).square().sum()) / 0.7) for x in context[s])
            expected = [sum(weights[k] / total * float(shares[s, k, c]) for k in range(5)) for c in range(3)]
            assert found[s, q].tolist() == pytest.approx(expected, abs=1e-5)


def test_labels_become_shares() -> None:
    assert share_labels(torch.tensor([[1, 0, 1], [0, 0, 0], [1, -1, 0]])).tolist() == [
        [0.5, 0, 0.5],
        [0] * 3,
        [1, 0, 0],
    ]


@pytest.mark.slow
def test_the_median_is_that_of_all_pairs() -> None:
    x = unit(9, 4)
    pairs = [float((x[i] - x[j]).square().sum()) for i in range(9) for j in range(i)]
    assert median_distance(x) == pytest.approx(sorted(pairs)[(len(pairs) - 1) // 2], abs=1e-5)
    assert float(squared_distances(x, x).diagonal().abs().max()) < 1e-5
    assert spread(10, 4).tolist() == [0, 2, 5, 7]
    assert spread(3, 10).tolist() == [0, 1, 2]
    many = unit(5000, 4, seed=5)
    assert median_distance(many) == pytest.approx(median_distance(many, 5000), abs=0.03)


def counter(counts: int = 7, dim: int = 6, hidden: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = dict.fromkeys(("query", "support", "mean"), (dim, hidden))
    shapes |= {"bias": (hidden,), "weight": (hidden, counts), "offset": (counts,)}
    return {f"counter.{name}": torch.randn(2, *shape, generator=generator) for name, shape in shapes.items()}


def test_the_counter_is_a_network_on_query_support_and_mean() -> None:
    parameters, query, support = counter(), unit(2, 3, 4, 6), unit(2, 3, 5, 6, seed=1)
    present = torch.ones(2, 3, 5, dtype=torch.bool)
    present[1, :, 3:] = False
    found = count_logits(parameters, query, support, present)
    assert found.shape == (2, 3, 4, 5, 7)
    for s, e, q, k in ((0, 0, 0, 0), (0, 2, 3, 4), (1, 1, 2, 2)):
        first, last = nn.Linear(18, 8), nn.Linear(8, 7)
        first.weight.data = torch.cat([parameters[f"counter.{name}"][s] for name in ("query", "support", "mean")]).T
        first.bias.data, last.bias.data = parameters["counter.bias"][s], parameters["counter.offset"][s]
        last.weight.data = parameters["counter.weight"][s].T
        mean = support[s, e][present[s, e]].mean(0)
        expected = last(torch.relu(first(torch.cat([query[s, e, q], support[s, e, k], mean]))))
        assert torch.allclose(found[s, e, q, k], expected, atol=1e-5)


def test_the_support_votes_on_the_count() -> None:
    answers = torch.tensor([[[5, 4, 2, 6, 6], [1, 1, 1, 6, 6]]])  # two queries, five support images
    logits = nn.functional.one_hot(answers, 7).float()
    own, present = torch.tensor([[3, 2, 3, 1, 1]]), torch.tensor([[True, True, True, True, False]])
    # less their own: 2, 2, 1 (from -1), 5; then 1, 1, 1, 5: the last image is not there
    assert vote_counts(logits, own, present).tolist() == [[2, 1]]


def test_the_loss_is_that_of_its_episodes() -> None:
    chosen = settings(episodes=2, count_weight=0.5, episode_shots=2)
    model = MLFSL(chosen, NAMES)
    model.prepare(clip(), torch.device("cpu"))
    data = novel_toy()
    model.observe(data, SEEDS)
    learned = model.start(SEEDS)
    model.begin_epoch(learned, 4)
    found = model.loss(learned, {})["loss"]
    base = data[TRAIN].chosen
    pooled = data[TRAIN].images.global_pos[base].float()
    model.begin_epoch(learned, 4)
    classes, queries, support = model._next_episodes()
    for s in range(2):
        total = []
        for e in range(2):
            f_q, f_s = (embed({k: v[s : s + 1] for k, v in learned.items()}, pooled[rows][None, None])[0, 0]
                        for rows in (queries[s, e], support[s, e]))  # fmt: skip
            y_q, y_s = (model.data.base_labels[rows][:, classes[s, e]] for rows in (queries[s, e], support[s, e]))
            errors = (propagate(f_q, f_s, share_labels(y_s), model.sigma) - share_labels(y_q)).square().mean()
            one = {name: value[s : s + 1] for name, value in learned.items()}
            logits = count_logits(one, f_q[None, None], f_s[None, None], torch.ones(1, 1, len(f_s), dtype=torch.bool))
            joint = y_q.sum(1)[:, None] + y_s.sum(1)[None]
            counting = nn.functional.cross_entropy(logits[0, 0].flatten(0, 1), joint.flatten().long())
            total.append(float(errors + 0.5 * counting))
        assert float(found[s]) == pytest.approx(np.mean(total), rel=1e-4)


def test_an_episodes_shots_are_those_of_the_draw() -> None:
    for shots in (1, 3):
        model = MLFSL(settings(), NAMES)
        model.prepare(clip(), torch.device("cpu"))
        model.observe(novel_toy(shots=shots), SEEDS)
        model.begin_epoch({}, 0)
        assert model._next_episodes()[2].shape == (2, 4, 5 * shots)
    data = novel_toy(shots=3)
    uneven = changed(data, SHOTS, chosen=(data[SHOTS].chosen[0], novel_toy(shots=1)[SHOTS].chosen[1]))
    with pytest.raises(UserError, match=r"ml_fsl: few-shot samples with \[3, 1\] images of their rarest"):
        fit(MLFSL, settings(), clip(), NAMES, uneven, SEEDS, device="cpu")
    fit(MLFSL, settings(episode_shots=1), clip(), NAMES, uneven, SEEDS, device="cpu")


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.slow
def test_meta_training_beats_chance_and_the_start(head: str) -> None:
    test, labels = labelled(300, 8)
    chosen = settings(head=head, epochs=15, lr=3e-3)
    model = MLFSL(chosen, NOVEL_NAMES)
    chance = float(labels[:, list(NOVEL)].float().mean()) * 100
    start = settings(head=head, epochs=1, lr=1e-9)
    first, last = (precision(model.scores(trained(c, shots=1, count=400), test), labels) for c in (start, chosen))
    assert last > max(first + 2, chance + 15), (
        f"mAP {last:.1f} after training, {first:.1f} before, {chance:.1f} by chance"
    )


def test_episodes_differ_between_seeds_and_epochs() -> None:
    model = MLFSL(settings(), NAMES)
    model.prepare(clip(), torch.device("cpu"))
    model.observe(novel_toy(), SEEDS)
    draws = []
    for epoch in (0, 0, 1):
        model.begin_epoch({}, epoch)
        draws.append(model._next_episodes()[1])
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_scores_are_one_step_from_the_few_shot_images() -> None:
    data, test = novel_toy(), labelled(20, 8)[0]
    tensors = trained(settings())
    scores = MLFSL(settings(), NOVEL_NAMES).scores(tensors, test)
    assert scores.shape == (2, 20, 2)
    base = data[TRAIN].images.global_pos[data[TRAIN].chosen].float()
    sigma = 0.2 * median_distance(base)
    for s, rows in enumerate(data[SHOTS].chosen):
        head = tensors["head.weight"][s]
        near = [normalize(data[TRAIN].images.global_pos[row].float() @ head, dim=0) for row in rows]
        far = [normalize(x @ head, dim=0) for x in base]
        shares = share_labels(data[SHOTS].labels[rows][:, list(NOVEL)])
        for n in (0, 19):
            q = normalize(test.global_pos[n].float() @ head, dim=0)
            weights = [math.exp(-float((q - x).square().sum()) / sigma) for x in near + far]
            expected = [sum(w * y for w, y in zip(weights, shares[:, v].tolist(), strict=False)) / sum(weights)
                        for v in range(2)]  # fmt: skip
            assert scores[s, n].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_seed_does_not_depend_on_the_others() -> None:
    together, alone = trained(settings(), (1, 2, 3)), trained(settings(), (2,))
    for name, value in alone.items():
        count = value.shape[1] if name.startswith("support") else None  # the largest draw of the job sets the room
        mine = together[name][1] if count is None else together[name][1, :count]
        assert torch.allclose(mine, value[0], atol=1e-4), name
    test = labelled(30, 8)[0]
    model = MLFSL(settings(), NOVEL_NAMES)
    scores = model.scores(together, test)
    assert torch.allclose(scores[1], model.scores(alone, test)[0], atol=1e-5)
    assert not torch.allclose(scores[1], scores[0], atol=1e-3)


def test_room_for_more_support_images_changes_nothing() -> None:
    tensors, test = trained(settings()), labelled(30, 8)[0]
    wide = dict(tensors)
    for name, value in tensors.items():
        if name.startswith("support"):
            wide[name] = torch.cat([value, value.new_zeros(len(value), 5, *value.shape[2:])], 1)
    model = MLFSL(settings(), NOVEL_NAMES)
    assert torch.allclose(model.scores(wide, test), model.scores(tensors, test), atol=1e-7)
    assert torch.equal(model.label_counts(wide, test), model.label_counts(tensors, test))


def test_the_model_file_is_all_that_scores_need(tmp_path: Path) -> None:
    tensors = trained(settings())
    assert {len(value) for value in tensors.values()} == {2}
    header = {"classes": NOVEL_NAMES, "seeds": SEEDS, "levels": [3], "clip_sha256": "0"}
    write_model(tmp_path / "model.safetensors", tensors, "ml_fsl", settings().model_dump(), **header)
    model, read, _ = read_model(tmp_path / "model.safetensors")
    test, _ = labelled(50, 8)
    scores = model.scores(read, test)
    assert scores.dtype == torch.float32
    assert torch.allclose(scores, MLFSL(settings(), NAMES).scores(tensors, test, chunk=7), atol=1e-6)
    assert torch.equal(model.label_counts(read, test, chunk=7), model.label_counts(read, test))


@pytest.mark.slow
def test_the_counter_learns_to_count() -> None:
    chosen = settings(epochs=40, lr=3e-3, count_weight=100.0)
    data = novel_toy(count=400)
    _, history = fit(MLFSL, chosen, clip(), NAMES, data, SEEDS, device="cpu")
    model = MLFSL(chosen, NAMES)
    model.prepare(clip(), torch.device("cpu"))
    model.observe(data, SEEDS)
    counts = []
    for epoch in range(5):
        model.begin_epoch({}, epoch)
        classes, queries, support = model._next_episodes()
        own = [(model._labels(rows, classes) == 1).sum(-1) for rows in (queries, support)]
        counts.append((own[0][..., :, None] + own[1][..., None, :]).flatten())
    share = torch.cat(counts).bincount().float() / len(torch.cat(counts))
    entropy = -float((share[share > 0] * share[share > 0].log()).sum())
    assert history[-1]["loss"] / 100 < 0.9 * entropy, "no better than the counts' frequencies"


@pytest.mark.slow
def test_counts_of_images_are_votes_of_the_support() -> None:
    test, chosen = labelled(40, 8)[0], settings(epochs=10)
    tensors = trained(chosen)
    model = MLFSL(chosen, NOVEL_NAMES)
    found = model.label_counts(tensors, test)
    assert found.shape == (2, 40)
    query = normalize(test.global_pos.float() @ tensors["head.weight"][1], dim=-1)
    present = tensors["support.present"][1]
    one = {name: value[1:] for name, value in tensors.items()}
    support, own = tensors["support.features"][1, present], tensors["support.counts"][1, present]
    everywhere = torch.ones(1, 1, len(support), dtype=torch.bool)
    answers = count_logits(one, query[None, None], support[None, None], everywhere)[0, 0].argmax(-1)
    for n, row in enumerate(answers.tolist()):
        votes = [max(1, value - int(less)) for value, less in zip(row, own, strict=True)]
        assert int(found[1, n]) == min(set(votes), key=lambda value: (-votes.count(value), value))


def test_the_models_of_several_shots_fit_into_one_file() -> None:
    test, model = labelled(30, 8)[0], MLFSL(settings(), NOVEL_NAMES)
    levels = [trained(settings(), shots=shots) for shots in (1, 5)]
    assert levels[0]["support.features"].shape[1] < levels[1]["support.features"].shape[1]
    joined = join_levels(levels)
    assert {len(value) for value in joined.values()} == {4}
    for place, tensors in enumerate(levels):
        mine = slice(2 * place, 2 * place + 2)
        assert torch.allclose(model.scores(joined, test)[mine], model.scores(tensors, test), atol=1e-6)
        assert torch.equal(model.label_counts(joined, test)[mine], model.label_counts(tensors, test))


@pytest.mark.parametrize(
    "changes",
    [{"episodes": 1}, {"way": 4}, {"episode_shots": 1}, {"head": "mlp"}, {"sigma_scale": 1.0}, {"context": 0},
     {"count_weight": 0.0}, {"global_feature": "nopos"}, {"lr": 1e-2}, {"optimizer": "sgd"}],
    ids=str,
)  # fmt: skip
@pytest.mark.slow
def test_each_setting_matters(changes: dict[str, object]) -> None:
    test = labelled(20, 8)[0]
    plain, other = (MLFSL(one, NOVEL_NAMES).scores(trained(one), test) for one in (settings(), settings(**changes)))
    assert other.isfinite().all()
    assert not torch.equal(plain, other)


def test_missing_parts_are_named() -> None:
    data = dataclasses.replace(novel_toy(), novel=None)
    with pytest.raises(UserError, match="ml_fsl: no novel classes in the training data"):
        fit(MLFSL, settings(), clip(), NAMES, data, SEEDS, device="cpu")
