"""Models that edit: the pictures that they are given, against the plain calls of diffusers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import QwenImageEditInpaintPipeline
from diffusers.pipelines.qwenimage import (
    pipeline_qwenimage_edit,
    pipeline_qwenimage_edit_inpaint,
    pipeline_qwenimage_edit_plus,
)
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType, MemoryMode, Policy
from sdtui.core.errors import CancelledError, InvalidRequestError
from sdtui.core.settings import Settings
from sdtui.engine.call_defaults import call_defaults
from sdtui.engine.features import features_for
from sdtui.engine.features.active import ActiveFeatures, open_sections, sections_for
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models.diffusers_folder import describe_folder
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_edit_families import make_flux3, save_editing
from tests.support.tiny_families import make_family

_SIZE = (96, 64)
_VALUES: dict[str, Any] = {"num_inference_steps": 2, "width": 96, "height": 64}


@dataclass(frozen=True)
class _Editor:
    """A model that edits, with the two pictures that it is given."""

    folder: Path
    pipeline: Any
    files: tuple[Path, Path]
    mask: Path

    @property
    def pictures(self) -> list[Image.Image]:
        return [_opened(each) for each in self.files]

    def request(self, **values: Any) -> GenerationRequest:
        return make_request(self.folder, **{**_VALUES, "guidance_scale": 3.0, **values})

    def plain(self, image: object, pipeline: Any = None, **values: Any) -> list[Image.Image]:
        """Return two pictures of the pipeline's own call."""
        pipeline = pipeline or self.pipeline
        wanted = {
            **_VALUES,
            "prompt": "a red cat",
            "negative_prompt": " ",
            "image": image,
            "true_cfg_scale": 3.0,
            "guidance_scale": 3.0,
            "num_images_per_prompt": 2,
            "generator": [torch.Generator().manual_seed(seed) for seed in (7, 8)],
            **values,
        }
        taken = call_defaults(pipeline)
        if "true_cfg_scale" in taken:
            del wanted["guidance_scale"]
        images: list[Image.Image] = pipeline(
            **{name: value for name, value in wanted.items() if name in taken}
        ).images
        return images


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def _save_pictures(folder: Path) -> tuple[Path, Path]:
    """Save a wide and a high picture."""
    files = folder / "wide.png", folder / "high.png"
    for seed, (file, size) in enumerate(zip(files, (_SIZE, _SIZE[::-1]), strict=True)):
        noise = numpy.random.default_rng(seed).integers(0, 255, (8, 12, 3), dtype=numpy.uint8)
        Image.fromarray(noise).resize(size).save(file)
    return files


@pytest.fixture(scope="module")
def small() -> Any:
    """Let Qwen-Image-Edit scale its references to few pixels, not to a megapixel."""
    sides: Any = pipeline_qwenimage_edit.calculate_dimensions
    area = _SIZE[0] * _SIZE[1]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VAE_IMAGE_SIZE", "CONDITION_IMAGE_SIZE"):
            patch.setattr(pipeline_qwenimage_edit_plus, name, area)
        for each in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_inpaint):
            patch.setattr(each, "calculate_dimensions", lambda _, ratio: sides(area, ratio))
        yield


@pytest.fixture(scope="module")
def editors(small: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, _Editor]:
    folder = tmp_path_factory.mktemp("editors")
    files, mask = _save_pictures(folder), folder / "mask.png"
    drawn = Image.new("L", _SIZE)
    drawn.paste(255, (0, 0, 48, 64))
    drawn.save(mask)
    made = {name: save_editing(name, folder / name) for name in ("qwen_edit", "qwen_edit_plus")}
    made["flux2_klein"] = make_family("flux2_klein")
    made["flux2_klein"].save_pretrained(folder / "flux2_klein")
    return {name: _Editor(folder / name, each, files, mask) for name, each in made.items()}


@pytest.fixture
def plus(editors: dict[str, _Editor]) -> _Editor:
    return editors["qwen_edit_plus"]


def test_edit_is_the_plain_one_after_memory_ran_out_in_each_stage(
    shared_engine: StableDiffusionEngine, plus: _Editor, events: Events
) -> None:
    request = plus.request(
        init_image=plus.files[0],
        references=[plus.files[1]],
        num_images_per_prompt=2,
        policy=Policy.STRICT,
    )
    model = shared_engine.load(request.model, request.execution.dtype)
    stages = [Stage.ENCODE, Stage.PREPARE, Stage.DENOISE, Stage.DECODE]
    with (
        failing(model, stages[0], Fault(times=1)),
        failing(model, stages[1], Fault(times=1)),
        failing(model, stages[2], Fault(times=1)),
        failing(model, stages[3], Fault(times=1)),
    ):
        result = RobustStableDiffusionGenerator(shared_engine).generate_with_fallback(
            request, report=events
        )
    assert [each.stage for each in result.record.attempts] == [*stages, None]
    pairs = zip(result.images, plus.plain(plus.pictures), strict=True)
    assert [difference(*pair) for pair in pairs] == [0, 0]
    assert len(result.record.images) == 2


def test_edit_in_parts_and_bf16_is_the_plain_one_and_alone_the_same(plus: _Editor) -> None:
    values = {"init_image": plus.files[0], "dtype": DType.BFLOAT16}
    with StableDiffusionEngine() as engine:
        whole = engine.load(str(plus.folder), DType.BFLOAT16)
        plain = plus.plain(plus.pictures[0], whole.pipeline)
        request = plus.request(**values, memory_mode=MemoryMode.PARTS, num_images_per_prompt=2)
        images = generate(engine, request).images
        alone = generate(engine, plus.request(**values, memory_mode=MemoryMode.PARTS, seed=8))
    pairs = zip([*images, *alone.images], [*plain, plain[1]], strict=True)
    assert [difference(*pair) for pair in pairs] == [0, 0, 0]


def test_prompt_is_encoded_again_for_another_picture_only(
    shared_engine: StableDiffusionEngine, plus: _Editor
) -> None:
    cancellation = Cancellation()

    def cancel(event: Any) -> None:
        if event.kind == "step":
            cancellation.stop_now()

    def request(picture: Path) -> GenerationRequest:
        return plus.request(prompt="a blue cat", references=[picture])

    model = shared_engine.load(str(plus.folder), DType.FLOAT32)
    with failing(model, Stage.ENCODE, Fault(times=0)) as encoder:
        with pytest.raises(CancelledError):
            generate(
                shared_engine, request(plus.files[0]), report=cancel, cancellation=cancellation
            )
        once = encoder.passes
        generate(shared_engine, request(plus.files[0]))
        assert encoder.passes == once > 0
        generate(shared_engine, request(plus.files[1]))
        assert encoder.passes == 2 * once


def test_repainted_part_is_the_plain_one_where_the_encoder_sees_the_picture(
    shared_engine: StableDiffusionEngine, editors: dict[str, _Editor]
) -> None:
    editor = editors["qwen_edit"]
    request = editor.request(
        init_image=editor.files[0],
        mask_image=editor.mask,
        mask_blur=0,
        strength=1,
        num_images_per_prompt=2,
    )
    images = generate(shared_engine, request).images
    image, mask = editor.pictures[0], _opened(editor.mask)
    pipeline: Any = QwenImageEditInpaintPipeline(**editor.pipeline.components)
    pipeline.set_progress_bar_config(disable=True)
    plain = editor.plain(image, pipeline, mask_image=mask, strength=1.0)
    pasted = [Image.composite(each, image, mask) for each in plain]
    assert [difference(*pair) for pair in zip(images, pasted, strict=True)] == [0, 0]


def test_references_alone_are_those_of_the_plain_call(
    shared_engine: StableDiffusionEngine, editors: dict[str, _Editor]
) -> None:
    editor = editors["flux2_klein"]
    result = generate(
        shared_engine, editor.request(references=editor.files, num_images_per_prompt=2)
    )
    pairs = zip(result.images, editor.plain(editor.pictures), strict=True)
    assert [difference(*pair) for pair in pairs] == [0, 0]
    assert len(result.record.parents) == 2


def test_references_of_blocks_are_those_of_the_plain_call(
    shared_engine: StableDiffusionEngine, editors: dict[str, _Editor], tmp_path: Path
) -> None:
    blocks = make_flux3()
    blocks.save_pretrained(str(tmp_path / "flux3"), overwrite_modular_index=True)
    files = editors["flux2_klein"].files
    request = make_request(
        tmp_path / "flux3", **_VALUES, guidance_scale=3.0, references=files, num_images_per_prompt=2
    )
    images = generate(shared_engine, request).images
    plain = _plain_blocks(blocks, image=[_opened(each) for each in files])
    assert [difference(*pair) for pair in zip(images, plain, strict=True)] == [0, 0]


def test_blocks_start_from_a_picture_as_in_the_plain_call(
    shared_engine: StableDiffusionEngine, editors: dict[str, _Editor], tmp_path: Path
) -> None:
    anima = make_family("anima")
    anima.save_pretrained(tmp_path / "anima")
    file = editors["flux2_klein"].files[0]
    values = {**_VALUES, "guidance_scale": 3.0, "num_images_per_prompt": 2}
    values["negative_prompt"] = "blurry"
    request = make_request(tmp_path / "anima", **values, init_image=file, strength=0.6)
    images = generate(shared_engine, request).images
    blocks = anima._blocks
    blocks.update_components(guider=blocks.guider.new(guidance_scale=3.0))
    plain = _plain_blocks(blocks, negative_prompt="blurry", image=_opened(file), strength=0.6)
    # Its text conditioner rounds otherwise from call to call where there are several threads.
    assert max(difference(*pair) for pair in zip(images, plain, strict=True)) <= 1
    values |= {"hires_scale": 2, "hires_strength": 0.3}
    larger = generate(shared_engine, make_request(tmp_path / "anima", **values)).images
    assert [each.size for each in larger] == [(192, 128)] * 2
    values |= {"seed": 8, "num_images_per_prompt": 1}
    (alone,) = generate(shared_engine, make_request(tmp_path / "anima", **values)).images
    assert difference(larger[1], alone) <= 1


def _plain_blocks(blocks: Any, **values: Any) -> list[Image.Image]:
    """Return two pictures of the blocks' own call."""
    wanted = {
        "prompt": "a red cat",
        "negative_prompt": "",
        **_VALUES,
        "num_images_per_prompt": 2,
        "generator": [torch.Generator().manual_seed(seed) for seed in (7, 8)],
        "output": "images",
        **values,
    }
    images: list[Image.Image] = blocks(**wanted)
    return images


@pytest.mark.parametrize("field", ["init_image", "references"])
def test_open_size_of_an_edit_has_the_shape_of_its_first_picture(
    editors: dict[str, _Editor], field: str
) -> None:
    editor = editors["flux2_klein"]
    request = editor.request(**{field: editor.files[1]}, width=None, height=None)
    features, description = features_for(Settings()), describe_folder(editor.folder)
    sections = sections_for(features, open_sections(features, request), description)
    active = ActiveFeatures.of(features, sections)
    assert active.size((1024, 1024), 16) == (832, 1248)
    assert "strength" not in active.settings()


@pytest.mark.parametrize(
    ("name", "pictures", "field"),
    [("qwen_edit_plus", 0, "init_image"), ("qwen_edit", 2, "references")],
)
def test_wrong_number_of_pictures_is_said_before_the_model_is_loaded(
    editors: dict[str, _Editor], name: str, pictures: int, field: str
) -> None:
    editor = editors[name]
    with StableDiffusionEngine() as engine:
        with pytest.raises(InvalidRequestError) as raised:
            generate(engine, editor.request(references=editor.files[:pictures]))
        assert engine.loaded is None
    assert [each.field for each in raised.value.problems] == [field]
