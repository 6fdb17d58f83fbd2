"""Generated images under audit: definitions written as loops, wrong labels that are found, and the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from html_pages import HOSTILE, parse, texts
from PIL import Image

from t2ipal.audit.alignment import auc, below_real, pair_scores, shuffled, unit
from t2ipal.audit.coverage import Coverage, beside_real, coverage
from t2ipal.audit.images import OWN, Audit, Compared
from t2ipal.audit.label_issues import issues, out_of_fold
from t2ipal.pages.audit import audit_page, chosen, class_rates, rates_csv


def test_density_and_coverage_are_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t2ipal.audit.coverage.CHUNK", 7)
    rng = np.random.default_rng(0)
    real, drawn, k = rng.normal(size=(30, 3)), rng.normal(0.5, 1.2, size=(30, 3)), 4
    held = covered = 0
    for i in range(30):
        radius = sorted(np.linalg.norm(real[i] - real[j]) for j in range(30) if j != i)[k - 1]
        inside = [np.linalg.norm(real[i] - drawn[j]) < radius for j in range(30)]
        held, covered = held + sum(inside), covered + any(inside)
    assert coverage(real, drawn, k) == Coverage(held / (k * 30), covered / 30, 30)


def test_images_like_real_ones_reach_what_real_ones_reach() -> None:
    rng = np.random.default_rng(1)
    real = rng.normal(size=(400, 4))
    same, others = beside_real(real, rng.normal(size=(300, 4)))
    far, again = beside_real(real, rng.normal(3, 1, size=(300, 4)))
    assert same.images == others.images == 200
    assert again == others
    assert same.coverage > 0.9 > 0.3 > far.coverage
    assert others.density == pytest.approx(1, abs=0.15)


def test_scores_of_pairs_have_a_scale_from_other_pairs() -> None:
    rng = np.random.default_rng(2)
    texts_ = rng.normal(size=(50, 8))
    images = texts_ + rng.normal(0, 0.5, size=(50, 8))
    own, other = pair_scores(images, 3 * texts_), shuffled(images, texts_)
    assert own[7] == pytest.approx(unit(images)[7] @ unit(texts_)[7])
    assert not set(np.round(own, 9)) & set(np.round(other, 9))  # no image meets its own text
    wanted = np.mean([(a > b) + 0.5 * (a == b) for a in own for b in other])
    assert auc(own, other) == pytest.approx(wanted)
    assert auc(np.ones(3), np.ones(4)) == 0.5


def test_a_named_class_is_below_real_images_by_their_quantile() -> None:
    real = np.linspace(0, 1, 101)[:, None].repeat(3, 1)
    truth = np.ones((101, 3), int)
    truth[:, 2] = 0
    drawn, named = np.array([[0.01, 0.5, 0.0], [0.2, 0.049, 0.0], [0.9, 0.051, 0.0]]), np.ones((3, 3), int)
    named[2, 0] = -1
    found = below_real(drawn, named, real, truth)
    assert found[:2].tolist() == [1 / 2, 1 / 3]
    assert np.isnan(found[2])


def test_labels_that_images_contradict_are_found() -> None:
    """Flipped labels of separable classes; unknown ones are never flagged, nor those of a class of one value."""
    rng = np.random.default_rng(3)
    truth = (rng.random((400, 3)) < [0.3, 0.5, 0.2]).astype(int)
    features = truth @ rng.normal(size=(3, 12)) + rng.normal(0, 0.15, size=(400, 12))
    labels = truth.copy()
    flipped = rng.random(labels.shape) < 0.04
    labels[flipped] ^= 1
    labels[:20, 0] = -1
    flipped[:20, 0] = False
    groups = [f"caption {row // 2}" for row in range(400)]
    p = out_of_fold(features, labels, groups)
    found = issues(labels, p)
    assert not found[:20, 0].any()
    assert (found & flipped).sum() / flipped.sum() > 0.8
    assert (found & flipped).sum() / found.sum() > 0.8
    assert not issues(np.ones((30, 1), int), p[:30, :1]).any()


def test_a_fold_holds_all_images_of_a_caption() -> None:
    """Labels that only the caption decides are not learned from its other image."""
    rng = np.random.default_rng(4)
    features = rng.normal(size=(60, 200)).repeat(2, 0)
    labels = (rng.random((60, 1)) < 0.5).astype(int).repeat(2, 0)
    together = out_of_fold(features, labels, [str(row // 2) for row in range(120)])
    alone = out_of_fold(features, labels, [str(row) for row in range(120)])
    assert auc(alone[labels == 1], alone[labels == 0]) > 0.9
    assert auc(together[labels == 1], together[labels == 0]) < 0.7


def an_audit() -> Audit:
    rng = np.random.default_rng(5)
    labels = np.array([[1, 0, -1], [0, 1, 0], [1, 1, 0]] * 10)
    flagged = np.zeros(labels.shape, bool)
    flagged[[0, 1, 1], [0, 0, 2]] = True
    return Audit(
        tuple(f"c{row:02d}" for row in range(30)),
        labels,
        (Coverage(0.9, 0.88, 500), Coverage(0.97, 0.974, 500)),
        {OWN: [0.1, 0.2, 0.3, 0.4, 0.5]},
        0.91,
        np.array([0.25, 0.5, np.nan]),
        flagged,
        {"CLIP score of the caption": np.linspace(0, 1, 30), "other": rng.random(30)},
    )


def test_the_page_shows_the_ends_of_each_measure_and_the_rates_of_classes() -> None:
    audit, names = an_audit(), ("dog", "<b>cat", "car")
    low, high = chosen(audit)["CLIP score of the caption"]
    assert (low, high) == (list(range(8)), list(range(29, 21, -1)))
    rates = class_rates(audit, names)
    assert rates[0] == {"class": "dog", "named": 20, "below": 25.0, "doubted": 1, "unnamed": 1}
    assert (rates[2]["named"], rates[2]["below"]) == (0, None)
    assert rates_csv(rates).splitlines()[:2] == ["class,named,below,doubted,unnamed", "dog,20,25,1,1"]
    captions = {name: HOSTILE[row % len(HOSTILE)] for row, name in enumerate(audit.ids)}
    images = {name: Image.new("RGB", (160, 120), (row, 0, 0)) for row, name in enumerate(audit.ids)}
    text = audit_page(audit, names, captions, images, "my <world>", "sd15", "CLIP small", False)
    page = parse(text)
    assert "Text-to-image models" not in text
    several = replace(audit, others={"<i>g2": Compared(28, None, [0.0, 0.1, 0.2, 0.3, 0.4], 0.83)})
    compared = parse(audit_page(several, names, captions, images, "my <world>", "sd15", "CLIP small", False))
    rows = [texts(row, "th, td") for row in compared.query("table")[1].query("tbody tr")]
    assert rows == [
        ["sd15", "30", "0.90", "88.0", "91.0", "0.100", "0.200", "0.300", "0.400", "0.500"],
        ["<i>g2", "28", "\N{EN DASH}", "\N{EN DASH}", "83.0", "0.000", "0.100", "0.200", "0.300", "0.400"],
    ]
    assert not page.query("script, i, b")
    assert all(image.attrs["src"].startswith("data:image/jpeg;base64,") for image in page.query("img"))
    assert len(page.query(".examples li")) == 2 * 2 * 8
    assert texts(page, "h1") == ["Images under audit: my <world>"]
    assert "doubted: dog" in text
    assert "37.5 % of 40 named classes" in texts(page, "p")[3]
    assert "Training uses another CLIP." in text
    assert "second one" in audit_page(audit, names, captions, images, "w", "sd15", "CLIP micro", True)
