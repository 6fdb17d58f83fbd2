"""CLIP-DPT against loops over cells."""

import math

import pytest
import torch
from pydantic import ValidationError
from training_toy import NAMES, clip, toy

from t2ipal import methods
from t2ipal.methods.prompt_learning import encode_names
from t2ipal.rows import TRAIN
from t2ipal.training.train import fit

CLIP_DPT = methods.get("clip_dpt")


def scores(**changes: object) -> torch.Tensor:
    data, chosen = toy(), CLIP_DPT.Settings(**changes)
    tensors, history = fit(CLIP_DPT, chosen, clip(), NAMES, data, (1,), device="cpu")
    assert history == []
    return CLIP_DPT(chosen, NAMES).scores(tensors, data[TRAIN].images, chunk=7)


def test_scores_are_those_of_the_formula() -> None:
    images, found = toy()[TRAIN].images, scores(merge=0.3, tau=0.05)
    scale = float(clip().model.logit_scale.exp())
    assert found.shape == (1, 40, 4)
    for n in (0, 39):
        for c, embedding in enumerate(encode_names(clip(), NAMES, "a photo of a {}.")):
            cosines = [float(cell.float() @ embedding) for cell in images.local[n]]
            weights = [math.exp(cosine / 0.05) for cosine in cosines]
            near = sum(w * cosine for w, cosine in zip(weights, cosines, strict=True)) / sum(weights)
            far = float(images.global_pos[n].float() @ embedding)
            assert float(found[0, n, c]) == pytest.approx(scale * (0.3 * far + 0.7 * near), abs=1e-4)


def test_the_temperature_is_that_of_the_clip_at_hand() -> None:
    scale = float(clip().model.logit_scale.exp())
    assert CLIP_DPT.Settings().tau is None
    torch.testing.assert_close(scores(), scores(tau=1 / scale))
    assert not torch.allclose(scores(), scores(tau=2 / scale), atol=1e-3)


def test_its_global_half_is_zsclip() -> None:
    data, zsclip = toy(), methods.get("zsclip")
    tensors, _ = fit(zsclip, zsclip.Settings(), clip(), NAMES, data, (1,), device="cpu")
    torch.testing.assert_close(scores(merge=1.0), zsclip(zsclip.Settings(), NAMES).scores(tensors, data[TRAIN].images))


def test_a_low_temperature_takes_the_best_cell() -> None:
    names = encode_names(clip(), NAMES, "a photo of a {}.")
    best = clip().model.logit_scale.exp() * (toy()[TRAIN].images.local.float() @ names.T).amax(1)
    torch.testing.assert_close(scores(merge=0.0, tau=1e-6)[0], best, atol=1e-4, rtol=1e-4)


def test_it_is_no_row_of_the_paper_and_draws_nothing() -> None:
    assert not CLIP_DPT.in_paper
    assert CLIP_DPT.seeds((1, 2, 3)) == (1,)
    with pytest.raises(ValidationError, match=r"expected one \{\}"):
        CLIP_DPT.Settings(template="a photo")
