"""SPARC with compound prompts against loops, and without them against its normalisation."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from configs import default, merged
from sklearn.decomposition import PCA
from training_toy import NAMES, changed, clip, toy

from t2ipal import methods
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.methods.model_files import write_model
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.metrics.score_fusion import standardise
from t2ipal.models.compound_prompts import fused, listed, together
from t2ipal.plan.make import make_plan
from t2ipal.prediction.recogniser import write_recogniser
from t2ipal.rows import CAPTIONS, TRAIN
from t2ipal.training.train import fit

METHOD = methods.get("sparc")
N, C = 20, 4


def loop_fused(single: np.ndarray, plain: np.ndarray, compound: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Image by image, prompt by prompt, class by class."""
    rows = [(row - row.mean()) / row.std(ddof=1) for row in single]
    alone = np.stack([(column - column.mean()) / column.std(ddof=1) for column in np.stack(rows).T], 1)
    rows = [(row - base.mean()) / base.std(ddof=1) for row, base in zip(compound, plain, strict=True)]
    beside = np.stack([(column - column.mean()) / column.std(ddof=1) for column in np.stack(rows).T], 1)
    scores = alone.copy()
    for c in range(single.shape[1]):
        prompts = [p for p in range(compound.shape[1]) if members[p, c]]
        if prompts:
            columns = np.array([[*sorted(beside[n, prompts]), alone[n, c]] for n in range(len(single))])
            direction = PCA().fit(columns).components_[0]
            direction = -direction if direction.mean() < 0 else direction
            scores[:, c] = 0.5 * alone[:, c] + 0.5 * columns @ (direction / np.abs(direction).sum())
    return scores


def toy_scores() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    single = random.normal(size=(N, C))
    members = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0]], dtype=bool)  # none has the last class
    compound = single @ members.T + random.normal(size=(N, 3))
    return [single, single + 0.3 * random.normal(size=(N, C)), compound, members]


def test_scores_are_those_of_the_loops() -> None:
    found = fused(*(torch.from_numpy(value) for value in toy_scores()))
    np.testing.assert_allclose(found, loop_fused(*toy_scores()), rtol=1e-5, atol=1e-6)


def test_without_compound_prompts_they_are_standardised() -> None:
    single, plain, compound, members = toy_scores()
    expected = standardise(single[None])[0]
    some = fused(*(torch.from_numpy(value) for value in (single, plain, compound, members)))
    np.testing.assert_allclose(some[:, 3], expected[:, 3], atol=1e-6)  # a class that no prompt has
    none = fused(*(torch.from_numpy(value) for value in (single, plain, compound[:, :0], members[:0])))
    np.testing.assert_allclose(none, expected, atol=1e-6)
    assert torch.equal(fused(torch.ones(1, C), torch.ones(1, C), torch.ones(1, 0), torch.ones(0, C)), torch.zeros(1, C))


def test_classes_are_together_where_captions_name_them_often_enough() -> None:
    labels = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [1, -1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0]])
    counts = (labels == 1).sum(0).tolist()
    for size, share in ((2, 0.5), (2, 0.6), (2, 1e-9), (3, 0.5), (3, 0.6)):
        expected = []
        for chosen in combinations(range(4), size):
            both = sum(all(int(row[c]) == 1 for c in chosen) for row in labels)
            if both and both / min(counts[c] for c in chosen) >= share:
                expected.append(chosen)
        assert together(labels, size, share) == expected
    assert together(labels, 3, 0.5) == [(0, 1, 2)]
    assert [listed(["a", "b"]), listed(["a", "b", "c"])] == ["a and b", "a, b, and c"]


def test_the_method_encodes_pairs_of_captions_and_fuses_their_cosines() -> None:
    data = toy()
    labels = data[CAPTIONS].labels.clone()
    labels[:6, 0] = labels[:6, 1] = 1
    data = changed(data, CAPTIONS, labels=labels)
    chosen = METHOD.Settings(pairs=0.05)
    tensors, _ = fit(METHOD, chosen, clip(), NAMES, data, METHOD.seeds((1, 2)), device="cpu")
    sets = together(labels, 2, 0.05)
    assert (0, 1) in sets
    names, pooled = [" and ".join(NAMES[c] for c in pair) for pair in sets], data[TRAIN].images.global_pos.float()
    members = torch.tensor([[c in pair for c in range(4)] for pair in sets])
    single, compound = (pooled @ encode_names(clip(), texts, "a photo of a {}.").T for texts in (NAMES, names))
    found = METHOD(chosen, NAMES).scores(tensors, data[TRAIN].images)
    torch.testing.assert_close(found[0], fused(single, single, compound, members), rtol=1e-3, atol=1e-3)
    assert METHOD.transductive
    assert not METHOD.in_paper


def test_without_pairs_the_method_is_zsclip_standardised() -> None:
    data, zsclip = toy(), methods.get("zsclip")
    chosen = METHOD.Settings(pairs=None)
    tensors, _ = fit(METHOD, chosen, clip(), NAMES, data, (1,), device="cpu")
    raw, _ = fit(zsclip, zsclip.Settings(), clip(), NAMES, data, (1,), device="cpu")
    expected = standardise(zsclip(zsclip.Settings(), NAMES).scores(raw, data[TRAIN].images).numpy())
    found = METHOD(chosen, NAMES).scores(tensors, data[TRAIN].images)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_share_is_above_zero() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        METHOD.Settings(pairs=0.0)


def test_what_scores_images_by_each_other_predicts_no_photos(tmp_path: Path) -> None:
    over = {"methods": [*default()["methods"], "sparc"], "datasets": {"micro": {"photos": {"path": "photos"}}}}
    line = r"^config: datasets.micro.photos: sparc scores images by each other, so .* \(expected it in `extra`"
    with pytest.raises(UserError, match=line):
        make_plan(load_config(merged(default(), over)))
    write_model(tmp_path / "model.safetensors", {"x": torch.zeros(1)}, "sparc", {}, levels=[0])
    with pytest.raises(UserError, match=r"model.safetensors: sparc scores images by each other"):
        write_recogniser(tmp_path / "r.safetensors", tmp_path / "model.safetensors", {}, None, "1")
