"""Train the pocket model: pictures → autoencoder → latents → text encoder and UNet → folder.

Every stage leaves its result in the work folder and is skipped when that is there.
"""

import argparse
import json
import random
import time
from collections.abc import Mapping
from pathlib import Path

import click
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.sheet import PROMPTS, draw, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import vocabulary_texts
from sdtui.pocket.train.compositions import Composition, draw_composition, render
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.tokenizer import new_tokenizer
from sdtui.pocket.train.unet import (
    Examples,
    Models,
    Training,
    new_scheduler,
    new_text_encoder,
    new_unet,
)
from sdtui.pocket.train.vae import encode, reconstruction_sheet, train_vae

_STARTED = time.monotonic()


def report(line: str) -> None:
    click.echo(f"{time.monotonic() - _STARTED:6.0f} s  {line}")


def main() -> None:
    logging.set_verbosity_error()  # The pipeline says that it expected an AutoencoderKL.
    arguments = parse()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    pictures = load_pictures(fetch_assets(work), THINGS)
    vae = the_vae(work, pictures, arguments)
    examples = the_examples(work, vae, pictures, arguments.pictures)
    training = Training(the_models(arguments), work / "unet.pt")

    def show(models: Models, step: int) -> None:
        pipeline = the_pipeline(models, vae)
        pipeline.set_progress_bar_config(disable=True)
        pictures = draw(pipeline, PROMPTS, range(len(PROMPTS)))
        sheet(pictures).save(work / f"sheet-{step:06}.png")

    training.run(examples, arguments.unet_minutes * 60, report, show)
    export(the_pipeline(training.averaged(), vae), arguments.to)
    report(f"written to {arguments.to}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="checkpoints, latents")
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER, help="the finished model folder")
    parser.add_argument("--vae-minutes", type=float, default=9)
    parser.add_argument("--unet-minutes", type=float, default=90, help="over all stretches")
    parser.add_argument("--pictures", type=int, default=24_000, help="compositions to train on")
    parser.add_argument(
        "--from-model", action="store_true", help="start from the weights of the model folder"
    )
    return parser.parse_args()


def the_vae(
    work: Path, pictures: Mapping[str, Image.Image], arguments: argparse.Namespace
) -> AutoencoderTiny:
    """The autoencoder of the work folder or of the model folder, or a new one."""
    folder = work / "vae"
    if not folder.is_dir():
        if arguments.from_model:
            return AutoencoderTiny.from_pretrained(MODEL_FOLDER / "vae", dtype=torch.float32)
        vae = train_vae(pictures, arguments.vae_minutes * 60, report)
        reconstruction_sheet(vae, pictures, work / "vae.png")
        vae.save_pretrained(folder)
    vae = AutoencoderTiny.from_pretrained(folder)
    return vae.to(memory_format=torch.channels_last)


def the_examples(
    work: Path, vae: AutoencoderTiny, pictures: Mapping[str, Image.Image], count: int
) -> Examples:
    """`count` compositions with latents; number i is always the same composition."""
    path = work / "latents.pt"
    compositions: list[Composition] = []
    latents: list[torch.Tensor] = []
    kept = torch.load(path, weights_only=True) if path.exists() else None
    rendered: list[Image.Image] = []
    for number in range(count):
        rng = random.Random(number)
        compositions.append(draw_composition(rng))
        if kept is not None and len(kept) == count:
            continue
        rendered.append(render(compositions[-1], pictures, rng))
        if len(rendered) == 100 or number == count - 1:
            latents.append(encode(vae, rendered))
            rendered = []
            if len(latents) % 20 == 0:
                report(f"encoded {number + 1} of {count}")
    if latents:
        kept = torch.cat(latents)
        torch.save(kept, path)
    assert kept is not None
    return Examples(compositions, kept)


def the_models(arguments: argparse.Namespace) -> Models:
    """New models, or those of the model folder, ready for training in float32."""
    if arguments.from_model:
        tokenizer = CLIPTokenizer.from_pretrained(MODEL_FOLDER / "tokenizer")
        text_encoder = CLIPTextModel.from_pretrained(
            MODEL_FOLDER / "text_encoder", dtype=torch.float32
        )
        unet = UNet2DConditionModel.from_pretrained(MODEL_FOLDER / "unet", dtype=torch.float32)
    else:
        torch.manual_seed(1)
        tokenizer = new_tokenizer(vocabulary_texts())
        text_encoder, unet = new_text_encoder(tokenizer), new_unet()
    unet.to(memory_format=torch.channels_last)
    return Models(tokenizer, text_encoder.train(), unet.train())


def the_pipeline(models: Models, vae: AutoencoderTiny) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=models.text_encoder,
        tokenizer=models.tokenizer,
        unet=models.unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )


def export(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Write the model folder in float16."""
    pipeline.to(torch.float16).save_pretrained(folder)
    # AutoencoderTiny writes this key, then warns about it when it reads it back.
    config = folder / "vae" / "config.json"
    kept = json.loads(config.read_text())
    kept.pop("block_out_channels", None)
    config.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
