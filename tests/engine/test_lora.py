"""Pictures with LoRAs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from sdtui.core.enums import DType
from sdtui.core.errors import (
    BrokenPictureError,
    InvalidRequestError,
    ModelNotFoundError,
    SdtuiError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import GenerationResult
from tests.support.images import difference
from tests.support.loras import (
    kohya,
    kohya_sgm,
    random_lora,
    save_lora,
    tensors_of,
    trained_layers,
    weight_of,
)
from tests.support.requests import make_request
from tests.support.tiny_models import make_sdxl

_COMPONENTS = ("unet", "text_encoder")


@pytest.fixture(scope="module")
def folder(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LoRAs for the tiny SD 1.x model: film, other (under the alias Grain), unet_only,
    and lcm_style, whose name says that it needs few steps."""
    folder = tmp_path_factory.mktemp("loras")
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1)
    layers = trained_layers(pipeline, *_COMPONENTS)
    for seed, name in enumerate(("film", "other", "lcm_style")):
        tensors = tensors_of(pipeline, random_lora(pipeline, layers, seed=seed))
        save_lora(folder / f"{name}.safetensors", tensors, {"ss_output_name": f"Grain{seed}"})
    (folder / "old.pt").write_bytes(b"\x80\x02")
    (folder / "cut.safetensors").write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{")
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu", lora_folders=(folder,))) as engine:
        yield engine


def _generate(
    engine: StableDiffusionEngine, model: Path, prompt: str = "cat", **values: object
) -> GenerationResult:
    request = make_request(
        model=model,
        prompt=prompt,
        width=64,
        height=64,
        num_inference_steps=2,
        seed=1,
        dtype=DType.FLOAT32,
        **values,
    )
    return generate(engine, request)


def _difference(first: GenerationResult, second: GenerationResult) -> float:
    assert first.error is None
    assert second.error is None
    return difference(first.images[0], second.images[0])


def test_lora_changes_the_picture_until_it_is_left_out(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    plain = _generate(engine, tiny_sd1)
    with_lora = _generate(engine, tiny_sd1, loras=["film:0.8"])
    again = _generate(engine, tiny_sd1)
    assert _difference(plain, with_lora) > 1
    assert _difference(plain, again) == 0


def test_tag_in_the_prompt_does_the_same(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    field = _generate(engine, tiny_sd1, "cat", loras=["film:0.8:0.5"])
    tag = _generate(engine, tiny_sd1, "cat<lora:FILM:0.8:0.5>")
    assert _difference(field, tag) == 0
    assert tag.record.prompt == "cat<lora:FILM:0.8:0.5>"


def test_lora_of_few_steps_changes_what_is_left_open(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    request = make_request(
        tiny_sd1, prompt="cat<lora:lcm_style:1>", num_inference_steps=None, guidance_scale=None
    )
    settings = generate(engine, request).record.settings
    assert settings is not None
    assert (settings.num_inference_steps, settings.guidance_scale) == (4, 1.5)
    assert settings.sampler == "LCM"


def test_weight_0_is_without(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    plain = _generate(engine, tiny_sd1)
    assert _difference(plain, _generate(engine, tiny_sd1, loras=["film:0"])) == 0


def test_picture_is_that_of_weights_merged_by_hand(
    engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1)
    values = random_lora(pipeline, trained_layers(pipeline, *_COMPONENTS), seed=0)
    with torch.no_grad():
        for layer, value in values.items():
            weight = weight_of(pipeline, layer)
            change = value.up.flatten(1) @ value.down.flatten(1)
            weight += (change * 0.7).reshape(weight.shape)
    pipeline.save_pretrained(tmp_path / "merged")
    by_hand = _generate(engine, tmp_path / "merged")
    assert _difference(_generate(engine, tiny_sd1, loras=["film:0.7"]), by_hand) == 0


def test_encoder_alone_changes_the_embeddings_of_the_same_prompt(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    plain = _generate(engine, tiny_sd1)
    strong = _generate(engine, tiny_sd1, loras=["film:1:0"])
    weak = _generate(engine, tiny_sd1, loras=["film:0.2:0"])
    assert _difference(plain, strong) > 0
    assert _difference(weak, strong) > 0


def test_several_loras_add_up_in_any_order(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    both = _generate(engine, tiny_sd1, loras=["film:0.5", "other:-0.3"])
    one = _generate(engine, tiny_sd1, loras=["film:0.5"])
    assert _difference(both, one) > 0.5
    swapped = _generate(engine, tiny_sd1, loras=["other:-0.3", "film:0.5"])
    assert _difference(both, swapped) < 0.1


def test_same_lora_twice_adds_up(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    twice = _generate(engine, tiny_sd1, "cat<lora:film:0.5>", loras=["film:0.5"])
    assert _difference(twice, _generate(engine, tiny_sd1, loras=["film:1"])) < 0.1


def test_lora_begins_and_ends_at_steps(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    def picture(*loras: str) -> GenerationResult:
        return _generate(engine, tiny_sd1, loras=loras)

    plain, whole = picture(), picture("film:0:1")
    first, last = picture("film:0:1:stop=1"), picture("film:0:1:start=1")
    assert _difference(first, last) > 0
    for part in (first, last):
        assert _difference(part, plain) > 0
        assert _difference(part, whole) > 0
    assert _difference(picture("film:0:1:step=0-2"), whole) == 0
    assert _difference(picture("film:0:1:start=2"), plain) == 0
    both = picture("film:0:1:stop=1", "film:0:1:start=1")
    assert _difference(both, whole) == 0
    assert _difference(picture(), plain) == 0


def test_words_are_encoded_with_a_lora_that_begins_later(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    encoder_alone = _generate(engine, tiny_sd1, loras=["film:1:0"])
    assert _difference(encoder_alone, _generate(engine, tiny_sd1, loras=["film:start=9"])) == 0


def test_each_pass_of_hires_has_the_loras_of_its_own_prompt(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    film = "cat <lora:film:1>"
    none, first, second, both = (
        _generate(engine, tiny_sd1, prompt, hires_scale=1, hires_prompt=hires_prompt)
        for prompt, hires_prompt in (("cat", ""), (film, "cat"), ("cat", film), (film, ""))
    )
    pairs = itertools.combinations((none, first, second, both), 2)
    assert all(_difference(*pair) > 0 for pair in pairs)
    again = _generate(engine, tiny_sd1, film, hires_scale=1, hires_prompt=film)
    assert _difference(both, again) == 0
    assert second.record.lora_hashes.keys() == {"film"}
    with pytest.raises(ModelNotFoundError, match="missing"):
        _generate(engine, tiny_sd1, hires_scale=1, hires_prompt="cat <lora:missing:1>")


def test_record_has_the_hashes(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    settings = _generate(engine, tiny_sd1, loras=["Grain0:0.5"]).record.settings
    assert settings is not None
    (used,) = settings.lora_files
    assert (used.name, used.te, used.unet) == ("Grain0", 0.5, 0.5)
    assert (len(used.autov2), len(used.autov3)) == (10, 12)


def test_tag_in_the_negative_prompt_is_left_out_and_said(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    plain = _generate(engine, tiny_sd1, negative_prompt="dog")
    tagged = _generate(engine, tiny_sd1, negative_prompt="dog<lora:film:1>")
    assert _difference(plain, tagged) == 0
    assert "the LoRA film in the negative prompt was left out" in tagged.record.notices


@pytest.mark.parametrize(
    ("lora", "error", "message"),
    [
        ("fil", ModelNotFoundError, 'there is no LoRA "fil". Did you mean "film"?'),
        ("old", UnsafeModelError, "is a pickle file"),
        ("cut", SdtuiError, "it is not a safetensors file, or it is cut short"),
        ("/no/such.safetensors", ModelNotFoundError, "there is no LoRA /no/such.safetensors"),
        ("film:1:lbw=1,2", InvalidRequestError, "has 2 numbers, but should have one of 12, 17"),
        ("film:1:lbw=ODD", InvalidRequestError, "is neither a list of numbers nor one of NONE"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_loaded(
    folder: Path, tiny_sd1: Path, lora: str, error: type[SdtuiError], message: str
) -> None:
    with StableDiffusionEngine(Settings(device="cpu", lora_folders=(folder,))) as engine:
        with pytest.raises(error, match=re.escape(message)):
            _generate(engine, tiny_sd1, loras=[lora])
        assert engine.loaded is None


def test_weight_that_is_too_large_is_named(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    with pytest.raises(BrokenPictureError, match=r"the weight of a LoRA is too large \(film\)"):
        _generate(engine, tiny_sd1, loras=["film:1e9"])


def test_tag_that_is_no_tag_is_an_error(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    with pytest.raises(InvalidRequestError, match="<lora:film:much> has the weight"):
        _generate(engine, tiny_sd1, "cat <lora:film:much>")


def test_what_cannot_be_used_is_left_out_if_the_request_says_so(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    prompt = "cat<lora:nothing:1><lora:film:much><hypernet:x:1>"
    left = _generate(
        engine, tiny_sd1, prompt, loras=["old", "cut", "film:0.8"], unusable_loras="leave_out"
    )
    assert _difference(left, _generate(engine, tiny_sd1, loras=["film:0.8"])) == 0
    notices = "\n".join(left.record.notices)
    for name in ("nothing", "old", "cut"):
        assert f"the LoRA {name} was left out: " in notices
    assert "<lora:film:much> has the weight" in notices
    assert "<hypernet:x:1> is a hypernetwork" in notices


def test_plain_prompts_have_no_tags(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    values = {"prompt_syntax": "plain"}
    plain = _generate(engine, tiny_sd1, "cat", **values)
    tagged = _generate(engine, tiny_sd1, "cat<lora:film:0.8>", **values)
    assert _difference(plain, tagged) > 0  # its letters are words
    assert tagged.record.settings is not None
    assert not tagged.record.settings.lora_files


def test_lora_of_another_family_is_refused(
    engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    plain = _generate(engine, tiny_sd1)
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1)
    values = random_lora(pipeline, trained_layers(pipeline, "unet"))
    tensors = tensors_of(pipeline, values, kohya)
    tensors_without = {name: each for name, each in tensors.items() if "attn2" not in name}
    metadata = {"ss_base_model_version": "sdxl_base_v1-0"}
    said = save_lora(tmp_path / "said.safetensors", tensors_without, metadata)
    wide = {
        name: torch.ones(4, 2048) if "attn2_to_k" in name and "down" in name else tensor
        for name, tensor in tensors.items()
    }
    shown = save_lora(tmp_path / "wide.safetensors", wide)
    for file in (shown, said):
        with pytest.raises(UnsupportedModelError, match=f"the LoRA {file.stem} is made for SDXL"):
            _generate(engine, tiny_sd1, loras=[str(file)])
        left = _generate(engine, tiny_sd1, loras=[str(file)], unusable_loras="leave_out")
        assert _difference(plain, left) == 0
        assert f"the LoRA {file.stem} was left out: it is made for SDXL" in left.record.notices[-1]
    assert _difference(plain, _generate(engine, tiny_sd1)) == 0


def test_loras_of_sdxl_change_both_encoders(tmp_path: Path) -> None:
    model = make_sdxl(tmp_path / "xl")
    settings = Settings(device="cpu", lora_folders=(tmp_path,))
    with StableDiffusionEngine(settings) as engine:
        plain = _generate(engine, model)
        assert engine.loaded is not None
        pipeline = engine.loaded.pipeline
        components = ("unet", "text_encoder", "text_encoder_2")
        values = random_lora(pipeline, trained_layers(pipeline, *components))
        tensors = tensors_of(pipeline, values, kohya_sgm)
        save_lora(tmp_path / "xl_film.safetensors", tensors)
        pictures = [_generate(engine, model, loras=[f"xl_film:{w}"]) for w in ("0:1", "1:0")]
        assert all(_difference(plain, each) > 0.1 for each in pictures)
        assert _difference(plain, _generate(engine, model)) == 0
