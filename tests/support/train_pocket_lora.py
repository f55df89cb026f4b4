"""Train the LoRA of the tests: pictures of the pocket model become grey, like old film.

    python -m tests.support.train_pocket_lora [FILE]

It takes about half a minute on two cores. The file is in kohya's format, as its scripts write it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL import ImageOps
from torch.nn import functional

from sdtui.pocket import MODEL_FOLDER
from tests.support.loras import save_lora

POCKET_LORA = Path(__file__).with_name("pocket-grey.safetensors")
PROMPTS = (
    *("a red apple on a blue background", "a green apple on a yellow background"),
    *("a tiger on a green background", "a yellow star on a red background"),
)
RANK, STEPS, LEARNING_RATE = 2, 60, 1e-2


class _Adapter(torch.nn.Module):
    """Trains a LoRA of one layer, whose output it is added to."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        rows, columns, *kernel = layer.weight.shape
        self.down = torch.nn.Parameter(torch.randn(RANK, columns, *kernel) / columns)
        self.up = torch.nn.Parameter(torch.zeros(rows, RANK, *[1] * len(kernel)))
        layer.register_forward_hook(self)

    def forward(self, layer: Any, inputs: tuple[torch.Tensor, ...], output: Any) -> Any:
        if isinstance(layer, torch.nn.Conv2d):
            inner = functional.conv2d(inputs[0], self.down, None, layer.stride, layer.padding)
            return output + functional.conv2d(inner, self.up)
        return output + functional.linear(functional.linear(inputs[0], self.down), self.up)


def train(file: Path = POCKET_LORA) -> None:
    """Train the LoRA and write its file."""
    torch.manual_seed(0)
    pipeline = DiffusionPipeline.from_pretrained(MODEL_FOLDER, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    unet, scheduler = pipeline.unet, pipeline.scheduler
    with torch.no_grad():
        pictures = pipeline([*PROMPTS], num_inference_steps=8, guidance_scale=3).images
        grey = [ImageOps.grayscale(picture).convert("RGB") for picture in pictures]
        pixels = pipeline.image_processor.preprocess(grey)
        latents = pipeline.vae.encode(pixels).latents * pipeline.vae.config.scaling_factor
        text, _ = pipeline.encode_prompt([*PROMPTS], "cpu", 1, False)
    unet.requires_grad_(False)
    layers = {
        name: module
        for name, module in unet.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and "up_blocks" in name
    }
    adapters = {name: _Adapter(layer) for name, layer in layers.items()}
    parameters = [each for adapter in adapters.values() for each in adapter.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE)
    for step in range(STEPS):
        noise = torch.randn_like(latents)
        times = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),))
        noisy = scheduler.add_noise(latents, noise, times)
        predicted = unet(noisy, times, text).sample
        loss = functional.mse_loss(predicted, scheduler.get_velocity(latents, noise, times))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            sys.stdout.write(f"step {step}: {loss.item():.4f}\n")
    tensors = {}
    for name, adapter in adapters.items():
        key = f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{key}.lora_down.weight"] = adapter.down.detach().half()
        tensors[f"{key}.lora_up.weight"] = adapter.up.detach().half()
        tensors[f"{key}.alpha"] = torch.tensor(float(RANK))
    save_lora(file, tensors, {"ss_network_dim": str(RANK), "ss_output_name": "grey"})


if __name__ == "__main__":
    train(*map(Path, sys.argv[1:]))
