"""A1111's text: written to the grammar, read back by our parser, by one that is written to the
grammar here, and by sd-parsers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image
from sd_parsers.extractors._get_exif_value import get_exif_value
from sd_parsers.parsers import AUTOMATIC1111Parser

from sdtui.core.picture_entries import ControlEntry
from sdtui.history import History
from sdtui.history.control_infotext import control_pairs, control_units
from sdtui.history.image_metadata import read_texts
from sdtui.history.importers import read_infotext
from sdtui.history.infotext import own_record, parse_infotext, write_infotext
from sdtui.requests.record import ControlRecord, GenerationRecord, ImageSettings, IPAdapterRecord
from tests.support.records import picture, record

PROMPTS = [
    "a cat, (sharp:1.2), <lora:film:0.8>",
    'a "quoted" sign that says \\"no\\"',
    "time: noon, place: here",
    "first line\nsecond line\n\nfourth line",
    "Steps: 20, Sampler: Euler, CFG scale: 7",
    "before\nSteps: 20, Sampler: Euler, Seed: 1, Size: 8x8\nafter",
    "🐯 tiger 👩‍👩‍👧 and Ünïcödé 猫",
    "a, b: c, d: e, f: g",
]
NEGATIVES = ["", "blurry, low quality", "text: none\nSteps: 3", '"', "🙈"]


def grammar(text: str) -> tuple[str, str, dict[str, str]]:
    """The grammar, word for word, with none of our code: params are the last line."""
    head, _, last = text.rpartition("\n")
    prompt, mark, negative = head.partition("\nNegative prompt: ")
    pairs = {}
    while last:
        match = re.match(r'(\w[\w \-/]+): ("(?:\\.|[^\\"])*"|[^,]*)(?:, |$)', last)
        assert match is not None, last
        key, value = match.groups()
        pairs[key] = json.loads(value) if value.startswith('"') else value
        last = last[match.end() :]
    return prompt, negative if mark else "", pairs


EXPECTED = {
    "Steps": "20",
    "Sampler": "DPM++ 2M",
    "Schedule type": "Karras",
    "CFG scale": "6.5",
    "Seed": "42",
    "Size": "64x64",
    "Model hash": "6ce0161689",
    "Model": "pocket",
    "RNG": "CPU",
    "Version": "sdtui 0.1.0",
}


@pytest.mark.parametrize("negative", NEGATIVES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_written_infotext_parses_into_the_same_fields(prompt: str, negative: str) -> None:
    text = write_infotext(record(prompt, negative_prompt=negative))
    assert grammar(text) == (prompt, negative, EXPECTED)
    native = parse_infotext(text)
    assert (native.prompt, native.negative_prompt, dict(native.pairs)) == (
        prompt,
        negative,
        EXPECTED,
    )


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("negative", NEGATIVES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_sd_parsers_reads_the_infotext(
    history: History, tmp_path: Path, prompt: str, negative: str, ending: str
) -> None:
    run = record(prompt, negative_prompt=negative)
    saved = history.save(picture(8, 8), run, 0, file=tmp_path / f"a.{ending}")
    with Image.open(saved.path) as image:
        # not ParserManager: it remembers the last JPEG by id(), which a later image may have too
        text = image.info["parameters"] if ending == "png" else get_exif_value(image, "UserComment")
    info = AUTOMATIC1111Parser().parse({"parameters": text})
    (sampler,) = info.samplers
    assert [each.value for each in sampler.prompts] == [prompt]
    assert [each.value for each in sampler.negative_prompts] == ([negative] if negative else [])
    assert sampler.name == "DPM++ 2M"
    assert sampler.parameters == {
        "scheduler": "Karras",
        "cfg_scale": "6.5",
        "seed": "42",
        "steps": "20",
    }
    assert sampler.model is not None
    assert (sampler.model.name, sampler.model.hash) == ("pocket", "6ce0161689")
    assert info.metadata["Size"] == "64x64"
    assert info.metadata["RNG"] == "CPU"


def test_fields_have_the_order_of_a1111() -> None:
    run = record(strength=0.6, init_image=Path("in.png"), model="/models/a, b: c.safetensors")
    assert write_infotext(run).splitlines()[-1] == (
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 42, "
        'Size: 64x64, Model hash: 6ce0161689, Model: "a, b: c", Denoising strength: 0.6, '
        "RNG: CPU, Version: sdtui 0.1.0"
    )


def test_files_that_complete_a_transformer_are_modules_as_in_forge() -> None:
    made = record()
    assert made.model is not None
    files = {"vae": "ae.safetensors", "text_encoder_2": "t5xxl_fp16.safetensors"}
    model = made.model.model_copy(update={"completed_by": "flux", "part_files": files})
    pairs = parse_infotext(write_infotext(made.model_copy(update={"model": model}))).pairs
    assert (pairs["Module 1"], pairs["Module 2"]) == ("ae", "t5xxl_fp16")


def test_value_equal_to_its_key_prints_the_key_alone() -> None:
    assert ", Model, RNG: CPU" in write_infotext(record(model="Model"))


def test_last_line_with_two_pairs_belongs_to_the_prompt() -> None:
    found = parse_infotext("a cat\nSteps: 20, Seed: 1")
    assert (found.prompt, found.pairs) == ("a cat\nSteps: 20, Seed: 1", {})


def test_negative_prompt_may_span_lines() -> None:
    found = parse_infotext("a\nb\nNegative prompt: c\nd\nSteps: 1, Seed: 2, Size: 8x8")
    assert (found.prompt, found.negative_prompt) == ("a\nb", "c\nd")


@pytest.mark.parametrize("text", ["", "\n", ":", ",,,", '"', "Negative prompt:", 'a: "' * 5000])
def test_any_text_can_be_parsed(text: str) -> None:
    parse_infotext(text)


@pytest.mark.parametrize("piece", ["a", "a ", " ", "a:", 'a: "', "- /", '\\"', 'ab:"x,', "ab: x "])
def test_parsing_time_is_linear_in_the_length(piece: str) -> None:
    began = time.process_time()
    parse_infotext(f"a\n{piece * 200_000}x")
    assert time.process_time() - began < 5  # minutes, where parts of it are looked at again


def test_png_contains_the_whole_record(history: History) -> None:
    run = record(pictures=2)
    saved = history.save(picture(), run, 1)
    inside = own_record(read_texts(saved.path))
    assert inside == run.of_image(1)
    assert isinstance(inside, GenerationRecord)


def test_infotext_too_long_for_exif_is_left_out(history: History, tmp_path: Path) -> None:
    run = record("x" * 20_000, negative_prompt="y" * 20_000)
    saved = history.save(picture(), run, 0, file=tmp_path / "a.jpg")
    assert read_texts(saved.path).texts == {}
    assert saved.json_path.is_file()


def pairs_of(**values: object) -> Mapping[str, str]:
    """The pairs in the infotext of a picture that was made with these values."""
    run = record()
    changed = run.model_copy(update={"request": run.request.changed(**values)})
    return parse_infotext(write_infotext(changed)).pairs


def test_true_cfg_is_written_and_read_as_by_forge() -> None:
    values = {"width": 64, "height": 64, "guidance_scale": 3.5, "true_cfg_scale": 2}
    settings = ImageSettings.model_validate(values)
    text = write_infotext(record().model_copy(update={"settings": settings}))
    assert "CFG scale: 2, " in text
    assert "Distilled CFG Scale: 3.5" in text
    found = read_infotext(text).values
    assert (found["guidance_scale"], found["true_cfg_scale"]) == (3.5, 2)


def test_noise_is_written_as_by_a1111() -> None:
    found = pairs_of(seed_resize_width=512, seed_resize_height=640, rng="nv")
    assert found["Seed resize from"] == "512x640"
    assert found["RNG"] == "NV"
    assert "Variation seed" not in pairs_of(variation_seed=3)
    found = pairs_of(variation_seed=3, variation_strength=0.25)
    assert (found["Variation seed"], found["Variation seed strength"]) == ("3", "0.25")


def test_controlnets_are_written_and_read_as_a1111s_extension_does() -> None:
    unit = ControlRecord(
        net="canny",
        title="control_canny [d14c016b]",
        sha256="0" * 64,
        image_sha256="1" * 64,
        entry="canny::0.8,start=0.1,mode=prompt,preprocessor=canny,resize=pad,passes=hires",
    )
    adapter = IPAdapterRecord(
        adapter="plus_sd15", sha256="0" * 64, image_sha256="1" * 64, entry="plus_sd15::0.6"
    )
    pairs = dict(control_pairs((unit,), (adapter,)))
    assert pairs["ControlNet 0"] == (
        "Module: canny, Model: control_canny [d14c016b], Weight: 0.8, Resize Mode: Resize and Fill,"
        " Processor Res: 512, Threshold A: 100, Threshold B: 200, Guidance Start: 0.1,"
        " Guidance End: 1.0, Pixel Perfect: False, Control Mode: My prompt is more important"
        ", Hr Option: High res only"
    )
    units = control_units(pairs)
    assert (units.ip_adapters, units.problems) == (("plus_sd15::0.6",), ())
    (entry,) = map(ControlEntry.parse, units.controls)
    assert entry.passes == "hires"
    assert (entry.name, entry.weight, entry.start) == ("control_canny [d14c016b]", 0.8, 0.1)
    assert (entry.preprocessor, entry.mode) == ("canny", "prompt")


def test_units_of_an_infotext_that_cannot_be_read_are_named() -> None:
    text = 'x\nSteps: 20, Sampler: Euler, Seed: 1, ControlNet 0: "Module: softedge_hed, Model: a"'
    (problem, *_) = read_infotext(text).not_carried
    assert problem.startswith("ControlNet 0 has a wrong preprocessor")


def test_controlnet_of_an_infotext_needs_its_picture() -> None:
    text = 'x\nSteps: 20, Sampler: Euler, Seed: 1, ControlNet 0: "Module: none, Model: depth"'
    imported = read_infotext(text)
    assert any("depth" in each and "control picture" in each for each in imported.not_carried)
    with_image = read_infotext(text, input_images=("init_image",))
    assert with_image.values["controls"] == ("depth",)
