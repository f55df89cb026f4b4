"""Which objects the UNet draws worst, so that pictures of them are chosen more often.

A zebra, a spider or a wrench takes more practice than an apple. With all objects alike, those that
are easy are right long before the others are, and still take most of the steps.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from sdtui.pocket.train.labels import CLASSES, OBJECT_LABELS, number_of

_KEPT = 0.998
"""What is left of the sums after a step: they remember some 500 steps."""
_BEGIN = 100
"""Steps before the sums are used: of each object some 30 pictures by then."""
_LEAST, _MOST = 0.5, 3.0
"""Range of the weights relative to their mean."""
_PRACTISED = 3
"""How much more often objects are chosen that are to be practised."""


class Difficulty:
    """The squared error of each object in the latest steps, relative to its contrast; and the
    objects that are to be `practised`, by name, such as those that people take for others.

    Raises:
        ValueError: there is no object of a name.
    """

    def __init__(self, device: str = "cpu", practised: Iterable[str] = ()) -> None:
        self._practice = torch.ones(CLASSES[OBJECT_LABELS[0]], device=device)
        self._practice[[number_of(name) for name in practised]] = _PRACTISED
        self._errors = torch.zeros(CLASSES[OBJECT_LABELS[0]], device=device)
        self._contrasts = torch.zeros_like(self._errors)
        self._steps = 0

    @torch.no_grad()
    def update(self, latents: Tensor, owners: Tensor, labels: Tensor, errors: Tensor) -> None:
        """Count a step: the latents of its pictures (n, c, h, w), which object each cell shows
        (n, h, w), the labels (n, 7), and the squared error of each cell (n, h, w)."""
        self._steps += 1
        self._errors *= _KEPT
        self._contrasts *= _KEPT
        for number, label in enumerate(OBJECT_LABELS, start=1):
            shown = (owners == number).unsqueeze(1)
            mean = (shown * latents).sum((2, 3), keepdim=True)
            mean /= shown.sum((2, 3), keepdim=True).clamp(min=1)
            contrasts = (shown * (latents - mean).square()).mean(dim=1).sum((1, 2))
            things = labels[:, label].long()
            self._contrasts.index_add_(0, things, contrasts)
            self._errors.index_add_(0, things, (shown[:, 0] * errors).sum((1, 2)))

    def weights(self, labels: Tensor) -> Tensor:
        """How often to choose pictures with these labels (n, 7), relative to each other: as their
        harder object."""
        each = self._practice * self._relative_errors()
        return each[labels[:, list(OBJECT_LABELS)].long()].amax(dim=1)

    def _relative_errors(self) -> Tensor:
        """Those of the objects, ones until they are known."""
        known = self._contrasts > 0
        if self._steps < _BEGIN or not known.any():
            return torch.ones_like(self._errors)
        relative = self._errors / self._contrasts.clamp(min=1e-6)
        each = (relative / relative[known].mean()).clamp(_LEAST, _MOST)
        each[~known] = _LEAST
        return each
