"""Train the pocket model on, from the weights of a model folder: `python -m sdtui.pocket.train`.

First `python -m sdtui.pocket.train.prepare` renders pictures into the work folder. Words that the
model does not know are added to its tokenizer, and the text encoder learns them; then UNet and text
encoder are trained together, and the averaged weights are written now and then. A stopped training
goes on from its checkpoint. On CPUs, `torchrun --nproc-per-node 2 -m sdtui.pocket.train` uses two
cores: two processes of one thread each that share their weights now and then.
"""

import argparse
import copy
import os
import time
from pathlib import Path

import click
import torch
import torch.distributed as dist
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.utils import logging
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.sheet import PROMPTS, draw, sheet
from sdtui.pocket.train.captions import vocabulary_texts
from sdtui.pocket.train.examples import Examples
from sdtui.pocket.train.export import export, make_pipeline
from sdtui.pocket.train.labels import number_of
from sdtui.pocket.train.text import (
    TextModels,
    extended_text_encoder,
    new_text_encoder,
    train_text,
)
from sdtui.pocket.train.tokenizer import new_tokenizer
from sdtui.pocket.train.unet import PACES, Training, new_unet, rank

_STARTED = time.monotonic()


def report(line: str) -> None:
    click.echo(f"{time.monotonic() - _STARTED:6.0f} s  {line}")


def main() -> None:
    logging.set_verbosity_error()  # the pipeline warns that it expects an AutoencoderKL
    arguments = parse()
    work: Path = arguments.work
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    torch.manual_seed(1)
    models, added = new_models() if arguments.from_scratch else extended_models(arguments.weights)
    examples = Examples(work / "latents", models.tokenizer, arguments.device, arguments.practise)
    examples.refresh()
    if added or arguments.from_scratch:
        learn_words(models, examples, added, work / "text.pt", arguments.text_minutes * 60)
    vae = AutoencoderTiny.from_pretrained(arguments.vae, dtype=torch.float32)
    training = Training(models, vae, work / "training.pt", arguments.device)

    def show(averaged: TextModels, step: int) -> None:
        pipeline = make_pipeline(averaged, copy.deepcopy(vae))  # its dtype changes
        pipeline.set_progress_bar_config(disable=True)
        sheet(draw(pipeline, PROMPTS, range(len(PROMPTS)))).save(work / f"sheet-{step:06}.png")
        export(pipeline, arguments.to)

    training.run(examples, arguments.minutes * 60, report, show)
    if rank() == 0:
        export(make_pipeline(training.averaged(), vae), arguments.to)
        report(f"written to {arguments.to}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sdtui.pocket.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".pocket"), help="checkpoint, latents")
    parser.add_argument(
        "--weights", type=Path, default=MODEL_FOLDER, help="of the model to begin with"
    )
    parser.add_argument("--from-scratch", action="store_true", help="but for the VAE")
    parser.add_argument("--vae", type=Path, default=MODEL_FOLDER / "vae")
    parser.add_argument("--to", type=Path, required=True, help="the trained model's folder")
    parser.add_argument("--text-minutes", type=float, default=4)
    parser.add_argument("--minutes", type=float, default=90, help="in all runs together")
    parser.add_argument(
        "--practise",
        type=object_names,
        default=(),
        help="objects to train on more often, such as 'honey,blue fish'",
    )
    parser.add_argument("--device", choices=tuple(PACES), default="cpu")
    return parser.parse_args()


def object_names(text: str) -> list[str]:
    """The names of objects in a list with commas. Raises ArgumentTypeError for an unknown one."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        for name in names:
            number_of(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return names


def new_models() -> tuple[TextModels, None]:
    tokenizer = new_tokenizer(vocabulary_texts())
    unet = new_unet().to(memory_format=torch.channels_last)
    return TextModels(tokenizer, new_text_encoder(tokenizer), unet), None


def extended_models(folder: Path) -> tuple[TextModels, int]:
    """The models of a folder in float32, with the words of all captions, and how many tokens are
    new."""
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32)
    unet.to(memory_format=torch.channels_last)
    former = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    tokenizer = new_tokenizer(vocabulary_texts(), former)
    extended = extended_text_encoder(encoder, former, tokenizer)
    return TextModels(tokenizer, extended, unet), len(tokenizer) - len(former)


def learn_words(
    models: TextModels, examples: Examples, added: int | None, path: Path, seconds: float
) -> None:
    """Train the text encoder in the first process; `path` caches its weights and the pooling
    layer's."""
    trained: list[nn.Module] = [models.text_encoder, models.unet.add_embedding]
    if not path.exists() and rank() == 0:
        for module in trained:
            module.to(examples.device)
        train_text(models, examples, seconds, report, added)
        torch.save([module.state_dict() for module in trained], path)
    if dist.is_initialized():
        dist.barrier()
    for module, state in zip(trained, torch.load(path, weights_only=True), strict=True):
        module.load_state_dict(state)


if __name__ == "__main__":
    main()
