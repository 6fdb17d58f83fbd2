"""Small random CLIPs for tests: OpenAI's own module, weights from a seed."""

from __future__ import annotations

import torch

from t2ipal.backbones.openai.encoder import OpenAIEncoder

SIDE, DIM, WIDTH = 64, 24, 128
FACTS = (
    *("dim", "width", "context", "causal", "pool", "start_ids", "end_id"),
    *("image_size", "patch", "resize", "link"),
)
"""What every kind of backbone says alike of one CLIP."""


def tiny_clip(seed: int = 0, vision: str = "resnet") -> OpenAIEncoder:
    """Text width 128 (2 heads), 3 layers; a ResNet of width 8 or a ViT of width 128 with patches of 16 pixels."""
    from clip.model import CLIP

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = ((1, 1, 1, 1), 8, None) if vision == "resnet" else (2, 128, 16)
        model = CLIP(DIM, SIDE, *sizes, 77, 49408, WIDTH, WIDTH // 64, 3)
        with torch.no_grad():
            model.token_embedding.weight.mul_(10)
            for name, value in model.named_parameters():
                if "bias" in name or "bn" in name:
                    value.add_(0.2 * torch.randn_like(value))
            for name, value in model.named_buffers():
                if name.endswith("running_mean"):
                    value.add_(0.1 * torch.randn_like(value))
    return OpenAIEncoder(model.eval().requires_grad_(False), f"tiny-{vision}", "0" * 64)
