"""Settings out of the files and formats of many tools, written as those tools write them."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdtui.history.image_metadata import read_texts
from sdtui.history.importers import ImportedSettings, read_picture_settings
from tests.support.records import picture

LINE = "Steps: 28, Sampler: Euler a, CFG scale: 7, Seed: 12345, Size: 512x768, Model: some"
TEXT = f"a fox\nNegative prompt: blurry\n{LINE}, Version: v1.6.0"
NOVELAI: dict[str, Any] = {
    **{"prompt": "a fox", "uc": "blurry", "steps": 23, "scale": 5.0, "seed": 31, "width": 512},
    **{"height": 768, "sampler": "k_euler_ancestral", "noise_schedule": "native"},
}
NOVELAI_TEXTS = {
    **{"Description": "a fox", "Software": "NovelAI"},
    **{"Source": "NovelAI Diffusion V4 37442FCA", "Comment": json.dumps(NOVELAI)},
}


def png(folder: Path, **texts: str) -> ImportedSettings:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("_dash_", "-"), text)
    picture().save(folder / "a.png", pnginfo=info)
    return read_picture_settings(folder / "a.png")


def tiff(order: str, comment: bytes, directory: str) -> bytes:
    """An EXIF block with a user comment in its first or in its Exif directory."""
    entry = struct.pack(f"{order}HHI", 0x9286, 7, len(comment))
    if directory == "first":
        tail = struct.pack(f"{order}H", 1) + entry + struct.pack(f"{order}II", 26, 0)
    else:
        tail = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
        tail += struct.pack(f"{order}H", 1) + entry + struct.pack(f"{order}II", 44, 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", 8) + tail + comment


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("directory", ["first", "exif"])
@pytest.mark.parametrize(
    "comment",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        b"\0" * 8 + TEXT.encode() + b"\0\0",
        b"ASCII\0\0\0" + TEXT.encode(),
        b"UNICODE\0" + TEXT.encode("utf-16-be"),
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + TEXT.encode("utf-16"),
        b"UNICODE\0" + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-be"),
    ],
)
@pytest.mark.parametrize("ending", ["jpg", "webp", "png"])
def test_user_comment_is_read_wherever_and_however_it_is_written(
    tmp_path: Path, order: str, directory: str, comment: bytes, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    picture().save(path, exif=b"Exif\0\0" + tiff(order, comment, directory))
    assert read_texts(path).texts["UserComment"] == TEXT
    assert read_picture_settings(path).values["seed"] == 12345


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
@pytest.mark.parametrize(
    ("written", "prompt"),
    [("雪の中の狐".encode(), "雪の中の狐"), ("ein Füchslein".encode("latin-1"), "ein Füchslein")],
)
def test_png_text_is_utf8_where_it_can_be(
    tmp_path: Path, kind: bytes, written: bytes, prompt: str
) -> None:
    text = written + f"\n{LINE}".encode()
    data = b"parameters\0" + (b"\0" + zlib.compress(text) if kind == b"zTXt" else text)
    chunk = struct.pack(">I", len(data)) + kind + data
    chunk += struct.pack(">I", zlib.crc32(kind + data))
    picture().save(tmp_path / "a.png")
    plain = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(plain[:33] + chunk + plain[33:])
    assert read_picture_settings(tmp_path / "a.png").values["prompt"] == prompt


@pytest.mark.parametrize("kind", ["jpg", "webp", "lossless", "alpha", "png"])
def test_missing_size_is_that_of_the_picture(tmp_path: Path, kind: str) -> None:
    text = TEXT.replace("Size: 512x768, ", "")
    path = tmp_path / ("a.webp" if kind in ("lossless", "alpha") else f"a.{kind}")
    image = Image.new("RGBA" if kind == "alpha" else "RGB", (136, 72), (1, 2, 3))
    exif = Image.Exif()
    exif[0x9286] = text
    image.save(path, exif=exif, lossless=kind != "webp")
    found = read_picture_settings(path).values
    assert (found["width"], found["height"]) == (136, 72)


@pytest.mark.parametrize("prompt", ["{{{best}}}, a fox", "{red|blue} fox", '{"a": 1} fox', "[fox]"])
def test_prompt_may_begin_with_any_letter(tmp_path: Path, prompt: str) -> None:
    found = png(tmp_path, parameters=TEXT.replace("a fox", prompt, 1))
    assert (found.values["prompt"], found.values["seed"]) == (prompt, 12345)


@pytest.mark.parametrize(
    ("tail", "lost"),
    [
        ("\nTemplate: a {fox|wolf}, x: y, z\nNegative Template: blurry", None),
        ("\nmade by some bot", None),
        (', Wildcard prompt: "a\nfox, b: c", Hires: 2', "Wildcard prompt a fox, b: c"),
        ('\nCivitai resources: [{"type":"lora"},{"type":"x"}]', "Civitai resources"),
    ],
)
def test_text_behind_the_settings_is_not_the_prompt(
    tmp_path: Path, tail: str, lost: str | None
) -> None:
    found = png(tmp_path, parameters=TEXT + tail)
    assert found.values["prompt"] == "a fox"
    assert found.values["num_inference_steps"] == 28
    assert lost is None or any(each.startswith(lost) for each in found.not_carried)


@pytest.mark.parametrize(
    "tail",
    [
        "\nTemplate: a {fox|wolf}, x: y\nNegative Template: {a}",
        "\nTemplate:a {fox|wolf}, x: y\nNegative Template:{a}",
        ', Template: "a {fox|wolf}, x: y", Negative Template: {a}',
    ],
)
def test_templates_of_other_tools_are_known(tmp_path: Path, tail: str) -> None:
    found = png(tmp_path, parameters=TEXT + tail)
    assert found.values["prompt"] == "a fox"
    assert found.templates == {"prompt": "a {fox|wolf}, x: y", "negative_prompt": "{a}"}
    assert not any("emplate" in each for each in found.not_carried)


def test_keys_of_the_settings_line_are_found_in_any_case(tmp_path: Path) -> None:
    text = "a fox\nsteps: 9, sampler: Euler, cfg Scale: 3, seed: 5, size: 512 x 640, model: m"
    found = png(tmp_path, parameters=text).values
    assert [found[name] for name in ("num_inference_steps", "seed", "height", "model")] == [
        *(9, 5, 640, "m")
    ]


def test_model_of_a_civitai_picture_is_in_its_resources(tmp_path: Path) -> None:
    resources = '[{"type":"lora","modelName":"L"},{"type":"checkpoint","modelName":"Some XL"}]'
    text = f"a fox\nSteps: 25, CFG scale: 5, Seed: 777, Civitai resources: {resources}"
    found = png(tmp_path, parameters=f"{text}, Civitai metadata: {{}}")
    assert (found.source, found.values["model"]) == ("Civitai", "Some XL")


def test_stable_diffusion_cpp_picture_is_read(tmp_path: Path) -> None:
    text = (
        "a fox\nNegative prompt: blurry\nSteps: 20, CFG scale: 7.000000, Guidance: 3.5, Eta: 0, "
        "Seed: 42, Size: 512x512, Model: m.safetensors, RNG: cuda, Sampler: euler_a karras, "
        "Version: stable-diffusion.cpp"
    )
    found = png(tmp_path, parameters=text)
    assert found.source == "stable-diffusion.cpp"
    assert (found.values["guidance_scale"], found.values["seed"]) == (7.0, 42)


def test_text_without_settings_does_not_hide_others(tmp_path: Path) -> None:
    found = png(tmp_path, parameters="made with love", Comment=TEXT)
    assert found.values["seed"] == 12345


JSON_SETTINGS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "Fooocus without a hash",
        {
            **{"prompt": "a fox", "negative_prompt": "", "full_negative_prompt": ["blurry"]},
            **{"base_model": "xl", "resolution": "(512, 768)", "seed": "777", "steps": 30},
            **{"metadata_scheme": "fooocus", "performance": "Speed", "guidance_scale": 4},
        },
        "Fooocus",
        {"model": "xl", "width": 512},
    ),
    (
        "old Fooocus",
        {
            **{"Prompt": "a fox", "Negative Prompt": "blurry", "Resolution": "(512, 768)"},
            **{"Performance": "Speed", "Base Model": "xl.safetensors", "Seed": 777},
            **{"Sampler": "dpmpp_2m_sde_gpu", "Scheduler": "karras", "Sharpness": 2.0},
        },
        "Fooocus",
        {"sampler": "DPM++ 2M SDE Karras", "height": 768},
    ),
    (
        "RuinedFooocus",
        {
            **{"Prompt": "a fox", "Negative": "blurry", "steps": 30, "cfg": 8, "width": 512},
            **{"height": 768, "seed": 777, "sampler_name": "euler", "scheduler": "normal"},
            **{"base_model_name": "xl", "loras": [["a", 1]], "software": "RuinedFooocus"},
        },
        "RuinedFooocus",
        {"guidance_scale": 8, "model": "xl"},
    ),
    (
        "Hugging Face space",
        {
            **{"prompt": "a fox", "negative_prompt": "blurry", "resolution": "832 x 1216"},
            **{"guidance_scale": 7, "num_inference_steps": 28, "seed": 777, "sampler": "Euler a"},
            **{"Model": {"Model": "Animagine XL 3.1", "Model hash": "e3c47aedb0"}},
        },
        "another tool",
        {"model": "Animagine XL 3.1", "width": 832, "num_inference_steps": 28},
    ),
    (
        "Draw Things",
        {
            **{"c": "a fox", "uc": "blurry", "model": "xl.ckpt", "sampler": "Euler a", "scale": 7},
            **{"seed": 777, "size": "512x768", "steps": 20, "strength": 1, "v2": {}},
        },
        "Draw Things",
        {"guidance_scale": 7, "height": 768},
    ),
]


@pytest.mark.parametrize(
    ("fields", "source", "values"),
    [case[1:] for case in JSON_SETTINGS],
    ids=[case[0] for case in JSON_SETTINGS],
)
@pytest.mark.parametrize("where", ["parameters", "UserComment", "comment", "xmp"])
def test_json_settings_are_read(
    tmp_path: Path, fields: dict[str, Any], source: str, values: dict[str, Any], where: str
) -> None:
    text = json.dumps(fields)
    if where == "parameters":
        found = png(tmp_path, parameters=text)
    elif where == "xmp":
        escaped = text.replace("&", "&amp;").replace('"', "&quot;")
        comment = f"<rdf:Alt><rdf:li xml:lang='x-default'>{escaped}</rdf:li></rdf:Alt>"
        xmp = f"<x><exif:UserComment>{comment}</exif:UserComment></x>"
        found = png(tmp_path, **{"XML:com.adobe.xmp": xmp})
    else:
        exif = Image.Exif()
        exif[0x9286] = text
        path = tmp_path / "a.jpg"
        if where == "comment":
            picture().save(path, comment=text)
        else:
            picture().save(path, exif=exif)
        found = read_picture_settings(path)
    assert found.source == source
    wanted = {"prompt": "a fox", "negative_prompt": "blurry", "seed": 777, **values}
    assert found.values | wanted == found.values


def test_easy_diffusion_picture_has_a_text_for_each_setting(tmp_path: Path) -> None:
    found = png(
        tmp_path,
        **{"prompt": "{a|b} fox", "negative_prompt": "blurry", "seed": "777", "width": "512"},
        **{"use_stable_diffusion_model": "sd-v1-5", "num_inference_steps": "25"},
        **{"guidance_scale": "7.5", "sampler_name": "euler_a", "height": "768"},
    )
    assert found.source == "Easy Diffusion"
    assert found.values == {
        **{"prompt": "{a|b} fox", "negative_prompt": "blurry", "seed": 777, "width": 512},
        **{"height": 768, "model": "sd-v1-5", "num_inference_steps": 25, "sampler": "Euler a"},
        "guidance_scale": 7.5,
    }


@pytest.mark.parametrize(
    ("keyword", "fields"),
    [
        (
            "invokeai_metadata",
            {
                **{"positive_prompt": "a fox", "seed": 777, "num_steps": 30, "guidance": 4},
                **{"model": {"name": "FLUX Dev"}, "generation_mode": "flux_txt2img"},
            },
        ),
        (
            "invokeai_metadata",
            {
                **{"positive_prompt": "a fox", "negative_prompt": None, "seed": 777, "steps": 30},
                **{"model": {"model_name": "FLUX Dev", "base_model": "flux"}, "scheduler": None},
            },
        ),
        (
            "sd_dash_metadata",
            {
                "model_weights": "FLUX Dev",
                "image": {"prompt": [{"prompt": "a fox", "weight": 1}], "steps": 30, "seed": 777},
            },
        ),
    ],
)
def test_invokeai_of_all_ages_is_read(tmp_path: Path, keyword: str, fields: dict[str, Any]) -> None:
    found = png(tmp_path, **{keyword: json.dumps(fields)})
    assert found.source == "InvokeAI"
    wanted: dict[str, Any] = {"prompt": "a fox", "seed": 777, "num_inference_steps": 30}
    wanted["model"] = "FLUX Dev"
    if "guidance" in fields:  # of Flux
        wanted["guidance_scale"] = fields["guidance"]
    assert found.values == {**wanted, "width": 64, "height": 64}


def test_novelai_webp_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    text = json.dumps(NOVELAI_TEXTS)
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    picture().save(tmp_path / "a.webp", exif=exif)
    found = read_picture_settings(tmp_path / "a.webp")
    assert (found.source, found.values["model"]) == ("NovelAI", "NovelAI Diffusion V4")
    assert (found.values["seed"], found.values["negative_prompt"]) == (31, "blurry")


def test_novelai_characters_are_reported(tmp_path: Path) -> None:
    captions = {"base_caption": "a fox", "char_captions": [{"char_caption": "red"}, {"x": 1}]}
    comment = {**NOVELAI, "v4_prompt": {"caption": captions}}
    found = png(tmp_path, **{**NOVELAI_TEXTS, "Comment": json.dumps(comment)})
    assert found.values["prompt"] == "a fox"
    assert "Prompt of a character red: sdtui has one prompt for all" in found.not_carried


@pytest.mark.parametrize("channel", ["alpha", "rgb"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("ending", ["png", "webp"])
@pytest.mark.parametrize("text", [TEXT, json.dumps(NOVELAI_TEXTS)])
def test_text_in_the_pixels_is_read(
    tmp_path: Path, channel: str, packed: bool, ending: str, text: str
) -> None:
    name = f"stealth_{'png' if channel == 'alpha' else 'rgb'}{'comp' if packed else 'info'}"
    data = gzip.compress(text.encode()) if packed else text.encode()
    data = name.encode() + struct.pack(">I", 8 * len(data)) + data
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"
    width, height = 96, 64
    image = Image.new("RGBA" if channel == "alpha" else "RGB", (width, height))
    step = 1 if channel == "alpha" else 3
    for at in range(width * height):
        values = [int(bit) for bit in bits[step * at : step * (at + 1)].ljust(step, "0")]
        color = (9, 9, 9, 254 | values[0]) if channel == "alpha" else tuple(values)
        image.putpixel((at // height, at % height), color)
    path = tmp_path / f"a.{ending}"
    image.save(path, lossless=True, exact=True)
    found = read_picture_settings(path).values
    assert (found["prompt"], found["negative_prompt"]) == ("a fox", "blurry")
