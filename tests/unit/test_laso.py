"""LaSO: its set operations and their losses against modules and loops, its two parts of training, its scores."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from novel_toy import CLASSES, NAMES, NOVEL, NOVEL_NAMES, labelled, novel_toy, precision
from pydantic import ValidationError
from torch import Tensor, nn
from training_toy import CPU, changed, clip, without

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.laso import LaSO, Settings, below, sample_pairs
from t2ipal.methods.model_files import read_model, write_model
from t2ipal.models import mlp, set_operations
from t2ipal.models.set_operations import ANALYTIC, Results, on_sphere, operation_labels, soft_margin
from t2ipal.rows import SHOTS, TRAIN
from t2ipal.rows.sampler import Sampler
from t2ipal.training.train import fit, make_optimizer

SEEDS = (1, 2)


def settings(**changes: object) -> Settings:
    return Settings(**{"op_epochs": 3, "classifier_epochs": 3, "batch": 16, "generated": 8} | changes)


def trained(chosen: Settings, seeds: tuple[int, ...] = SEEDS, **changes: object) -> dict[str, Tensor]:
    return fit(LaSO, chosen, clip(), NAMES, novel_toy(seeds=seeds, **changes), seeds, device="cpu")[0]


def started(chosen: Settings, seeds: tuple[int, ...] = SEEDS) -> tuple[LaSO, dict[str, Tensor]]:
    """The method before its first epoch, and what it learns."""
    model = LaSO(chosen, NAMES)
    model.prepare(clip(), CPU)
    model.observe(novel_toy(seeds=seeds), seeds)
    return model, {name: value.requires_grad_() for name, value in model.start(seeds).items()}


def first_batch(chosen: Settings, seeds: tuple[int, ...] = SEEDS) -> dict:
    rows = LaSO(chosen, NAMES).rows()
    return next(Sampler(novel_toy(seeds=seeds), rows, seeds, chosen.batch, True).epoch(0, CPU))


def test_it_is_found_and_says_what_it_uses() -> None:
    assert methods.get("laso") is LaSO
    assert LaSO.kinds(Settings()) == {TRAIN, SHOTS}
    assert LaSO.own_schedule
    assert all(field.description for field in Settings.model_fields.values())
    for wrong in ({"epochs": 3}, {"batch": 1}, {"real": 1, "generated": 0}):
        with pytest.raises(ValidationError):
            Settings(**wrong)


def test_epochs_are_those_of_both_parts() -> None:
    assert settings(op_epochs=4, classifier_epochs=7).epochs == 11


def layers(parameters: dict[str, Tensor], name: str, s: int, norm: bool) -> list[nn.Module]:
    """The linear layer and the batch normalisation of one seed as modules."""
    weight = parameters[f"{name}.weight"][s]
    linear = nn.Linear(*weight.shape, bias=not norm)
    linear.weight.data = weight.T.clone()
    if not norm:
        linear.bias.data = parameters[f"{name}.bias"][s, 0].clone()
        return [linear]
    bn = nn.BatchNorm1d(weight.shape[1])
    bn.weight.data, bn.bias.data = (parameters[f"{name}.{part}"][s].clone() for part in ("scale", "shift"))
    return [linear, bn]


def random_operations(dim: int = 5) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    learned, statistics = set_operations.start_operations((1, 2, 3), dim)
    generator = torch.Generator().manual_seed(0)
    learned = {name: value + 0.3 * torch.randn(value.shape, generator=generator) for name, value in learned.items()}
    return learned, statistics


@pytest.mark.parametrize("name", list(ANALYTIC))
def test_an_operation_is_that_of_modules(name: str) -> None:
    learned, statistics = random_operations()
    generator = torch.Generator().manual_seed(1)
    modules = [[layers(learned, f"{name}.{part}", s, part != "output") for part in ("input", "hidden", "output")]
               for s in range(3)]  # fmt: skip
    for training in (True, True, False):
        a, b = (on_sphere(torch.randn(3, 9, 5, generator=generator)) for _ in range(2))
        found = set_operations.operate(learned, statistics, name, a, b, training)
        for s, ((first, bn_1), (second, bn_2), (last,)) in enumerate(modules):
            bn_1.train(training)
            bn_2.train(training)
            x = nn.functional.leaky_relu(bn_1(first(torch.cat([a[s], b[s]], 1))), 0.2)
            fixed = {"subtract": (a[s] - b[s]).clamp(min=0), "union": a[s] + b[s]}
            fixed["intersect"] = torch.where(a[s] < b[s], a[s], b[s])
            x = last(nn.functional.leaky_relu(bn_2(second(x)) + fixed[name], 0.2))
            expected = x / x.norm(dim=1, keepdim=True) * math.sqrt(5)
            assert torch.allclose(found[s], expected, atol=1e-5)
            assert torch.allclose(statistics[f"{name}.input.mean"][s], bn_1.running_mean, atol=1e-6)
            assert torch.allclose(statistics[f"{name}.hidden.variance"][s], bn_2.running_var, atol=1e-5)


def test_each_seed_drops_units_by_its_own_generator() -> None:
    def drop(*seeds: int) -> Tensor:
        return mlp.dropout(torch.ones(len(seeds), 400, 5), 0.25, [torch.Generator().manual_seed(s) for s in seeds])

    both = drop(1, 2)
    assert both.unique().tolist() == pytest.approx([0, 4 / 3])
    assert float((both == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert torch.equal(both[1], drop(2)[0])
    assert not torch.equal(both[0], both[1])
    assert torch.equal(mlp.dropout(both, 0.0, []), both)


def test_all_results_are_the_ones_they_are_named_for(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = {"subtract": 0.5, "union": 2.0, "intersect": 3.0}

    def fixed(parameters: object, statistics: object, name: str, a: Tensor, b: Tensor, *_: object) -> Tensor:
        return factors[name] * a - b.square() + factors[name]

    def s(a: Tensor, b: Tensor) -> Tensor:
        return fixed(0, 0, "subtract", a, b, True)

    def u(a: Tensor, b: Tensor) -> Tensor:
        return fixed(0, 0, "union", a, b, True)

    def i(a: Tensor, b: Tensor) -> Tensor:
        return fixed(0, 0, "intersect", a, b, True)

    monkeypatch.setattr(set_operations, "operate", fixed)
    a, b = torch.rand(2, 4, 3), torch.rand(2, 4, 3)
    found = set_operations.all_operations(set_operations.start_operations((1, 2), 3)[0], {}, a, b)
    for half, (x, y) in enumerate(((a, b), (b, a))):
        expected = Results(
            again=u(s(x, i(y, x)), i(x, y)),
            subtract=s(x, y),
            subtract_twice=s(s(x, y), y),
            subtract_both=s(x, i(x, y)),
            subtract_both_swapped=s(x, i(y, x)),
            union=u(x, y),
            union_twice=u(u(x, y), y),
            intersect=i(x, y),
            intersect_twice=i(i(x, y), y),
        )
        for name, value in expected._asdict().items():
            assert torch.allclose(getattr(found, name)[:, 4 * half : 4 * half + 4], value), (name, half)


def test_each_of_the_18_calls_has_statistics_of_its_own() -> None:
    """As in the official code: its order of calls, each a module in training mode on one order of the pairs."""
    learned, statistics = random_operations()
    generator = torch.Generator().manual_seed(2)
    a, b = (on_sphere(torch.randn(3, 4, 5, generator=generator)) for _ in range(2))
    found = set_operations.all_operations(learned, statistics, a, b)
    for seed in range(3):
        networks = {
            name: [layers(learned, f"{name}.{part}", seed, part != "output") for part in ("input", "hidden", "output")]
            for name in ANALYTIC
        }
        calls = []

        def call(name: str, x: Tensor, y: Tensor, networks: dict = networks, calls: list = calls) -> Tensor:
            calls.append(name)
            (first, bn_1), (second, bn_2), (last,) = networks[name]
            hidden = nn.functional.leaky_relu(bn_1(first(torch.cat([x, y], 1))), 0.2)
            hidden = nn.functional.leaky_relu(bn_2(second(hidden)) + ANALYTIC[name](x, y), 0.2)
            return on_sphere(last(hidden))

        a_, b_ = a[seed], b[seed]
        subtract = call("subtract", a_, b_), call("subtract", b_, a_)
        twice = call("subtract", subtract[0], b_), call("subtract", subtract[1], a_)
        intersect = call("intersect", a_, b_), call("intersect", b_, a_)
        swapped = call("subtract", a_, intersect[1]), call("subtract", b_, intersect[0])
        both = call("subtract", a_, intersect[0]), call("subtract", b_, intersect[1])
        intersect_twice = call("intersect", intersect[0], b_), call("intersect", intersect[1], a_)
        union = call("union", a_, b_), call("union", b_, a_)
        union_twice = call("union", union[0], b_), call("union", union[1], a_)
        again = call("union", swapped[0], intersect[0]), call("union", swapped[1], intersect[1])
        assert len(calls) == 18
        expected = Results(again, subtract, twice, both, swapped, union, union_twice, intersect, intersect_twice)
        for name, value in expected._asdict().items():
            assert torch.allclose(getattr(found, name)[seed], torch.cat(value), atol=2e-4), name
        for name, network in networks.items():
            for part, (_, norm) in zip(("input", "hidden"), network[:2], strict=True):
                assert torch.allclose(statistics[f"{name}.{part}.mean"][seed], norm.running_mean, atol=1e-5)
                assert torch.allclose(statistics[f"{name}.{part}.variance"][seed], norm.running_var, rtol=1e-4)


def random_results(pairs: int = 3) -> Results:
    generator = torch.Generator().manual_seed(3)
    return Results(*(torch.randn(2, 2 * pairs, 4, generator=generator) for _ in Results._fields))


def mse(x: Tensor, y: Tensor) -> float:
    return sum((p - q) ** 2 for p, q in zip(x.tolist(), y.tolist(), strict=True)) / len(x)


def test_agreement_and_reconstruction_are_those_of_loops() -> None:
    results, a, b = random_results(), torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    agreement = set_operations.agreement(results)
    reconstruction = set_operations.reconstruction(results, a, b)
    for seed in range(2):
        for p in range(3):
            ab, ba = ({name: getattr(results, name)[seed, row] for name in Results._fields} for row in (p, p + 3))
            expected = mse(ab["union"], ba["union"]) + mse(ab["intersect"], ba["intersect"])
            for one in (ab, ba):
                for other in ("subtract_twice", "subtract_both", "subtract_both_swapped"):
                    expected += mse(one["subtract"], one[other])
            assert float(agreement[seed, p]) == pytest.approx(expected, rel=1e-5)
            again = mse(ab["again"], a[seed, p]) + mse(ba["again"], b[seed, p])
            assert float(reconstruction[seed, p]) == pytest.approx(again, rel=1e-5)


def loop_margin(logits: list[float], labels: list[int]) -> float:
    known = [(z, y) for z, y in zip(logits, labels, strict=True) if y >= 0]
    losses = [math.log1p(math.exp(-z)) if y else math.log1p(math.exp(z)) for z, y in known]
    return sum(losses) / max(1, len(losses))


def test_classification_is_that_of_loops() -> None:
    results = random_results()
    weight = torch.randn(2, 4, 5)
    a, b = torch.randint(-1, 2, (2, 3, 5)).to(torch.int8), torch.randint(-1, 2, (2, 3, 5)).to(torch.int8)
    found = set_operations.classification(lambda x: x @ weight, results, operation_labels(a, b))

    def meet(rule: Callable[[int, int], int], x: list[int], y: list[int]) -> list[int]:
        return [-1 if -1 in (p, q) else rule(p, q) for p, q in zip(x, y, strict=True)]

    rules = {"subtract": lambda p, q: int(p == 1 and q == 0), "union": max, "intersect": min}
    for seed in range(2):
        for p in range(3):
            total = 0.0
            for row, x, y in ((p, a[seed, p], b[seed, p]), (p + 3, b[seed, p], a[seed, p])):
                for name in Results._fields:
                    kind = name.split("_")[0]
                    labels = x.tolist() if kind == "again" else meet(rules[kind], x.tolist(), y.tolist())
                    total += loop_margin((getattr(results, name)[seed, row] @ weight[seed]).tolist(), labels)
            assert float(found[seed, p]) == pytest.approx(total, rel=1e-4)


def test_soft_margin_is_pytorchs_where_all_is_known_and_ignores_the_unknown() -> None:
    logits, labels = torch.randn(2, 6, 5), torch.randint(0, 2, (2, 6, 5))
    expected = nn.MultiLabelSoftMarginLoss(reduction="none")(logits.flatten(0, 1), labels.flatten(0, 1).float())
    assert torch.allclose(soft_margin(logits, labels).flatten(), expected, atol=1e-6)
    labels[..., 3] = -1
    moved = logits.clone()
    moved[..., 3] += 5
    assert torch.equal(soft_margin(logits, labels), soft_margin(moved, labels))
    assert float(soft_margin(logits, torch.full_like(labels, -1)).abs().max()) == 0


def test_pairs_are_of_two_images_and_equally_likely() -> None:
    counts = torch.tensor([4, 2, 1])
    first, second = sample_pairs(counts, torch.rand(3, 12000, 2, generator=torch.Generator().manual_seed(0)))
    pairs = Counter(zip(first[0].tolist(), second[0].tolist(), strict=True))
    assert len(pairs) == 12
    assert all(p != q for p, q in pairs)
    assert min(pairs.values()) > 850
    assert max(pairs.values()) < 1150
    assert set(zip(first[1].tolist(), second[1].tolist(), strict=True)) == {(0, 1), (1, 0)}
    assert set(zip(first[2].tolist(), second[2].tolist(), strict=True)) == {(0, 0)}
    almost_one = torch.tensor([1 - 2**-24])
    assert below(torch.tensor([2**23 + 1]), almost_one).tolist() == [2**23]


def test_each_part_of_the_training_moves_its_own_tensors() -> None:
    chosen = settings()
    model, learned = started(chosen)
    optimizer = make_optimizer(chosen, learned, LaSO.lr_scales(chosen))
    batch = first_batch(chosen)
    for epoch, part in ((2, "loss_train"), (3, "loss_shots")):
        before = {name: value.detach().clone() for name, value in learned.items()}
        statistics = {name: value.clone() for name, value in model.statistics.items()}
        model.begin_epoch(learned, epoch)
        optimizer.zero_grad()
        found = model.loss(learned, batch)
        assert set(found) == {"loss", part}
        found["loss"].sum().backward()
        optimizer.step()
        moved = {name for name, value in learned.items() if not torch.equal(value, before[name])}
        moved |= {name for name, value in model.statistics.items() if not torch.equal(value, statistics[name])}
        expected = {name for name in (*learned, *statistics) if name.startswith("classifier") == (epoch == 3)}
        assert moved == expected


def test_draws_differ_between_seeds_and_epochs() -> None:
    model, learned = started(settings())
    draws = []
    for epoch in (0, 0, 1):
        model.begin_epoch(learned, epoch)
        draws.append(model._uniform(5, 2))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_pairs_and_few_shot_images_differ_between_seeds_and_epochs() -> None:
    chosen = settings(real=6)
    model, learned = started(chosen)
    pairs, images = [], []
    for epoch in (0, 0, 1):
        model.begin_epoch(learned, epoch)
        pairs.append(next(model.pairs))
        model.begin_epoch(learned, epoch + chosen.op_epochs)
        images.append([[next(rows) for _ in range(20)] for rows in model.images])
    assert pairs[0].shape == (2, 2, 16)
    for same, other, first, second in ((pairs[1], pairs[2], *pairs[0]), (images[1], images[2], *images[0])):
        own = pairs[0] if same is pairs[1] else images[0]
        assert torch.equal(torch.as_tensor(own), torch.as_tensor(same))
        assert not torch.equal(torch.as_tensor(own), torch.as_tensor(other))
        assert not torch.equal(torch.as_tensor(first), torch.as_tensor(second))


def test_the_seen_classifier_learns_from_real_features_alone() -> None:
    chosen = settings(recon_weight=0.0)
    model, learned = started(chosen)
    model.begin_epoch(learned, 0)
    batch = first_batch(chosen)
    model.loss(learned, batch)["loss"].sum().backward()
    found = learned["seen.weight"].grad.clone()
    learned["seen.weight"].grad = None
    model.begin_epoch(learned, 0)  # the same pairs again
    real = sum(
        soft_margin(mlp.linear(learned, "seen", model.base[rows]), model.data.base_labels[rows]).mean()
        for rows in next(model.pairs).unbind(1)
    )
    (2 * real).backward()  # the mean is over two seeds, the loss the sum of them
    assert torch.allclose(found, learned["seen.weight"].grad, atol=1e-6)


def test_the_classifier_has_its_own_rate() -> None:
    chosen = settings(lr=2e-3, classifier_lr=1e-2)
    scales = LaSO.lr_scales(chosen)
    _, learned = started(chosen)
    assert {name for name in learned if name.startswith("classifier")} <= scales.keys()
    assert not any(name.startswith(("seen", *ANALYTIC)) for name in scales)
    assert set(scales.values()) == {5.0}


@pytest.mark.slow
def test_the_operations_learn_what_their_names_say() -> None:
    class Keep(LaSO):
        def finish(self, learned: dict[str, Tensor]) -> dict[str, Tensor]:
            return learned | self.statistics

    test, labels = labelled(600, 7)
    base = [c for c in range(CLASSES) if c not in NOVEL]
    x, y = on_sphere(test.global_pos.float()), labels[:, base].float()
    shared = (y[:300] * y[300:]).any(1)  # as the pairs that are trained on
    a, b, y_a, y_b = x[:300][shared], x[300:][shared], y[:300][shared], y[300:][shared]
    wanted = {"union": torch.maximum(y_a, y_b), "intersect": y_a * y_b, "subtract": y_a * (1 - y_b)}
    data, losses = novel_toy(seeds=(1,), count=400), []
    for epochs in (1, 30):
        chosen = settings(op_epochs=epochs, classifier_epochs=1, warmup_epochs=0)
        tensors = fit(Keep, chosen, clip(), NAMES, data, (1,), device="cpu")[0]
        found = {}
        for name, y in wanted.items():
            result = set_operations.operate(tensors, tensors, name, a[None], b[None], False)
            found[name] = float(soft_margin(mlp.linear(tensors, "seen", result), y[None]).mean())
        losses.append(found)
    for name, y in wanted.items():
        share = y.mean(0)
        entropy = float(-(share * share.log() + (1 - share) * (1 - share).log()).mean())
        assert losses[1][name] < 0.9 * min(losses[0][name], entropy), f"{name}: {losses}, {entropy} without looking"


@pytest.mark.slow
def test_training_beats_chance_and_the_start() -> None:
    test, labels = labelled(300, 8)
    model = LaSO(settings(), NOVEL_NAMES)
    chance = float(labels[:, list(NOVEL)].float().mean()) * 100
    long = settings(op_epochs=10, classifier_epochs=20)
    first, last = (precision(model.scores(trained(one, shots=8, count=400), test), labels)
                   for one in (settings(classifier_epochs=1), long))  # fmt: skip
    assert last > max(first, chance + 20), f"mAP {last:.1f} after training, {first:.1f} after an epoch, {chance:.1f}"


@pytest.mark.slow
def test_a_seed_does_not_depend_on_the_others() -> None:
    together, alone = trained(settings(), (1, 2, 3)), trained(settings(), (2,))
    for name, value in alone.items():
        assert torch.allclose(together[name][1], value[0], atol=1e-4), name
        if not name.endswith("variance"):
            assert not torch.allclose(together[name][0], value[0], atol=1e-4), name


def test_the_model_file_is_all_that_scores_need(tmp_path: Path) -> None:
    tensors = trained(settings())
    assert {len(value) for value in tensors.values()} == {2}
    header = {"classes": NOVEL_NAMES, "seeds": SEEDS, "levels": [3], "clip_sha256": "0"}
    write_model(tmp_path / "model.safetensors", tensors, "laso", settings().model_dump(), **header)
    model, read, _ = read_model(tmp_path / "model.safetensors")
    test, _ = labelled(50, 8)
    scores = model.scores(read, test)
    assert scores.shape == (2, 50, 2)
    assert scores.dtype == torch.float32
    assert torch.allclose(scores, LaSO(settings(), NAMES).scores(tensors, test, chunk=7), atol=1e-5)
    x = on_sphere(test.global_pos.float())
    for s in range(2):
        blocks: list[nn.Module] = []
        for layer in range(3):
            linear, norm = layers(read, f"classifier.{layer}", s, True)
            norm.running_mean, norm.running_var = (
                read[f"classifier.{layer}.{part}"][s] for part in ("mean", "variance")
            )
            blocks += [linear, norm, nn.LeakyReLU(0.2)]
        network = nn.Sequential(*blocks, *layers(read, "classifier.3", s, False)).eval()
        assert torch.allclose(scores[s], network(x), atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [{"generated": 0}, {"real": 2}, {"dropout": 0.0}, {"recon_weight": 0.0}, {"global_feature": "nopos"},
     {"weight_decay": 0.5}, {"warmup_epochs": 0}, {"lr": 1e-2}, {"classifier_lr": 1e-3}],
    ids=str,
)  # fmt: skip
@pytest.mark.slow
def test_each_setting_matters(changes: dict[str, object]) -> None:
    plain, other = trained(settings()), trained(settings(**changes))
    assert all(value.isfinite().all() for value in other.values())
    assert any(not torch.equal(plain[name], other[name]) for name in plain)


def test_draws_of_different_sizes_and_of_one_image_train() -> None:
    data = novel_toy()
    data = changed(data, SHOTS, chosen=(data[SHOTS].chosen[0], data[SHOTS].chosen[1][:1]))
    tensors, history = fit(LaSO, settings(real=4), clip(), NAMES, data, SEEDS, device="cpu")
    assert all(value.isfinite().all() for value in tensors.values())
    assert all(math.isfinite(row["loss"]) for row in history)


def test_missing_parts_are_named() -> None:
    data = novel_toy()
    cases = {
        "novel classes": dataclasses.replace(data, novel=None),
        "few-shot images": without(data, SHOTS),
        "train images": without(data, TRAIN),
    }
    for what, data in cases.items():
        with pytest.raises(UserError, match=f"laso: no {what} in the training data"):
            fit(LaSO, settings(), clip(), NAMES, data, SEEDS, device="cpu")
    data = novel_toy()
    one = changed(data, TRAIN, chosen=data[TRAIN].rows[(data[TRAIN].labels[data[TRAIN].rows] == 1).any(1)][:1])
    with pytest.raises(UserError, match="laso: one train image of a base class; expected at least 2"):
        fit(LaSO, settings(), clip(), NAMES, one, SEEDS, device="cpu")
    data = changed(data, TRAIN, labels=data[TRAIN].labels.clamp(max=0))
    with pytest.raises(UserError, match="laso: no train image has a label of the 6 base classes"):
        fit(LaSO, settings(), clip(), NAMES, data, SEEDS, device="cpu")
