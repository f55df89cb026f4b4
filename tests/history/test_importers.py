"""Settings out of other tools' pictures, and out of hostile ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core.text import visible
from sdtui.history import History
from sdtui.history.importers import ImportedSettings, label_of_sampler, read_picture_settings
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.noise import Noise
from tests.support.foreign_pictures import (
    A1111,
    COMFYUI,
    FOOOCUS,
    INVOKEAI,
    NOVELAI,
    SWARMUI,
    png,
    with_comment,
)
from tests.support.records import picture, record


def lost(found: ImportedSettings, beginning: str) -> bool:
    return any(each.startswith(beginning) for each in found.not_carried)


def test_own_picture_gives_its_request(history: History) -> None:
    saved = history.save(picture(), record(seed=5, pictures=2, steps=12), 1)
    found = read_picture_settings(saved.path)
    request = GenerationRequest.parse(found.values)
    assert (found.source, found.not_carried) == ("sdtui", ())
    assert (request.seed, request.num_inference_steps, request.num_images_per_prompt) == (6, 12, 1)
    assert (request.sampler, request.guidance_scale) == ("DPM++ 2M Karras", 6.5)
    assert (request.width, request.height, request.model) == (64, 64, "pocket")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_own_picture_without_json_gives_its_request(
    history: History, tmp_path: Path, ending: str
) -> None:
    saved = history.save(picture(), record("a: b, c\nd"), 0, file=tmp_path / f"a.{ending}")
    from_sidecar = read_picture_settings(saved.path).values
    saved.json_path.unlink()
    found = read_picture_settings(saved.path)
    assert found.source == "sdtui"
    assert found.values.items() <= from_sidecar.items()
    assert found.values.keys() >= {"prompt", "seed", "sampler", "width", "num_inference_steps"}


def test_missing_init_image_is_reported(history: History, tmp_path: Path) -> None:
    init = tmp_path / "init.png"
    init.touch()
    saved = history.save(picture(), record(init_image=init, strength=0.5), 0)
    assert read_picture_settings(saved.path).values["strength"] == 0.5
    init.unlink()
    found = read_picture_settings(saved.path)
    assert lost(found, "Init image")
    assert GenerationRequest.parse(found.values).image_to_image is None
    assert "strength" not in found.values


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "little-endian", "ascii"])
def test_a1111_picture_is_read(tmp_path: Path, kind: str) -> None:
    if kind == "png":
        path = png(tmp_path / "a.png", parameters=A1111)
    elif kind == "ascii":
        path = with_comment(tmp_path / "a.jpg", b"ASCII\0\0\0" + A1111.encode())
    elif kind == "little-endian":
        path = with_comment(tmp_path / "a.jpg", b"UNICODE\0" + A1111.encode("utf-16-le"))
    else:
        path = with_comment(tmp_path / f"a.{kind}", b"UNICODE\0" + A1111.encode("utf-16-be"))
    found = read_picture_settings(path)
    assert found.source == "A1111"
    assert found.values == {
        "prompt": "a cat, (sharp:1.2) <lora:film:0.8>",
        "negative_prompt": "blurry",
        "model": "v1-5-pruned-emaonly",
        "sampler": "DPM++ 2M Karras",
        "num_inference_steps": 20,
        "guidance_scale": 7.0,
        "width": 512,
        "height": 768,
        "seed": 42,
        "clip_skip": 2,
        "rng": "nv",
    }
    assert found.lora_hashes == {"film": "1a2b3c4d5e6f"}
    assert not lost(found, "Lora hashes")
    GenerationRequest.parse(found.values)


def test_noise_of_an_infotext_is_read(tmp_path: Path) -> None:
    text = A1111.replace(
        "Clip skip: 2",
        "Variation seed: 9, Variation seed strength: 0.3, Seed resize from: 512x640, RNG: CPU",
    )
    values = read_picture_settings(png(tmp_path / "a.png", parameters=text)).values
    request = GenerationRequest.parse(values)
    assert request.noise == Noise(
        variation_seed=9,
        variation_strength=0.3,
        seed_resize_width=512,
        seed_resize_height=640,
    )


def test_noise_delta_is_refused_with_its_reason(tmp_path: Path) -> None:
    text = A1111.replace("Clip skip: 2", "ENSD: 31337")
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert lost(found, "ENSD 31337: sdtui has no such setting")


@pytest.mark.parametrize(
    ("version", "source"),
    [("f2.0.1v1.10.1", "Forge"), ("neo", "Forge"), ("v1.10.1", "A1111"), ("sdtui 0.1.0", "sdtui")],
)
def test_forks_of_a1111_are_recognised(tmp_path: Path, version: str, source: str) -> None:
    text = A1111.replace("v1.10.1", version)
    assert read_picture_settings(png(tmp_path / "a.png", parameters=text)).source == source


def test_sd_next_picture_is_read(tmp_path: Path) -> None:
    text = "a cat\nSteps: 20, Size: 512x512, Sampler: UniPC, Seed: 1, CFG scale: 6, App: SD.Next"
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert (found.source, found.values["sampler"]) == ("SD.Next", "UniPC")
    assert found.not_carried[0].startswith("RNG")


@pytest.mark.parametrize("workflow", [True, False])
def test_comfyui_picture_is_read(tmp_path: Path, workflow: bool) -> None:
    texts = {"prompt": json.dumps(COMFYUI)}
    if workflow:
        texts["workflow"] = json.dumps({"links": [], "nodes": []})
    found = read_picture_settings(png(tmp_path / "a.png", **texts))
    assert found.source == "ComfyUI"
    assert found.values == {
        "prompt": "a bottle",
        "negative_prompt": "watermark",
        "model": "base.safetensors",
        "sampler": "DPM++ 2M Karras",
        "num_inference_steps": 20,
        "guidance_scale": 8.0,
        "width": 512,
        "height": 640,
        "seed": 156680208700286,
    }
    assert lost(found, "node LoraLoader")


def test_comfyui_webp_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(COMFYUI)
    picture().save(tmp_path / "a.webp", exif=exif)
    assert read_picture_settings(tmp_path / "a.webp").values["prompt"] == "a bottle"


def test_invokeai_picture_is_read(tmp_path: Path) -> None:
    found = read_picture_settings(png(tmp_path / "a.png", invokeai_metadata=json.dumps(INVOKEAI)))
    assert found.source == "InvokeAI"
    assert found.values == {
        "prompt": "a fox",
        "negative_prompt": "dull",
        "model": "Dreamshaper 8",
        "sampler": "DPM++ 2M Karras",
        "num_inference_steps": 30,
        "guidance_scale": 7.5,
        "width": 512,
        "height": 512,
        "seed": 7,
        "loras": ("film:0.8",),
    }
    assert not lost(found, "loras")


@pytest.mark.parametrize("lora", [{}, 1, {"model": {"name": "a:b"}, "weight": 1}, {"weight": 1}])
def test_loras_of_invokeai_that_cannot_be_read_are_named(tmp_path: Path, lora: object) -> None:
    text = json.dumps({**INVOKEAI, "loras": [lora]})
    found = read_picture_settings(png(tmp_path / "a.png", invokeai_metadata=text))
    assert "loras" not in found.values
    assert lost(found, "loras")


def test_first_invokeai_format_is_read(tmp_path: Path) -> None:
    dream = '"a fox [dull]" -s 50 -S 4 -W 512 -H 512 -C 7.5 -A k_lms'
    found = read_picture_settings(png(tmp_path / "a.png", Dream=dream))
    assert (found.values["prompt"], found.values["negative_prompt"]) == ("a fox", "dull")
    assert found.values["sampler"] == "LMS"


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_fooocus_picture_is_read(tmp_path: Path, ending: str) -> None:
    text = json.dumps(FOOOCUS)
    if ending == "png":
        path = png(tmp_path / "a.png", parameters=text, fooocus_scheme="fooocus")
    else:
        path = with_comment(tmp_path / "a.jpg", text.encode())
    found = read_picture_settings(path)
    assert found.source == "Fooocus"
    assert found.values == {
        "prompt": "a barn",
        "model": "juggernautXL",
        "sampler": "DPM++ 2M SDE Karras",
        "num_inference_steps": 30,
        "guidance_scale": 4.0,
        "width": 1152,
        "height": 896,
        "seed": 123,
    }
    assert lost(found, "sharpness")


@pytest.mark.parametrize("described", [True, False])
def test_novelai_picture_is_read(tmp_path: Path, described: bool) -> None:
    texts = {
        "Software": "NovelAI",
        "Source": "Stable Diffusion F1022D28",
        "Comment": json.dumps(NOVELAI),
    }
    if described:
        texts["Description"] = "a girl"
    found = read_picture_settings(png(tmp_path / "a.png", **texts))
    assert found.source == "NovelAI"
    assert found.values == {
        "prompt": "a girl",
        "negative_prompt": "lowres",
        "model": "Stable Diffusion",
        "sampler": "Euler a Karras",
        "num_inference_steps": 28,
        "guidance_scale": 5.0,
        "width": 512,
        "height": 768,
        "seed": 99,
    }
    assert not lost(found, "Schedule")


def test_swarmui_picture_is_read(tmp_path: Path) -> None:
    found = read_picture_settings(png(tmp_path / "a.png", parameters=json.dumps(SWARMUI)))
    assert (found.source, found.values["model"], found.values["width"]) == ("SwarmUI", "xl", 1024)


@pytest.mark.parametrize(
    ("name", "schedule", "label", "unknown"),
    [
        ("DPM++ 2M Karras", None, "DPM++ 2M Karras", None),
        ("DPM++ 2M", None, "DPM++ 2M", None),
        ("DPM++ 2M", "Automatic", "DPM++ 2M Karras", None),
        ("DPM++ 2M SDE", "Automatic", "DPM++ 2M SDE Exponential", None),
        ("Euler a", "Automatic", "Euler a", None),
        ("euler_ancestral", "normal", "Euler a", None),
        ("dpmpp_sde_gpu", "exponential", "DPM++ SDE Exponential", None),
        ("dpmpp_2m", "beta", "DPM++ 2M Beta", None),
        ("dpmpp_2m", "beta57", "DPM++ 2M", "beta57"),
        ("k_dpm_2_a", None, "DPM2 a", None),
        ("uni_pc", "simple", "UniPC Simple", None),
        ("ddim", "sgm_uniform", "DDIM", "sgm_uniform"),
        ("LMS", None, "LMS", None),
        ("dpm_fast", None, None, "dpm_fast"),
        ("", None, None, ""),
    ],
)
def test_samplers_of_other_tools_are_mapped(
    name: str, schedule: str | None, label: str | None, unknown: str | None
) -> None:
    assert label_of_sampler(name, schedule) == (label, unknown)


def test_values_outside_the_limits_are_reported_with_the_reason(tmp_path: Path) -> None:
    text = "a cat\nSteps: 999, Sampler: DPM fast, CFG scale: 99, Seed: -1, Size: 513x99999"
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert found.values == {"prompt": "a cat"}
    for beginning in ("Steps", "Sampler DPM fast", "CFG scale", "Seed", "Width", "Height"):
        assert lost(found, beginning), beginning
    assert "at most 150" in found.not_carried[1]


def test_reported_values_contain_no_escape_sequences(tmp_path: Path) -> None:
    text = "a cat\nSteps: 20, Seed: \x1b[31m, Size: 8x8, Sampler: \x1b]0;x\x07, Evil: \x9b1m\r\n"
    found = read_picture_settings(png(tmp_path / "a.png", parameters=text))
    assert all(visible(each, keep="") == each for each in found.not_carried)


def test_pictures_of_other_tools_are_imported(history: History, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    png(source / "a.png", parameters=A1111)
    png(source / "b.png", prompt=json.dumps(COMFYUI))
    png(source / "nothing.png")
    brought = history.import_([source])
    assert len(brought.pictures) == 2
    assert [each.path.name for each in brought.skipped] == ["nothing.png"]
    (cat,) = history.entries("cat model:v1-5-pruned-emaonly").entries
    notices = history.record(cat).notices
    assert notices[0] == "imported from A1111"
    assert [each.seed for each in history.entries("clip_skip:2").entries] == [42]
    assert history.import_([source]).known == 2


def test_foreign_picture_in_the_pictures_folder_is_imported_in_place(history: History) -> None:
    history.pictures.mkdir()
    path = png(history.pictures / "mine.png", parameters=A1111)
    history.refresh()
    assert history.entries().total == 0
    assert history.import_([path]).pictures == (path,)
    history.refresh()
    assert [entry.path for entry in history.entries().entries] == [path]
    assert history.skipped() == ()


def test_layers_of_clip_are_counted_as_a1111_counts(tmp_path: Path) -> None:
    graph = {
        **COMFYUI,
        "11": {
            "class_type": "CLIPSetLastLayer",
            "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]},
        },
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle", "clip": ["11", 0]}},
    }
    swarm = {"prompt": "a fox", "seed": 7, "steps": 5, "clipstopatlayer": -2}
    pictures = [
        png(tmp_path / "comfyui.png", prompt=json.dumps(graph)),
        png(tmp_path / "swarm.png", parameters=json.dumps({"sui_image_params": swarm})),
        png(tmp_path / "invokeai.png", invokeai_metadata=json.dumps({**INVOKEAI, "clip_skip": 1})),
    ]
    for path in pictures:
        assert read_picture_settings(path).values["clip_skip"] == 2, path
