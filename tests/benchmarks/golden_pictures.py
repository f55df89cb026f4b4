"""Compare the pictures of this version with those of another one, bit for bit.

    python -m tests.benchmarks.golden_pictures --against OTHER/.venv/bin/python

Tiny models of SD 1, 2 and XL and the pocket model, in fp32 and bf16, from text and from an init
image, with two samplers, in batches of two. Both versions run `sdtui generate` on this machine's
CPU, so the result doesn't depend on another machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy
from PIL import Image

from sdtui.core.enums import POCKET
from tests.support.tiny_models import make_sd1, make_sd2, make_sdxl

_SAMPLERS = ("DPM++ 2M Karras", "Euler a")
_PICTURES = 2


def main() -> None:
    """Generate every picture with both versions; exits with 1 if any pixel differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, required=True, help="the other version's Python")
    other: Path = parser.parse_args().against
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requests = list(_requests(folder))
        prompts = folder / "prompts.jsonl"
        prompts.write_text("\n".join(map(json.dumps, requests)), encoding="utf-8")
        own = _generate(Path(sys.executable), prompts, folder / "own")
        theirs = _generate(other, prompts, folder / "theirs")
        differing = 0
        for number, (one, two) in enumerate(zip(own, theirs, strict=True)):
            if not numpy.array_equal(_pixels(one), _pixels(two)):
                differing += 1
                sys.stdout.write(
                    f"differs: picture {number % _PICTURES} of {requests[number // _PICTURES]}"
                    + "\n"
                )
    sys.stdout.write(f"{len(own)} pictures, {differing} differ\n")
    sys.exit(1 if differing else 0)


def _requests(folder: Path) -> Iterator[Mapping[str, object]]:
    picture = folder / "init.png"
    gradient = numpy.linspace(0, 255, 160 * 128 * 3).reshape(128, 160, 3).astype(numpy.uint8)
    Image.fromarray(gradient).save(picture)
    models = [str(make(folder / make.__name__, seed=1)) for make in (make_sd1, make_sd2, make_sdxl)]
    init: Mapping[str, object] = {"init_image": str(picture), "strength": 0.6}
    sources: tuple[Mapping[str, object], ...] = ({}, init)
    for model, dtype, source, sampler in itertools.product(
        [*models, POCKET], ("float32", "bfloat16"), sources, _SAMPLERS
    ):
        yield {
            "prompt": "a red apple on a blue background",
            "negative_prompt": "blurry",
            "model": model,
            "dtype": dtype,
            "sampler": sampler,
            "num_inference_steps": 5,
            "guidance_scale": 5.0,
            "seed": 42,
            "num_images_per_prompt": _PICTURES,
            **source,
        }


def _generate(python: Path, prompts: Path, folder: Path) -> list[Path]:
    """Run `sdtui generate --from`; returns the paths of the pictures in order."""
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HF_HUB_OFFLINE": "1",
    }
    folder.mkdir()
    command = [str(python.absolute()), "-m", "sdtui", "generate", "--from", str(prompts)]
    done = subprocess.run(
        [*command, "-o", str(folder / "pictures"), "-q"],
        env=environment,
        cwd=python.absolute().parents[2],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [Path(line) for line in done.stdout.splitlines()]


def _pixels(path: Path) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]:
    with Image.open(path) as image:
        return numpy.asarray(image.convert("RGB"))


if __name__ == "__main__":
    main()
