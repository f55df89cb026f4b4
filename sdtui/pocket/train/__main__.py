"""Train the pocket model: pictures → autoencoder → latents → text encoder and UNet → folder.

Every stage writes its result into the work folder and is skipped if the result exists. Once the
latents are encoded, `torchrun --nproc-per-node 2 -m sdtui.pocket.train` runs the other stages in
two processes of one thread each.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import click
import torch
import torch.distributed as dist
from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.sheet import PROMPTS, Pipeline, draw, sheet
from sdtui.pocket.train.assets import fetch_assets, load_pictures
from sdtui.pocket.train.captions import vocabulary_texts
from sdtui.pocket.train.examples import Examples, make_examples
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.text import TextModels, new_text_encoder, train_text
from sdtui.pocket.train.tokenizer import new_tokenizer
from sdtui.pocket.train.unet import Training, new_scheduler, new_unet
from sdtui.pocket.train.vae import Autoencoder, reconstruction_sheet, train_vae

_STARTED = time.monotonic()


def report(line: str) -> None:
    click.echo(f"{time.monotonic() - _STARTED:6.0f} s  {line}")


def main() -> None:
    logging.set_verbosity_error()  # the pipeline warns that it expects an AutoencoderKL
    arguments = parse()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    pictures = load_pictures(fetch_assets(work), THINGS)
    vae = load_or_train_vae(work, pictures, arguments)
    examples = make_examples(work / "latents.pt", arguments.pictures, vae, pictures, report)
    training = Training(load_or_train_text(work, examples, arguments), work / "unet.pt")

    def show(models: TextModels, step: int) -> None:
        pipeline = make_pipeline(models, vae)
        pipeline.set_progress_bar_config(disable=True)
        pictures = draw(pipeline, PROMPTS, range(len(PROMPTS)))
        sheet(pictures).save(work / f"sheet-{step:06}.png")

    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    training.run(examples, arguments.unet_minutes * 60, report, show)
    if os.environ.get("RANK", "0") == "0":
        export(make_pipeline(training.averaged(), vae), arguments.to)
        report(f"written to {arguments.to}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="checkpoints, latents")
    parser.add_argument("--to", type=Path, default=MODEL_FOLDER, help="the finished model folder")
    parser.add_argument("--vae-minutes", type=float, default=9)
    parser.add_argument("--text-minutes", type=float, default=3)
    parser.add_argument("--unet-minutes", type=float, default=90, help="in all runs together")
    parser.add_argument("--pictures", type=int, default=24_000, help="compositions to train on")
    parser.add_argument(
        "--from-model", action="store_true", help="start from the weights of the model folder"
    )
    return parser.parse_args()


def load_or_train_vae(
    work: Path, pictures: Mapping[str, Image.Image], arguments: argparse.Namespace
) -> Autoencoder:
    """The autoencoder of the work folder or of the model folder, or a new one."""
    folder = work / "vae"
    if not folder.is_dir():
        if arguments.from_model:
            return AutoencoderTiny.from_pretrained(MODEL_FOLDER / "vae", dtype=torch.float32)
        vae: Autoencoder = train_vae(pictures, arguments.vae_minutes * 60, report)
        reconstruction_sheet(vae, pictures, work / "vae.png")
        vae.save_pretrained(folder)
    vae = AutoencoderTiny.from_pretrained(folder)
    return vae.to(memory_format=torch.channels_last)


def load_or_train_text(work: Path, examples: Examples, arguments: argparse.Namespace) -> TextModels:
    """The models of the model folder, or new ones with the text encoder of the work folder."""
    if arguments.from_model:
        text_encoder = CLIPTextModel.from_pretrained(
            MODEL_FOLDER / "text_encoder", dtype=torch.float32
        )
        unet = UNet2DConditionModel.from_pretrained(MODEL_FOLDER / "unet", dtype=torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(MODEL_FOLDER / "tokenizer")
        return TextModels(
            tokenizer, text_encoder.eval(), unet.to(memory_format=torch.channels_last)
        )
    torch.manual_seed(1)
    tokenizer = new_tokenizer(vocabulary_texts())
    unet = new_unet().to(memory_format=torch.channels_last)
    models = TextModels(tokenizer, new_text_encoder(tokenizer), unet)
    path = work / "text.pt"
    if not path.exists():
        train_text(models, examples, arguments.text_minutes * 60, report)
        trained = (models.text_encoder.state_dict(), unet.add_embedding.state_dict())
        torch.save(trained, path)
    text, pool = torch.load(path, weights_only=True)
    models.text_encoder.load_state_dict(text)
    models.text_encoder.eval()
    unet.add_embedding.load_state_dict(pool)
    return models


def make_pipeline(models: TextModels, vae: Autoencoder) -> Pipeline:
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


def export(pipeline: Pipeline, folder: Path) -> None:
    """Write the model folder in float16."""
    pipeline.to(torch.float16).save_pretrained(folder)
    for part in ("unet", "vae"):
        config = folder / part / "config.json"
        values = json.loads(config.read_text())
        values.pop("_name_or_path", None)  # a path on this machine
        if part == "vae":  # AutoencoderTiny writes this key and warns when it reads it
            values.pop("block_out_channels", None)
        config.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
