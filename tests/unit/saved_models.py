"""Small CLIP and SigLIP models of random weights, as Hugging Face's transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tiny_clip import DIM, SIDE, WIDTH, tiny_clip
from torch import Tensor

from t2ipal.backbones.transformers.from_openai import from_openai

SIGLIP_CONTEXT = 16
WORDS = ("a", "dog", "cat", "car", "potted", "plant", "photo", "of", "and", "more", "it", "two", "men", ".")


def save_clip(folder: Path, state: dict[str, Tensor] | None = None) -> Path:
    """OpenAI's small ViT of `tiny_clip` under transformers' names, with OpenAI's tokenizer."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    from t2ipal.backbones.openai.tokens import byte_pairs

    state = state or tiny_clip(vision="vit").model.state_dict()
    layers = {
        "intermediate_size": 4 * WIDTH,
        "hidden_size": WIDTH,
        "num_attention_heads": 2,
        "hidden_act": "quick_gelu",
    }
    config = CLIPConfig(
        text_config={**layers, "num_hidden_layers": 3, "vocab_size": 49408, "max_position_embeddings": 77,
                     "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407},
        vision_config={**layers, "num_hidden_layers": 2, "image_size": SIDE, "patch_size": 16},
        projection_dim=DIM,
    )  # fmt: skip
    model = CLIPModel(config)
    model.load_state_dict(from_openai(state), strict=False)
    model.save_pretrained(folder)
    tables = byte_pairs()
    (folder / "vocab.json").write_text(json.dumps(tables.ids))
    merges = [" ".join(pair) for pair in tables.merges]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def save_siglip(folder: Path, pad: str = "<pad>") -> Path:
    """A SigLIP of random weights whose tokenizer knows WORDS."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel

    ids = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {word: 3 + number for number, word in enumerate(WORDS)}
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SiglipModel(
            SiglipConfig(
                text_config={**layers, "vocab_size": len(ids), "max_position_embeddings": SIGLIP_CONTEXT,
                             "bos_token_id": None, "eos_token_id": 1, "pad_token_id": ids[pad]},
                vision_config={**layers, "image_size": 32, "patch_size": 8},
            )
        )  # fmt: skip
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(torch.randn_like(value) * (0.3 if "embedding" in name else 0.15))
            model.logit_scale.fill_(1.5)
            model.logit_bias.fill_(-7.0)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token=pad, unk_token="<unk>")
    fast.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
