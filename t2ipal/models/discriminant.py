"""Gaussian discriminant analysis in closed form: one mean per class, one covariance for all, equal priors.

Source: PIAA, github.com/akang-wang/PIAA (learn.py); with this shrinkage before it in Wang et al., A Hard-to-Beat
Baseline for Training-free CLIP-based Adaptation, ICLR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from t2ipal.errors import UserError


class Linear(NamedTuple):
    """A linear classifier: z = x weight^T + bias.

    Attributes:
        weight: [C, D] float32.
        bias: [C] float32.
    """

    weight: Tensor
    bias: Tensor


@dataclass
class ClassSums:
    """What the classifier needs of its examples, in float64; examples are added batch by batch and not kept.

    An example is a feature and a class. A feature with two classes is two examples.

    Attributes:
        counts: [C] examples.
        plain: [C, D] sums of their features.
        weights: [C] sums of their weights.
        weighted: [C, D] weighted sums of their features.
        products: [D, D] sum of the outer products of their features.
    """

    counts: Tensor
    plain: Tensor
    weights: Tensor
    weighted: Tensor
    products: Tensor

    @classmethod
    def none(cls, classes: int, dim: int, device: torch.device | None = None) -> ClassSums:
        """Of no example."""
        shapes = ((classes,), (classes, dim), (classes,), (classes, dim), (dim, dim))
        return cls(*(torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes))

    def add(self, features: Tensor, members: Tensor, weights: Tensor | None = None) -> None:
        """Add examples.

        Args:
            features: [n, D].
            members: [n, C], 1 where the feature is an example of the class, else 0.
            weights: [n], the examples' shares in the means of their classes; None: equal.
        """
        features, members = features.to(self.plain), members.to(self.plain)
        shared = members if weights is None else members * weights.to(self.plain)[:, None]
        self.counts += members.sum(0)
        self.plain += members.T @ features
        self.weights += shared.sum(0)
        self.weighted += shared.T @ features
        self.products += features.T @ (members.sum(1, keepdim=True) * features)

    def means(self, missing: Tensor) -> Tensor:
        """mu: weighted means [C, D], of a class without examples its row of `missing` [C, D]; float64."""
        known = self.weights[:, None] > 0
        return torch.where(known, self.weighted / self.weights[:, None].clamp_min(1e-300), missing.to(self.plain))

    def scatter(self, means: Tensor) -> Tensor:
        """(n - 1) S: [D, D], S the covariance of the differences to `means` [C, D], which are centred again."""
        crossed = self.plain.T @ means
        around = self.products - crossed - crossed.T + means.T @ (self.counts[:, None] * means)
        left = self.plain.sum(0) - self.counts @ means
        return around - torch.outer(left, left) / self.counts.sum()

    def classifier(self, missing: Tensor) -> Linear:
        """W = P mu^T and b = log(1 / C) - mu^T P mu / 2, with P = D pinv((n - 1) S + tr(S) I).

        Args:
            missing: [C, D] means of classes without examples.

        Raises:
            UserError: fewer than two examples.
        """
        classes, dim = self.plain.shape
        if self.counts.sum() < 2:
            raise UserError(
                f"discriminant analysis: {int(self.counts.sum())} examples of {classes} classes; expected two or more"
            )
        means = self.means(missing)
        scatter = self.scatter(means)
        shrunk = scatter + scatter.trace() / (self.counts.sum() - 1) * torch.eye(dim).to(scatter)
        weight = means @ (dim * torch.linalg.pinv(shrunk, hermitian=True))
        bias = -torch.tensor(float(classes)).log().to(weight) - (weight * means).sum(1) / 2
        return Linear(weight.float(), bias.float())
