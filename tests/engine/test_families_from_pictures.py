"""Init images, masks and references of other families, against the plain calls of diffusers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy
import pytest
import torch
from PIL import Image

from sdtui.core.enums import Policy
from sdtui.core.errors import UnsupportedModelError
from sdtui.engine.call_defaults import call_defaults
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.record import Stage
from tests.support.events import Events
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_families import make_family

_SIZE = (96, 64)
_GUIDANCE = 3.0
_VALUES: dict[str, Any] = {"num_inference_steps": 4, "width": _SIZE[0], "height": _SIZE[1]}
_CLASSES = {
    "chroma": ("ChromaImg2ImgPipeline", "ChromaInpaintPipeline"),
    "flux": ("FluxImg2ImgPipeline", "FluxInpaintPipeline"),
    "flux2_klein": ("Flux2KleinPipeline", "Flux2KleinInpaintPipeline"),
    "kontext": ("FluxKontextPipeline", "FluxKontextInpaintPipeline"),
    "qwen_image": ("QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline"),
    "sd3": ("StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
    "z_image": ("ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
}
"""What starts from an init image, or takes it as a reference; what inpaints."""
_UNGUIDED = ("flux", "flux2_klein", "kontext")


@dataclass(frozen=True)
class _Family:
    name: str
    folder: Path
    pipeline: Any

    def plain(self, number: int, image: Image.Image, mask: Image.Image) -> list[Image.Image]:
        """Return two pictures of one of the two classes."""
        pipeline_class: Any = getattr(diffusers, _CLASSES[self.name][number])
        expected, _ = pipeline_class._get_signature_keys(pipeline_class)
        parts = {name: getattr(self.pipeline, name, None) for name in expected}
        if self.name == "chroma":  # the inpainting pipeline reads what its config lacks
            self.pipeline.transformer.register_to_config(guidance_embeds=False)
        pipeline = pipeline_class(**parts)
        pipeline.set_progress_bar_config(disable=True)
        taken = call_defaults(pipeline)
        has_strength = "strength" in taken
        wanted = {
            **_VALUES,
            **({} if self.name in _UNGUIDED else {"negative_prompt": "blurry"}),
            "prompt": "a red cat",
            "image": [image] * 2 if has_strength else image,
            "mask_image": [mask] * 2,
            "strength": 0.6,
            "true_cfg_scale" if self.name == "qwen_image" else "guidance_scale": _GUIDANCE,
            "num_images_per_prompt": 2,
            "generator": [torch.Generator().manual_seed(seed) for seed in (7, 8)],
            "_auto_resize": False,
            "max_area": _SIZE[0] * _SIZE[1],
            # Of text to image: Chroma's inpainting pipeline alone takes 256 by default.
            **({"max_sequence_length": 512} if self.name == "chroma" else {}),
        }
        images: list[Image.Image] = pipeline(
            **{name: value for name, value in wanted.items() if name in taken}
        ).images
        return images

    def request(self, **values: Any) -> Any:
        negative = {} if self.name in _UNGUIDED else {"negative_prompt": "blurry"}
        more = {"num_images_per_prompt": 2, "strength": 0.6, "guidance_scale": _GUIDANCE}
        wanted = {**more, **_VALUES, **negative, **values}
        return make_request(self.folder, **wanted)


@pytest.fixture(scope="module", params=_CLASSES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Family:
    name = request.param
    pipeline = make_family("flux" if name == "kontext" else name)
    folder = tmp_path_factory.mktemp("families") / name
    pipeline.save_pretrained(folder)
    if name == "kontext":
        index = folder / "model_index.json"
        parts = json.loads(index.read_text())
        index.write_text(json.dumps({**parts, "_class_name": "FluxKontextPipeline"}))
    return _Family(name, folder, pipeline)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A picture and a mask of its left half."""
    folder = tmp_path_factory.mktemp("pictures")
    noise = numpy.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=numpy.uint8)
    image = Image.fromarray(noise).resize(_SIZE)
    image.save(folder / "init.png")
    mask = Image.new("L", _SIZE)
    mask.paste(255, (0, 0, 48, 64))
    mask.save(folder / "mask.png")
    return {"init_image": folder / "init.png", "mask_image": folder / "mask.png"}


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def test_picture_from_an_image_is_the_plain_one_after_memory_ran_out_in_its_encoding(
    shared_engine: StableDiffusionEngine, family: _Family, files: dict[str, Path], events: Events
) -> None:
    image, mask = map(_opened, files.values())
    request = family.request(init_image=files["init_image"], policy=Policy.STRICT)
    model = shared_engine.load(request.model, request.execution.dtype)
    with (
        failing(model, Stage.PREPARE, Fault(times=1)),
        failing(model, Stage.DENOISE, Fault(times=1)),
    ):
        result = RobustStableDiffusionGenerator(shared_engine).generate_with_fallback(
            request, report=events
        )
    assert result.error is None
    assert [each.stage for each in result.record.attempts] == [Stage.PREPARE, Stage.DENOISE, None]
    plain = family.plain(0, image, mask)
    pairs = zip(result.images, plain, strict=True)
    assert [difference(*pair) for pair in pairs] == [0, 0]


def test_repainted_part_is_the_plain_one(
    shared_engine: StableDiffusionEngine, family: _Family, files: dict[str, Path]
) -> None:
    image, mask = map(_opened, files.values())
    result = generate(shared_engine, family.request(**files, mask_blur=0))
    plain = family.plain(1, image, mask)
    pairs = zip(result.images, plain, strict=True)
    assert [difference(one, Image.composite(other, image, mask)) for one, other in pairs] == [0, 0]


def test_model_that_starts_from_no_picture_is_refused_before_it_is_loaded(
    engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "p.png")
    folder = tmp_path / "pixart"
    make_family("pixart").save_pretrained(folder)
    starts: list[dict[str, Any]] = [{"init_image": tmp_path / "p.png"}, {"hires_scale": 2}]
    for values in starts:
        with pytest.raises(UnsupportedModelError, match="makes pictures from text alone"):
            generate(engine, make_request(folder, **values))
        assert engine.loaded is None
