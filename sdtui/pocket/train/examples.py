"""Training examples: compositions and their latents, which are encoded once."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import Composition, Placing, draw_composition, render
from sdtui.pocket.train.vae import Autoencoder, encode

_EMPTY_CAPTIONS = 0.1
"""Share of empty captions, needed for classifier-free guidance."""
_OFF_CENTRE = 0.5
"""Probability that an epoch includes a composition other than one centred object."""
_SHIFTED = 0.2
"""Share of compositions that are shifted and resized by a few pixels. Objects on always the same
pixels have the same latents each time, which a small UNet learns far sooner."""
_CHUNK = 100


@dataclass(frozen=True)
class Examples:
    """Compositions and their latents: (n, 8, 16, 16), float16, scaled to unit variance."""

    compositions: list[Composition]
    latents: Tensor

    def batches(self, size: int, rng: random.Random) -> Iterator[tuple[Tensor, list[str]]]:
        """Endless batches of latents and freshly drawn captions."""
        while True:
            order = [
                number
                for number, composition in enumerate(self.compositions)
                if composition.placing is Placing.NORMAL or rng.random() < _OFF_CENTRE
            ]
            rng.shuffle(order)
            for start in range(0, len(order) - size + 1, size):
                indices = order[start : start + size]
                captions = [
                    ""
                    if rng.random() < _EMPTY_CAPTIONS
                    else draw_caption(self.compositions[i], rng)
                    for i in indices
                ]
                yield self.latents[indices].float(), captions


def make_examples(
    path: Path,
    count: int,
    vae: Autoencoder,
    pictures: Mapping[str, Image.Image],
    report: Callable[[str], None],
) -> Examples:
    """The first `count` compositions, which are always the same; `path` caches their latents."""
    generators = [random.Random(number) for number in range(count)]
    compositions = [draw_composition(rng) for rng in generators]
    if not path.exists():
        chunks = []
        for start in range(0, count, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            rendered = [
                render(composition, pictures, rng if rng.random() < _SHIFTED else None)
                for composition, rng in zip(compositions[chunk], generators[chunk], strict=True)
            ]
            chunks.append(encode(vae, rendered))
            if start % (20 * _CHUNK) == 0:
                report(f"encoded {start} of {count}")
        torch.save(torch.cat(chunks), path)
    latents: Tensor = torch.load(path, weights_only=True)
    return Examples(compositions[: len(latents)], latents)
