"""Pipelines that sdtui has never heard of, made of parts of diffusers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, ImagePipelineOutput
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor

from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.events import Events
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd1

_Pipeline: Any = DiffusionPipeline  # without types


class FutureImagePipeline(_Pipeline):  # type: ignore[misc]
    """Flow matching with a UNet, in an order of its own."""

    def __init__(
        self, vae: Any, text_encoder: Any, tokenizer: Any, unet: Any, scheduler: Any
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler
        )
        self.vae_scale_factor = 8
        self.image_processor = VaeImageProcessor(vae_scale_factor=8)

    def encode_prompt(self, prompt: str, count: int) -> torch.Tensor:
        ids = self.tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids
        hidden: torch.Tensor = self.text_encoder(ids.to(self._execution_device))[0]
        return hidden.repeat(count, 1, 1)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        width: int = 64,
        height: int = 64,
        num_inference_steps: int = 4,
        num_images_per_prompt: int = 1,
        generator: Any = None,
        output_type: str = "pil",
    ) -> Any:
        self.scheduler.set_timesteps(num_inference_steps)
        shape = (num_images_per_prompt, 4, height // 8, width // 8)
        latents = randn_tensor(shape, generator=generator, dtype=self.unet.dtype)
        hidden = self.encode_prompt(prompt, num_images_per_prompt)
        for timestep in self.scheduler.timesteps:
            predicted = self.unet(latents, timestep, hidden).sample
            latents = self.scheduler.step(predicted, timestep, latents).prev_sample
        pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        return ImagePipelineOutput(self.image_processor.postprocess(pixels, output_type))


class _WithoutPictures(FutureImagePipeline):
    def __call__(self, prompt: str, *_: Any, num_inference_steps: int = 4, **__: Any) -> Any:
        return SimpleNamespace(meshes=[prompt])


class _WithSketch(FutureImagePipeline):
    def __call__(  # type: ignore[override]
        self, prompt: str, sketch: Any, *_: Any, **__: Any
    ) -> Any:
        raise NotImplementedError


class _WithOtherParts(FutureImagePipeline):
    def encode_prompt(self, prompt: str, count: int) -> torch.Tensor:
        return super().encode_prompt(prompt, count)[..., :1]


class _WithoutList(FutureImagePipeline):
    def __call__(self, *_: Any, num_inference_steps: int = 4, prompt: str = "", **__: Any) -> Any:
        return SimpleNamespace(images=[])


class _DecodingFirst(FutureImagePipeline):
    def encode_prompt(self, prompt: str, count: int) -> torch.Tensor:
        self.vae.decode(torch.zeros(1, 4, 8, 8, dtype=self.unet.dtype))
        return super().encode_prompt(prompt, count)


class _WithoutNumber(FutureImagePipeline):
    def __call__(  # type: ignore[override]
        self, prompt: str, width: int = 64, height: int = 64, num_inference_steps: int = 4
    ) -> Any:
        return super().__call__(prompt, width, height, num_inference_steps)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Any]], Path]:
    """Return a function that makes a class one of diffusers', and saves a model for it."""

    def save(pipeline_class: type[Any]) -> Path:
        folder = make_sd1(tmp_path / "future")
        scheduler: Any = FlowMatchEulerDiscreteScheduler(shift=3.0)
        scheduler.save_pretrained(folder / "scheduler")
        monkeypatch.setattr(diffusers, "FutureImagePipeline", pipeline_class, raising=False)
        index = folder / "model_index.json"
        parts = json.loads(index.read_text())
        own = ("vae", "text_encoder", "tokenizer", "unet")
        kept = {name: parts[name] for name in own}
        kept["scheduler"] = ["diffusers", "FlowMatchEulerDiscreteScheduler"]
        kept["_class_name"] = "FutureImagePipeline"
        index.write_text(json.dumps(kept))
        return folder

    return save


def test_unknown_pipeline_runs_in_stages(
    shared_engine: StableDiffusionEngine, saved: Callable[[type[Any]], Path], events: Events
) -> None:
    folder = saved(FutureImagePipeline)
    request = make_request(folder, num_images_per_prompt=2, guidance_scale=5, prompt="a cat")
    result = generate(shared_engine, request, report=events)
    model = shared_engine.loaded
    assert model is not None
    generators = [torch.Generator().manual_seed(seed) for seed in (7, 8)]
    plain = model.pipeline(
        "a cat", num_inference_steps=2, num_images_per_prompt=2, generator=generators
    ).images
    assert [difference(*pair) for pair in zip(result.images, plain, strict=True)] == [0, 0]
    assert {"encode", "denoise", "decode"} < result.record.timings.keys()
    assert events.kinds().count("preview") == 2


@pytest.mark.parametrize(
    ("pipeline_class", "words"),
    [
        (_WithoutPictures, "returns no pictures"),
        (_WithSketch, "it needs sketch"),
        (_WithoutList, "returns no pictures"),
        (_WithOtherParts, "can't be used like this: mat1 and mat2"),
    ],
)
def test_pipeline_of_another_kind_is_refused_in_a_sentence(
    shared_engine: StableDiffusionEngine,
    saved: Callable[[type[Any]], Path],
    pipeline_class: type[Any],
    words: str,
) -> None:
    with pytest.raises(UnsupportedModelError, match=words):
        generate(shared_engine, make_request(saved(pipeline_class)))


@pytest.mark.parametrize(
    ("pipeline_class", "left_out"), [(_DecodingFirst, set()), (_WithoutNumber, {"seed"})]
)
def test_unknown_pipelines_with_other_habits_make_all_pictures(
    shared_engine: StableDiffusionEngine,
    saved: Callable[[type[Any]], Path],
    pipeline_class: type[Any],
    left_out: set[str],
) -> None:
    request = make_request(saved(pipeline_class), num_images_per_prompt=2, width=96)
    result = generate(shared_engine, request)
    assert [each.size for each in result.images] == [(96, 64)] * 2
    names = {notice.split()[3].rstrip(":") for notice in result.record.notices}
    assert names - {"guidance_scale"} == left_out
