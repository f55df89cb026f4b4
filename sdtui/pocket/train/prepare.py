"""Render training pictures and encode them once: `python -m sdtui.pocket.train.prepare`.

Each file holds the latents of some pictures of one size, several captions of each, what the
pictures show as numbers, and which cell shows which object. A training reads new files as they
come, so that both may run at once.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping
from pathlib import Path

import click
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch.multiprocessing.spawn import spawn

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import draw_caption
from sdtui.pocket.train.compositions import (
    SIZE,
    Composition,
    draw_composition,
)
from sdtui.pocket.train.labels import labels
from sdtui.pocket.train.layout import cell_owners
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.rendering import Drawing, render_anywhere, render_shape
from sdtui.pocket.train.sizes import NATIVE, SHARES, Size, cells_of, name_of
from sdtui.pocket.train.vae import Autoencoder, encode

_CELLS = 1000 * (SIZE // 8) ** 2
"""Latent cells in a file: 1000 pictures of the native size."""
_CAPTIONS = 4
"""Captions of each picture."""
_SHIFTED = 0.1
"""Share of compositions that are shifted and resized by a few pixels. Objects on always the same
pixels have the same latents each time, which a small UNet learns far sooner."""
_ANYWHERE = 0.3
"""Share of pictures of other sizes whose objects have any size, place and turn."""
_CHUNK = 50


def draw_example(
    seed: str, size: Size, pictures: Mapping[str, Image.Image]
) -> tuple[Composition, list[str], Drawing]:
    """The composition, the captions and the picture with this seed."""
    rng = random.Random(seed)
    composition = draw_composition(rng)
    captions = [draw_caption(composition, rng) for _ in range(_CAPTIONS)]
    width, height = size
    if width == height != SIZE and rng.random() < _ANYWHERE:
        return composition, captions, render_anywhere(composition, pictures, rng, width)
    shifts = rng if rng.random() < _SHIFTED else None
    return composition, captions, render_shape(composition, pictures, shifts, size)


def prepare(
    path: Path, number: int, size: Size, vae: Autoencoder, pictures: Mapping[str, Image.Image]
) -> None:
    """Write one file of pictures of a size."""
    count = _CELLS // cells_of(size)
    latents, captions, rows, owners = [], [], [], []
    for start in range(0, count, _CHUNK):
        examples = [
            draw_example(f"{name_of(size)}-{number}-{index}", size, pictures)
            for index in range(start, min(count, start + _CHUNK))
        ]
        latents.append(encode(vae, [drawing.picture for _, _, drawing in examples]))
        captions += [texts for _, texts, _ in examples]
        rows += [labels(composition) for composition, _, _ in examples]
        owners += [cell_owners(drawing.owners) for _, _, drawing in examples]
    content = {
        "latents": torch.cat(latents),
        "captions": captions,
        "labels": torch.tensor(rows),
        "owners": torch.stack(owners),
    }
    temporary = path.with_suffix(".part")
    torch.save(content, temporary)
    temporary.replace(path)


def prepare_files(process: int, arguments: argparse.Namespace) -> None:
    """Write every file whose turn it is in one of the processes, unless it exists."""
    torch.set_num_threads(1)
    pictures = load_pictures(fetch_assets(arguments.work), THINGS)
    vae: Autoencoder = AutoencoderTiny.from_pretrained(arguments.vae, dtype=torch.float32)
    vae.to(arguments.device, memory_format=torch.channels_last).eval()
    rng = random.Random(11)
    for number in range(arguments.files):
        size = rng.choices(tuple(SHARES), tuple(SHARES.values()))[0] if number else NATIVE
        path = arguments.work / "latents" / f"{name_of(size)}-{number:04}.pt"
        if number % arguments.processes == process and not path.exists():
            prepare(path, number, size, vae, pictures)
            click.echo(f"{path.name} of {arguments.files}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train.prepare")
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="assets, latents")
    parser.add_argument("--vae", type=Path, default=MODEL_FOLDER / "vae")
    parser.add_argument("--files", type=int, default=40, help="of a thousand pictures each")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of the autoencoder")
    arguments = parser.parse_args()
    fetch_assets(arguments.work)
    (arguments.work / "latents").mkdir(exist_ok=True)
    spawn(prepare_files, (arguments,), arguments.processes)


if __name__ == "__main__":
    main()
