"""Compositions and their latents, which are computed once."""

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

_UNNAMED = 0.1
"""Share of empty captions, which guidance needs."""
_ASIDE = 0.5
"""How often a round holds a composition that is not simply one centred object."""
_MOVED = 0.2
"""Share of compositions that are moved and resized by a few pixels. What always lies on the same
pixels has the same latents each time, which a small UNet learns far sooner."""
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
                if composition.placing is Placing.NORMAL or rng.random() < _ASIDE
            ]
            rng.shuffle(order)
            for start in range(0, len(order) - size + 1, size):
                chosen = order[start : start + size]
                captions = [
                    "" if rng.random() < _UNNAMED else draw_caption(self.compositions[i], rng)
                    for i in chosen
                ]
                yield self.latents[chosen].float(), captions


def make_examples(
    path: Path,
    count: int,
    vae: Autoencoder,
    pictures: Mapping[str, Image.Image],
    report: Callable[[str], None],
) -> Examples:
    """`count` compositions, number i being always the same; `path` keeps their latents."""
    generators = [random.Random(number) for number in range(count)]
    compositions = [draw_composition(rng) for rng in generators]
    if not path.exists():
        chunks = []
        for start in range(0, count, _CHUNK):
            those = slice(start, start + _CHUNK)
            rendered = [
                render(composition, pictures, rng if rng.random() < _MOVED else None)
                for composition, rng in zip(compositions[those], generators[those], strict=True)
            ]
            chunks.append(encode(vae, rendered))
            if start % (20 * _CHUNK) == 0:
                report(f"encoded {start} of {count}")
        torch.save(torch.cat(chunks), path)
    latents: Tensor = torch.load(path, weights_only=True)
    return Examples(compositions[: len(latents)], latents)
