"""Global GDA, Patch GDA and PIAA against numpy loops, scikit-learn and what must not change a result."""

import math

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn.functional import normalize, one_hot
from training_toy import NAMES, changed, clip, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.models.discriminant import ClassSums, Linear
from t2ipal.models.image_offset import without_offset
from t2ipal.models.patches import Maps, Patches, purified, surest_patches
from t2ipal.rows import SYNTHETIC, TRAIN
from t2ipal.training.train import fit

C, D = 3, 5


def examples(count: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of three blobs, their classes and weights."""
    draw = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % C
    centres = 3 * torch.randn(C, D, generator=draw)
    return (
        centres[classes] + torch.randn(count, D, generator=draw),
        classes,
        torch.rand(count, generator=draw) + 0.1,
    )


def loop_classifier(x: np.ndarray, classes: np.ndarray, weights: np.ndarray, missing: np.ndarray) -> list[np.ndarray]:
    """The classifier, example by example: means, P, weight and bias."""
    means = missing.astype(np.float64).copy()
    for c in range(len(missing)):
        own = [i for i in range(len(x)) if classes[i] == c]
        if own:
            means[c] = sum(weights[i] * x[i] for i in own) / sum(weights[i] for i in own)
    differences = [x[i] - means[classes[i]] for i in range(len(x))]
    mean = sum(differences) / len(x)
    scatter = sum(np.outer(d - mean, d - mean) for d in differences)
    covariance = scatter / (len(x) - 1)
    inverse = x.shape[1] * np.linalg.pinv(scatter + np.trace(covariance) * np.eye(x.shape[1]))
    bias = [math.log(1 / len(missing)) - mu @ inverse @ mu / 2 for mu in means]
    return [means, inverse, means @ inverse, np.array(bias)]


def fitted(x: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor, missing: torch.Tensor) -> Linear:
    sums = ClassSums.none(*missing.shape)
    for rows in torch.arange(len(x)).split(7):  # batches change nothing
        sums.add(x[rows], one_hot(classes[rows], len(missing)), weights[rows])
    return sums.classifier(missing)


def test_the_classifier_is_the_loops() -> None:
    x, classes, weights = examples()
    missing = torch.randn(C + 1, D, generator=torch.Generator().manual_seed(1))  # the last class has no example
    found = fitted(x, classes, weights, missing)
    *_, weight, bias = loop_classifier(x.double().numpy(), classes.numpy(), weights.double().numpy(), missing.numpy())
    np.testing.assert_allclose(found.weight, weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.bias, bias, rtol=1e-4)


def test_it_is_scikit_learns_discriminant_analysis() -> None:
    x, classes, _ = examples()
    found = fitted(x, classes, torch.ones(len(x)), torch.zeros(C, D))
    _, inverse, *_ = loop_classifier(x.double().numpy(), classes.numpy(), np.ones(len(x)), np.zeros((C, D)))

    class Fixed:
        def fit(self, _: np.ndarray) -> "Fixed":
            self.covariance_ = np.linalg.inv(inverse)
            return self

    lda = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / C] * C, covariance_estimator=Fixed())
    lda.fit(x.numpy(), classes.numpy())
    np.testing.assert_allclose(found.weight, lda.coef_, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.bias, lda.intercept_, rtol=1e-3)
    decided = (x @ found.weight.T + found.bias).argmax(1).numpy()
    assert (decided == lda.predict(x.numpy())).all()
    assert (decided == classes.numpy()).mean() > 0.9  # three blobs


def test_a_constant_added_to_all_features_keeps_the_decisions() -> None:
    x, classes, weights = examples()
    decided = []
    for shift in (0.0, 2.5):
        weight, bias = fitted(x + shift, classes, weights, torch.zeros(C, D))
        z = (x + shift) @ weight.T + bias
        decided.append(without_offset(z, "mean"))
    torch.testing.assert_close(*decided, rtol=1e-3, atol=1e-3)


def test_one_example_is_too_few() -> None:
    with pytest.raises(UserError, match=r"discriminant analysis: 1 examples of 3 classes; expected two or more"):
        fitted(*(value[:1] for value in examples()), torch.zeros(C, D))


def test_offsets_leave_as_the_loops_say() -> None:
    scores = torch.randn(2, 4, C, generator=torch.Generator().manual_seed(2))
    for s in range(2):
        for n in range(4):
            row = scores[s, n].tolist()
            mean = sum(row) / C
            std = math.sqrt(sum((value - mean) ** 2 for value in row) / (C - 1))
            centred = [value - mean for value in row]
            assert without_offset(scores, "mean")[s, n].tolist() == pytest.approx(centred, abs=1e-6)
            assert without_offset(scores, "z")[s, n].tolist() == pytest.approx([v / std for v in centred], abs=1e-5)
    assert without_offset(scores, "raw") is scores
    assert torch.equal(without_offset(torch.ones(2, C), "z"), torch.zeros(2, C))
    assert torch.equal(without_offset(torch.ones(2, 1), "z"), torch.ones(2, 1))  # one class has no others


def trained(name: str, data: object = None, **changes: object) -> tuple[object, dict[str, torch.Tensor], torch.Tensor]:
    data, chosen = data or toy(), methods.get(name).Settings(**changes)
    tensors, history = fit(methods.get(name), chosen, clip(), NAMES, data, (1,), device="cpu")
    assert history == []
    return chosen, tensors, methods.get(name)(chosen, NAMES).scores(tensors, data[TRAIN].images, chunk=7)


def test_global_gda_has_an_example_per_image_and_positive_class() -> None:
    data = toy()
    labels = data[SYNTHETIC].labels.clone()
    labels[::3, 2] = 1  # images of two classes
    index = data[SYNTHETIC].index.clone()
    index[4, 1] = -1  # flagged
    data = changed(data, SYNTHETIC, labels=labels, index=index)
    x, classes = [], []
    for n, row in enumerate(labels.tolist()):
        for c, value in enumerate(row):
            for k, images in enumerate(data[SYNTHETIC].samples):
                if value == 1 and index[n, k] >= 0:
                    x.append(images.global_nopos[index[n, k]].double().numpy())
                    classes.append(c)
    texts = encode_names(clip(), NAMES, "a photo of a {}").double().numpy()
    *_, weight, bias = loop_classifier(np.array(x), np.array(classes), np.ones(len(x)), texts)
    _, tensors, scores = trained("global_gda", data, rule="raw")
    np.testing.assert_allclose(tensors["weight"][0], weight, rtol=1e-3, atol=1e-5)
    z = data[TRAIN].images.global_nopos.double().numpy() @ weight.T + bias
    np.testing.assert_allclose(scores[0], z, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(trained("global_gda", data)[2], without_offset(scores, "z"), rtol=1e-3, atol=1e-4)


def loop_surest(local: torch.Tensor, texts: torch.Tensor, scale: float, most: int) -> dict[int, list[tuple]]:
    """(entropy, probability, patch) of the surest patches, by class."""
    found: dict[int, list[tuple]] = {c: [] for c in range(len(texts))}
    for patch in local.flatten(0, 1):
        p = [math.exp(scale * float(patch.float() @ t)) for t in texts]
        p = [value / sum(p) for value in p]
        own = max(range(len(p)), key=p.__getitem__)
        found[own].append((-sum(v * math.log(v) for v in p), p[own], patch))
    return {c: sorted(rows, key=lambda row: row[0])[:most] for c, rows in found.items()}


def test_the_surest_patches_are_the_loops() -> None:
    data = toy()
    texts, local = encode_names(clip(), NAMES, "a photo of a {}"), data[TRAIN].images.local
    rows = torch.arange(3, 40)
    found = surest_patches([Maps(local, rows[:20]), Maps(local, rows[20:])], texts, 20.0, 6, chunk=7)
    expected = loop_surest(local[rows], texts, 20.0, 6)
    for c in range(len(NAMES)):
        weights = sorted(found.weights[found.classes == c].tolist())
        assert weights == pytest.approx(sorted(weight for _, weight, _ in expected[c]), rel=1e-4)
        sums = found.features[found.classes == c].sum(0)
        torch.testing.assert_close(sums, sum((p.float() for *_, p in expected[c]), torch.zeros(texts.shape[1])))
    allowed = torch.zeros(37, len(NAMES), dtype=torch.bool)
    allowed[:, 1] = True
    only = surest_patches([Maps(local, rows, allowed)], texts, 20.0, 6)
    assert set(only.classes.tolist()) <= {1}


def test_purifying_keeps_patches_a_deviation_above_their_class() -> None:
    x, classes, weights = examples(60)
    patches, first = Patches(x, classes, weights), fitted(x, classes, weights, torch.zeros(C, D))
    kept = purified(patches, first, 0.05, 1)
    q = (0.05 * (x @ first.weight.T + first.bias)).softmax(1)
    expected = []
    for c in range(C):
        own = [i for i in range(60) if int(q[i].argmax()) == c]
        limit = np.mean([float(q[i, c]) for i in own]) + np.std([float(q[i, c]) for i in own], ddof=1)
        expected += [(c, float(q[i, c])) for i in own if float(q[i, c]) >= limit]
    found = zip(kept.classes.tolist(), kept.weights.tolist(), strict=True)
    for (c, weight), (other, value) in zip(sorted(found), sorted(expected), strict=True):
        assert c == other
        assert weight == pytest.approx(value, rel=1e-4)


def test_a_saturated_softmax_leaves_the_least_of_each_class() -> None:
    sure = 50 * torch.eye(C).repeat(9, 1)  # q is 1 for nine patches of a class and 0.6 for one: no q is above 1.1
    x = torch.cat([sure, torch.eye(C)])
    patches, first = Patches(x, torch.arange(30) % C, torch.ones(30)), Linear(torch.eye(C), torch.zeros(C))
    kept = purified(patches, first, 1.0, 4)
    assert kept.classes.bincount().tolist() == [4, 4, 4]
    assert kept.weights.tolist() == pytest.approx([1.0] * 12)
    assert len(purified(patches, first, 1.0, 100).classes) == 30  # a class has fewer than `least`


def test_patch_gda_takes_the_best_cell_after_the_softmax_within_it() -> None:
    data = toy()
    chosen, tensors, scores = trained("patch_gda", data, patches=8)
    temperature = chosen.spread * float(tensors["spread"][0])
    for n in (0, 39):
        best = [-math.inf] * len(NAMES)
        for cell in data[TRAIN].images.local[n].float():
            z = (tensors["weight"][0] @ cell + tensors["bias"][0]).tolist()
            total = math.log(sum(math.exp((value - max(z)) / temperature) for value in z)) + max(z) / temperature
            best = [max(b, value / temperature - total) for b, value in zip(best, z, strict=True)]
        assert scores[0, n].tolist() == pytest.approx(best, abs=1e-4)
    free = trained("patch_gda", data, patches=8, restrict="none")[1]
    assert not torch.equal(free["weight"], tensors["weight"])


@pytest.mark.parametrize("spread", [None, 3.0])
def test_piaa_adds_the_softmax_of_both_parts(spread: float | None) -> None:
    data = toy()
    _, tensors, scores = trained("piaa", data, patches=12, least=3, spread=spread)
    temperature = 500.0 if spread is None else spread * float(tensors["spread"][0])
    texts, images = encode_names(clip(), NAMES, "a photo of a {}"), data[TRAIN].images
    for n in (0, 39):
        far = (80 * texts @ images.global_pos[n].float()).softmax(0)
        z = images.local[n].float() @ tensors["weight"][0].T + tensors["bias"][0]
        near = (200 * (z / temperature).softmax(1).amax(0)).softmax(0)
        torch.testing.assert_close(scores[0, n], 0.1 * far + 0.9 * near, rtol=1e-4, atol=1e-6)
    unlabelled = changed(data, TRAIN, labels=torch.full_like(data[TRAIN].labels, -1))
    torch.testing.assert_close(trained("piaa", unlabelled, patches=12, least=3, spread=spread)[2], scores)


@pytest.mark.parametrize("name", ["global_gda", "patch_gda", "piaa"])
def test_nothing_is_sampled_and_the_paper_has_no_such_row(name: str) -> None:
    method = methods.get(name)
    assert method.seeds((1, 2, 3)) == (1,)
    assert not method.in_paper


def test_features_of_one_direction_are_finite() -> None:
    same = normalize(torch.ones(6, D), dim=1)
    weight, bias = fitted(same, torch.arange(6) % C, torch.ones(6), torch.zeros(C, D))
    assert weight.isfinite().all()
    assert bias.isfinite().all()
