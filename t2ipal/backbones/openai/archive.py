"""A CLIP of random weights in the file that OpenAI publishes: a TorchScript archive in half precision."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.backbones.openai.variants import Sizes, build_sizes

if TYPE_CHECKING:
    import torch
    from clip.model import CLIP
    from torch import Tensor


def random_module(sizes: Sizes, seed: int = 0) -> CLIP:
    """OpenAI's module with weights as initialised for training, and batch norms as if they had seen images."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_sizes(sizes)
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name.endswith("bn3.weight"):  # zero at the start: blocks would hand on what they got
                    value.fill_(0.5)
                elif name.endswith("bias") and "bn" in name:
                    value.normal_(0, 0.1)
    return model.eval().requires_grad_(False)


def write_archive(path: str | Path, sizes: Sizes, seed: int = 0) -> Path:
    """Write a random CLIP as OpenAI's archives are: TorchScript, large weights in half precision, with three sizes.

    Only the first layer of the text encoder is traced. Readers take the weights, of which all are there, and a pass
    through the image encoder in half precision takes a CPU up to ten seconds.
    """
    import torch
    from clip.model import convert_weights

    model = random_module(sizes, seed)
    tokens = torch.zeros(1, sizes.context, dtype=torch.int64)
    convert_weights(model)
    with warnings.catch_warnings():
        # Deprecated, and yet the format of the files.
        warnings.simplefilter("ignore")
        archive = torch.jit.trace(_archive(model, sizes), (tokens,), check_trace=False)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        archive.save(str(path))
    return path


def _archive(model: CLIP, sizes: Sizes) -> torch.nn.Module:
    import torch

    class Archive(torch.nn.Module):
        """The parts of the archive: CLIP's own, and the sizes that OpenAI's archives carry among the weights."""

        def __init__(self) -> None:
            super().__init__()
            for name, child in model.named_children():
                self.add_module(name, child)
            for name, parameter in model.named_parameters(recurse=False):
                self.register_parameter(name, parameter)
            facts = {"input_resolution": sizes.resolution, "context_length": sizes.context}
            for name, size in (facts | {"vocab_size": sizes.vocabulary}).items():
                self.register_buffer(name, torch.tensor(size))

        def forward(self, text: Tensor) -> Tensor:
            return self.token_embedding(text) + self.positional_embedding

    return Archive()
