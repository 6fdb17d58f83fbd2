"""The features of images that a method names are all that it reads."""

import dataclasses

import pytest
import torch
from training_toy import CPU, NAMES, clip, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.features.cache import ImageFeatures
from t2ipal.features.fields import FIELDS
from t2ipal.methods.base import Method
from t2ipal.rows import SYNTHETIC, TRAIN
from t2ipal.rows.data import TrainingData
from t2ipal.rows.shots import ShotRows
from t2ipal.training.train import fit

SMALL = {"epochs": 1, "op_epochs": 1, "classifier_epochs": 1, "batch": 8, "n_ctx": 2, "hidden": 8}
NOVEL = ("laso", "ml_fsl")


def data_of(name: str, fields: frozenset[str] = frozenset(FIELDS)) -> TrainingData:
    """Toy rows of all kinds, their images with these fields alone."""
    data = toy(16)
    labels = data[TRAIN].labels.clone()
    labels[::2, :2] = 1  # ML-FSL learns from images with two labels
    train = dataclasses.replace(data[TRAIN], labels=labels)
    shots = ShotRows(only(train.images, fields), train.labels, (torch.arange(8),))
    synthetic = dataclasses.replace(
        data[SYNTHETIC], samples=tuple(only(part, fields) for part in data[SYNTHETIC].samples)
    )
    rows = [shots, synthetic, dataclasses.replace(train, images=only(train.images, fields))]
    return data.with_rows(*rows, novel=(2, 3) if name in NOVEL else None)


def only(images: ImageFeatures, fields: frozenset[str]) -> ImageFeatures:
    """The same without the other fields."""
    return ImageFeatures(
        **{key: None if key in FIELDS and key not in fields else value for key, value in vars(images).items()}
    )


@pytest.mark.parametrize("name", methods.names())
def test_a_method_reads_the_fields_that_it_names_and_no_others(name: str) -> None:
    method = methods.get(name)
    known = {key: value for key, value in SMALL.items() if key in method.Settings.model_fields}
    settings = method.Settings(**known)
    fields = method.image_fields(settings)
    found = []
    for kept in (frozenset(FIELDS), fields):
        data = data_of(name, kept)
        tensors, _ = fit(method, settings, clip(), NAMES, data, (1,), device="cpu")
        found.append(method(settings, NAMES).scores(tensors, data[TRAIN].images))
    assert torch.equal(*found)


def test_a_method_of_ones_own_reads_all_unless_it_says_less() -> None:
    assert Method.image_fields(Method.Settings()) == set(FIELDS)
    images = only(toy(4)[TRAIN].images, frozenset({"local"}))
    zsclip = methods.get("zsclip")(methods.get("zsclip").Settings(), NAMES)
    zsclip.prepare(clip(), CPU)
    with pytest.raises(UserError, match="no global_pos; expected a method whose `image_fields` names it"):
        zsclip.scores(zsclip.finish({}), images)
