"""What tools write in more than one way: keys, prefixes, options, guidance, hub folders."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
from PIL.PngImagePlugin import PngInfo

from sdtui.core.errors import ImageError
from sdtui.history.importers import ImportedSettings, read_picture_settings
from tests.support.records import picture

LINE = "Steps: 20, Sampler: Euler, CFG scale: {cfg}, Seed: 1, Size: 64x64"


def read(folder: Path, texts: dict[str, Any]) -> ImportedSettings:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text if isinstance(text, str) else json.dumps(text))
    picture().save(folder / "a.png", pnginfo=info)
    return read_picture_settings(folder / "a.png")


@pytest.mark.parametrize("mark", ["Negative prompt:", "negative prompt:", "  NEGATIVE PROMPT: "])
def test_negative_prompt_is_found_by_any_case(tmp_path: Path, mark: str) -> None:
    text = f"a cat\n{mark}blurry\nugly\n{LINE.format(cfg=7)}"
    values = read(tmp_path, {"parameters": text}).values
    assert (values["prompt"], values["negative_prompt"]) == ("a cat", "blurry\nugly")


@pytest.mark.parametrize(
    ("dream", "prompt", "negative"),
    [
        ('"a cat [blurry]" -s50 -S7 -W512 -H704 -C7.5 -Ak_euler -F', "a cat", "blurry"),
        ('"a cat" -s 50 -b1 -W 512 -H 704 -C 7.5 -A k_euler -S 7', "a cat", ""),
        ('"a \\"big\\" cat" -F -s50 -S7 -W512 -H704 -C7.5 -Ak_euler', 'a "big" cat', ""),
        ("a cat -s50 -W512 -H704 -C7.5 -Ak_euler -S7 --hires_fix", "a cat", ""),
    ],
)
def test_command_line_of_invokeai_1_is_read(
    tmp_path: Path, dream: str, prompt: str, negative: str
) -> None:
    values = read(tmp_path, {"Dream": dream}).values
    assert (values["prompt"], values.get("negative_prompt", "")) == (prompt, negative)
    assert (values["num_inference_steps"], values["seed"]) == (50, 7)
    assert (values["width"], values["height"], values["guidance_scale"]) == (512, 704, 7.5)
    assert values["sampler"] == "Euler"


@pytest.mark.parametrize(
    ("texts", "guidance"),
    [
        ({"parameters": f"a cat\n{LINE.format(cfg=1)}, Distilled CFG Scale: 3.5"}, 3.5),
        ({"parameters": f"a cat\n{LINE.format(cfg='1.000000')}, Guidance: 3.5"}, 3.5),
        ({"parameters": f"a cat\n{LINE.format(cfg=6)}, Guidance: 3.5"}, 6),
        (
            {
                "parameters": {
                    "sui_image_params": {
                        "prompt": "a cat",
                        "cfgscale": 1.0,
                        "fluxguidancescale": 3.0,
                    }
                }
            },
            3,
        ),
    ],
)
def test_guidance_of_distilled_models_counts_where_cfg_is_off(
    tmp_path: Path, texts: dict[str, Any], guidance: float
) -> None:
    found = read(tmp_path, texts)
    assert found.values["guidance_scale"] == guidance
    named = any("uidance" in each or "Distilled" in each for each in found.not_carried)
    assert named == (guidance == 6)


def test_cfg_of_a_distilled_model_is_its_true_cfg(tmp_path: Path) -> None:
    text = f"a cat\n{LINE.format(cfg=6)}, Distilled CFG Scale: 3.5"
    found = read(tmp_path, {"parameters": text})
    assert (found.values["guidance_scale"], found.values["true_cfg_scale"]) == (3.5, 6)
    assert not any("CFG" in each for each in found.not_carried)


@pytest.mark.parametrize("given", [0, -1])
def test_clip_skip_of_the_model_is_none(tmp_path: Path, given: int) -> None:
    found = read(tmp_path, {"parameters": f"a cat\n{LINE.format(cfg=7)}, Clip skip: {given}"})
    assert "clip_skip" not in found.values
    assert not any("lip skip" in each for each in found.not_carried)


@pytest.mark.parametrize(
    ("given", "skip"), [("True", 2), (True, 2), ("False", None), (False, None)]
)
def test_clip_skip_of_easy_diffusion_is_yes_or_no(
    tmp_path: Path, given: object, skip: int | None
) -> None:
    fields = {"prompt": "a cat", "seed": 1, "use_stable_diffusion_model": "sd/x", "steps": 9}
    found = read(tmp_path, {"parameters": {**fields, "clip_skip": given}})
    assert found.values.get("clip_skip") == skip
    assert found.values["model"] == "x"


def test_empty_parts_of_a_prompt_are_left_out(tmp_path: Path) -> None:
    full = {"full_prompt": ["cinematic a cat", "a cat"], "full_negative_prompt": ["", "anime"]}
    values = read(tmp_path, {"parameters": full | {"steps": 9, "seed": 1}}).values
    assert (values["prompt"], values["negative_prompt"]) == ("cinematic a cat, a cat", "anime")


def test_strength_of_text_to_image_is_no_strength(tmp_path: Path) -> None:
    fields = {"c": "a cat", "uc": "", "steps": 9, "seed": 1, "strength": 1}
    found = read(tmp_path, {"Comment": fields})
    assert "strength" not in found.stated
    assert not any("strength" in each for each in found.not_carried)


@pytest.mark.parametrize("cfg", [True, [7.5], {"a": 1}, "NaN", 1e400])
def test_values_of_other_types_are_not_kept(tmp_path: Path, cfg: object) -> None:
    fields = {"prompt": "a cat", "steps": 9, "seed": 1, "cfg": cfg}
    found = read(tmp_path, {"parameters": fields})
    assert found.values["seed"] == 1
    assert "guidance_scale" not in {*found.values, *found.stated}


@pytest.mark.parametrize(("seed", "steps"), [(7.0, 20.0), ("7.0", "20."), (7, "20")])
def test_whole_number_with_a_point_is_kept(tmp_path: Path, seed: object, steps: object) -> None:
    found = read(tmp_path, {"parameters": {"prompt": "a cat", "seed": seed, "steps": steps}})
    stated = {"seed": 7, "num_inference_steps": 20}
    assert {name: found.stated.get(name) for name in stated} == stated
    assert type(found.stated["seed"]) is int


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        ("a cat Negative prompt: ugly {}", "a cat", "ugly"),
        ("a cat, on a mat {}", "a cat, on a mat", ""),
        ("a cat\nNegative prompt: ugly {}", "a cat", "ugly"),
        ("Steps: of stone\nNegative prompt: ugly\n{}", "Steps: of stone", "ugly"),
    ],
)
def test_infotext_without_its_line_breaks_is_read(
    tmp_path: Path, text: str, prompt: str, negative: str
) -> None:
    values = read(tmp_path, {"parameters": text.format(LINE.format(cfg=7))}).values
    assert (values["prompt"], values.get("negative_prompt", "")) == (prompt, negative)
    assert (values["num_inference_steps"], values["seed"]) == (20, 1)


@pytest.mark.parametrize(
    "text",
    [
        "ISO: 100, Aperture: 2.8, Shutter: 1/200, Lens: 50mm",
        "Size: 512x512, Model: Canon, ISO: 100",
        "Steps: one, Flour: 200, Milk: 1",
        {"width": 10, "height": 20, "size": "1x2", "scale": 2},
        {"source": "x", "width": 512, "height": 512, "steps": ["crop"], "scheduler": "y"},
    ],
)
def test_texts_of_photos_are_no_settings(tmp_path: Path, text: object) -> None:
    with pytest.raises(ImageError, match="no readable settings"):
        read(tmp_path, {"Comment": text})


def test_networks_of_civitai_are_named(tmp_path: Path) -> None:
    resources = [
        {"type": "checkpoint", "modelName": "Base, one", "modelVersionName": "Steps: 4"},
        {"type": "lora", "modelName": "Ink, Seed: 3", "weight": 0.8},
    ]
    text = f"a cat\n{LINE.format(cfg=7)}, Civitai resources: {json.dumps(resources)}"
    found = read(tmp_path, {"parameters": text})
    assert (found.values["model"], found.values["seed"]) == ("Base, one", 1)
    assert "lora Ink, Seed: 3: not applied" in found.not_carried


def test_comment_with_a_sampler_is_not_novelais(tmp_path: Path) -> None:
    settings = {"prompt": "a cat", "negative_prompt": "ugly", "sampler": "euler", "seed": 1}
    found = read(tmp_path, {"Comment": {**settings, "software": "Fooocus-MRE v2"}})
    assert found.source == "Fooocus-MRE v2"
    assert found.values["negative_prompt"] == "ugly"


def test_weights_of_several_prompts_are_named(tmp_path: Path) -> None:
    prompts = [{"prompt": "a cat", "weight": 0.7}, {"prompt": "a fox", "weight": 0.3}]
    found = read(tmp_path, {"sd-metadata": {"image": {"prompt": prompts, "steps": 20, "seed": 1}}})
    assert found.values["prompt"] == "a cat, a fox"
    assert "weights [0.7, 0.3]: sdtui has no such setting" in found.not_carried


@pytest.mark.parametrize("comment", ["", '{"c": "a cat", "uc": "ugly", "scale": 7, "seed": 1}'])
def test_description_in_xmp_is_read_without_its_markup(tmp_path: Path, comment: str) -> None:
    text = "a cat\n-ugly\nSteps: 20, Sampler: Euler a, Guidance Scale: 7.0, Seed: 1, Seed Mode: x"
    alternatives = "<rdf:Alt><rdf:li xml:lang='x-default'>{}</rdf:li></rdf:Alt>"
    parts = [f"<dc:description>{alternatives.format(text)}</dc:description>"]
    if comment:
        escaped = html.escape(comment)
        parts.append(f"<exif:UserComment>{alternatives.format(escaped)}</exif:UserComment>")
    found = read(tmp_path, {"XML:com.adobe.xmp": f"<x:xmpmeta>{''.join(parts)}</x:xmpmeta>"})
    values = found.values
    assert found.source == "Draw Things"
    assert (values["prompt"], values["negative_prompt"]) == ("a cat", "ugly")
    assert (values["guidance_scale"], values["seed"]) == (7, 1)


@pytest.mark.parametrize("key", ["Guidance", "Guidance Rescale"])
def test_setting_without_a_cfg_scale_beside_it_is_named(tmp_path: Path, key: str) -> None:
    found = read(tmp_path, {"parameters": f"a cat\nSteps: 20, Seed: 1, Size: 64x64, {key}: 0.7"})
    named = f"{key} 0.7: sdtui has no such setting"
    assert (named in found.not_carried) == (key != "Guidance")
    assert found.stated.get("guidance_scale") == (0.7 if key == "Guidance" else None)
