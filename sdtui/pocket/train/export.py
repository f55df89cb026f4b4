"""Assemble the trained parts and write them as a model folder."""

import json
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from sdtui.pocket.sheet import Pipeline
from sdtui.pocket.train.text import TextModels
from sdtui.pocket.train.unet import new_scheduler
from sdtui.pocket.train.vae import Autoencoder

_LARGEST_FILE = "15MB"


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
    """Write the model folder in float16; the pipeline is in float16 afterwards."""
    pipeline.to(torch.float16).save_pretrained(folder, max_shard_size=_LARGEST_FILE)
    without_keys(folder / "unet", "_name_or_path")
    # AutoencoderTiny writes the second key and warns when it reads it.
    without_keys(folder / "vae", "_name_or_path", "block_out_channels")


def without_keys(folder: Path, *names: str) -> None:
    """Leave keys out of a component's config, such as a path on this machine."""
    config = folder / "config.json"
    values = json.loads(config.read_text())
    kept = {name: value for name, value in values.items() if name not in names}
    config.write_text(json.dumps(kept, indent=2) + "\n")
