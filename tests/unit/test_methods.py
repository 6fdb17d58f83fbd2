"""The methods: finding them, their settings, and their logits and losses against loops written from the equations."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from loss_loops import loop_rank
from pydantic import ValidationError
from tiny_clip import DIM
from torch import Tensor
from torch.nn.functional import normalize
from training_toy import CPU, NAMES, clip, settings, toy

from t2ipal import methods
from t2ipal.errors import UserError
from t2ipal.methods.base import Method
from t2ipal.methods.prompt_learning import encode_names, without_ends
from t2ipal.models.start import normal_start
from t2ipal.rows import CAPTIONS, SYNTHETIC, TRAIN
from t2ipal.rows.sampler import Sampler
from t2ipal.training.train import fit


class Toy(Method):
    """A method from outside the package."""

    name = "toy"
    title = "Toy"
    source = "this test"


def test_methods_are_found_by_name_and_by_path() -> None:
    own = {"clip_dpt", "comc", "coop", "dualcoop", "oracle", "t2i_pal", "tai_dpt", "zsclip"}
    assert own <= set(methods.names())
    assert methods.names() == tuple(sorted(methods.names()))
    assert all(methods.get(name).name == name for name in methods.names())
    assert methods.get(f"{__name__}.Toy") is Toy
    with pytest.raises(UserError, match=r"method 'nope': unknown; expected one of .*oracle.*t2i_pal"):
        methods.get("nope")
    with pytest.raises(UserError, match="expected sqrt in math to be a subclass"):
        methods.get("math.sqrt")
    with pytest.raises(UserError, match="cannot import nowhere"):
        methods.get("nowhere.Toy")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise ValueError('two\\nlines')", "own fails: ValueError: two lines"),
        ("def x(:", "own fails: SyntaxError"),
        ("raise SystemExit(0)", "own fails: SystemExit: 0"),
        ("class X(Method): ...", "no name"),
        ("class X(Method): name, title, source = 'x', '<b>', 's'", "its title '<b>' has '<'"),
        ("class X(Method): name, title, source, Settings = 'x', 'X', 's', dict", "Settings is .*dict"),
        ("class X(Method): name, title, source, uses = 'x', 'X', 's', {'videos'}", "uses 'videos'"),
    ],
)
def test_a_method_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, line: str
) -> None:
    name = f"own_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(f"from t2ipal.methods.base import Method\n{body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=line.replace("own ", f"{name} ")):
        methods.get(f"{name}.X")


def test_reading_a_method_imports_nothing_heavy() -> None:
    code = (
        "import sys; from t2ipal import methods; [methods.get(name) for name in methods.names()]; "
        "print([name for name in ('torch', 'numpy', 'pandas', 'pyarrow', 'clip') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", methods.names())
def test_every_setting_is_described_and_strict(name: str) -> None:
    model = methods.get(name).Settings
    assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValidationError):
        model(colour="red")
    assert methods.get(name).source


def test_defaults_are_the_papers() -> None:
    chosen = methods.get("t2i_pal").Settings()
    paper = {"gamma": 0.2, "alpha": 1, "beta": 3.5, "eta": 1, "tau_text": 0.02, "tau_image": 0.02, "n_ctx": 16}
    paper |= {"epochs": 40, "batch": 64, "lr": 1e-4, "init_std": 0.02}
    assert {key: getattr(chosen, key) for key in paper} == paper
    assert methods.get("tai_dpt").Settings().tau_image == 1 / 40
    for key, value in {"gamma": 1.5, "beta": 0.0, "lr": math.inf, "merge": -0.1, "epochs": "3"}.items():
        with pytest.raises(ValidationError):
            methods.get("t2i_pal").Settings(**{key: value})


def test_kinds_follow_gamma() -> None:
    method = methods.get("t2i_pal")
    assert method.kinds(method.Settings(gamma=0.0)) == {CAPTIONS}
    assert method.kinds(method.Settings(gamma=1.0)) == {SYNTHETIC}
    assert method.kinds(method.Settings()) == {CAPTIONS, SYNTHETIC}
    assert methods.get("oracle").kinds(methods.get("oracle").Settings()) == {TRAIN}
    assert methods.get("zsclip").seeds((1, 2, 3)) == (1,)


def loop_logits(
    chosen: object, tensors: dict[str, Tensor], pooled: Tensor, local: Tensor, tau: float
) -> tuple[list[float], list[float]]:
    """Eqs. 2-6 for one row and one seed, number by number: the logits of all classes."""
    s, s_local = [], []
    for i in range(len(NAMES)):
        s_i = chosen.logit_scale * float(pooled @ tensors["class_global"][i])
        cosines = [float(cell @ tensors["class_local"][i]) for cell in local]
        top = max(cosines)
        weights = [math.exp((value - top) / tau) for value in cosines]
        heat = [weight / sum(weights) for weight in weights]
        l_i = chosen.logit_scale * sum(h * value for h, value in zip(heat, cosines, strict=True))
        attended = sum(h * cell for h, cell in zip(heat, local, strict=True))
        for side, query in (("local", attended), ("global", pooled)):
            if f"adapter_{side}" in tensors:
                cosine = float(normalize(query, dim=0) @ normalize(tensors[f"adapter_{side}"][i], dim=0))
                q = chosen.alpha * math.exp(-chosen.beta * (1 - cosine))
                s_i, l_i = (s_i, l_i + q) if side == "local" else (s_i + q, l_i)
        s.append(s_i)
        s_local.append(l_i)
    return s, s_local


@pytest.mark.parametrize("adapter", ["local", "none", "global", "both"])
def test_loss_is_that_of_the_equations(adapter: str) -> None:
    chosen = settings("t2i_pal", adapter=adapter, adapter_init="normal", gamma=0.3, tau_text=0.1, tau_image=0.05)
    model = methods.get("t2i_pal")(chosen, NAMES)
    model.prepare(clip(), CPU)
    learned = model.start((1, 2))
    batch = next(Sampler(toy(), model.rows(), (1, 2), 6, True).epoch(0, CPU))
    found = model.loss(learned, batch)
    tensors = learned | model.embed(learned)
    for s in range(2):
        losses = {}
        for kind, tau in ((CAPTIONS, 0.1), (SYNTHETIC, 0.05)):
            branch, total = batch[kind], 0.0
            for r in range(6):
                local = branch.local[s, r] if branch.mask is None else branch.local[s, r][branch.mask[s, r]]
                row = {name: value[s].detach() for name, value in tensors.items()}
                both = loop_logits(chosen, row, branch.pooled[s, r], local, tau)
                total += float(branch.weight[s, r]) * sum(loop_rank(z, branch.labels[s, r], 1.0) for z in both)
            losses[kind] = total / float(branch.weight[s].sum())
        expected = 0.3 * losses[SYNTHETIC] + 0.7 * losses[CAPTIONS]
        assert float(found["loss"][s]) == pytest.approx(expected, rel=1e-4)
        assert float(found["loss_text"][s]) == pytest.approx(losses[CAPTIONS], rel=1e-4)
        assert float(found["loss_image"][s]) == pytest.approx(losses[SYNTHETIC], rel=1e-4)


def test_scores_are_merged_and_chunks_change_nothing() -> None:
    data = toy()
    chosen = settings("t2i_pal", merge=0.3)
    tensors, _ = fit(methods.get("t2i_pal"), chosen, clip(), NAMES, data, (1, 2), device="cpu")
    model = methods.get("t2i_pal")(chosen, NAMES)
    found = model.scores(tensors, data[TRAIN].images, chunk=7)
    assert found.shape == (2, 40, 4)
    assert torch.allclose(found, model.scores(tensors, data[TRAIN].images), atol=1e-6)
    for s, n in ((0, 0), (1, 39)):
        row = {name: value[s] for name, value in tensors.items()}
        both = loop_logits(
            chosen, row, data[TRAIN].images.global_nopos[n].float(), data[TRAIN].images.local[n].float(), 0.02
        )
        expected = [0.3 * a + 0.7 * b for a, b in zip(*both, strict=True)]
        assert found[s, n].tolist() == pytest.approx(expected, abs=1e-4)


def test_heat_maps_sum_to_one() -> None:
    data = toy()
    tensors, _ = fit(methods.get("tai_dpt"), settings("tai_dpt"), clip(), NAMES, data, (1, 2), device="cpu")
    maps = methods.get("tai_dpt")(settings("tai_dpt"), NAMES).heat_maps(tensors, data[TRAIN].images.local)
    assert maps.shape == (2, 40, 4, 4)
    assert torch.allclose(maps.sum(-1), torch.ones(2, 40, 4), atol=1e-5)


def test_only_contexts_and_adapter_learn() -> None:
    chosen = settings("t2i_pal", adapter="both", class_specific=True)
    before = {name: value.clone() for name, value in clip().model.state_dict().items()}
    tensors, _ = fit(methods.get("t2i_pal"), chosen, clip(), NAMES, toy(), (1,), device="cpu")
    assert all(torch.equal(value, before[name]) for name, value in clip().model.state_dict().items())
    assert tensors["context_global"].shape == (1, 4, 16, 128)
    assert tensors["adapter_global"].shape == tensors["class_local"].shape == (1, 4, DIM)
    fresh = methods.get("t2i_pal")(chosen, NAMES)
    fresh.prepare(clip(), CPU)
    start = fresh.start((1,))
    assert all(not torch.equal(tensors[name], value) for name, value in start.items())


def test_t2i_pal_without_images_and_adapter_is_tai_dpt() -> None:
    data = toy()
    plain = settings("t2i_pal", gamma=0.0, adapter="none", tau_image=1 / 40)
    one, _ = fit(methods.get("t2i_pal"), plain, clip(), NAMES, data, (1,), device="cpu")
    other, _ = fit(methods.get("tai_dpt"), settings("tai_dpt"), clip(), NAMES, data, (1,), device="cpu")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamw"},
        {"mask": "special"},
        {"rank_form": "paper_abs"},
        {"image_sampling": "mean_loss"},
        {"image_sampling": "mean_feature"},
        {"image_sampling": "all"},
        {"pairing": "independent"},
        {"global_feature": "pos"},
        {"templates": 0},
        {"drop_last": False},
        {"gamma": 1.0},
        {"normalise_query": False, "normalise_adapter": False},
        {"adapter_lr_mult": 10.0},
        {"schedule": "constant"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_each_choice_trains_and_matters(changes: dict[str, object]) -> None:
    data, results = toy(), []
    for chosen in (settings("t2i_pal", epochs=3), settings("t2i_pal", epochs=3, **changes)):
        tensors, history = fit(methods.get("t2i_pal"), chosen, clip(), NAMES, data, (1,), device="cpu")
        assert math.isfinite(history[-1]["loss"])
        results.append(tensors)
    assert any(not torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_draws_depend_on_the_seed_and_the_name() -> None:
    both = normal_start((1, 2), "context_global", (2000,), 0.02)
    assert torch.equal(both[1], normal_start((2,), "context_global", (2000,), 0.02)[0])
    assert not torch.equal(both[0], normal_start((1,), "context_local", (2000,), 0.02)[0])
    assert float(both.std()) == pytest.approx(0.02, rel=0.05)


def test_without_ends_drops_start_and_end_of_text() -> None:
    mask = torch.tensor([[True, True, True, True], [True, True, True, False]])
    assert without_ends(mask).tolist() == [[False, True, True, False], [False, True, False, False]]


def test_zsclip_is_the_cosine_of_image_and_prompt() -> None:
    data = toy()
    method = methods.get("zsclip")
    tensors, history = fit(method, method.Settings(), clip(), NAMES, data, (1,), device="cpu")
    scores = method(method.Settings(), NAMES).scores(tensors, data[TRAIN].images)
    names = encode_names(clip(), NAMES, "a photo of a {}.")
    expected = clip().model.logit_scale.exp() * data[TRAIN].images.global_pos.float() @ names.T
    assert history == []
    assert torch.allclose(scores[0], expected, atol=1e-5)
    with pytest.raises(ValidationError, match=r"expected one \{\}"):
        method.Settings(template="a photo")
