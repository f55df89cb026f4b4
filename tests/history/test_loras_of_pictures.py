"""LoRAs in infotext and records, and found again on another machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdtui.core.settings import Settings
from sdtui.history import History
from sdtui.history.importers import request_with_local_loras, with_local_loras
from sdtui.history.importers.local_loras import parse_hashes
from sdtui.history.infotext import parse_infotext, write_infotext
from sdtui.history.portable import portable
from sdtui.models import find_lora_by_name
from sdtui.requests.record import GenerationRecord, LoraRecord
from sdtui.requests.sections.adapters import Adapters
from tests.support.foreign_pictures import A1111, png
from tests.support.model_files import safetensors
from tests.support.records import record

NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def _settings(folder: Path, *names: str) -> Settings:
    for rank, name in enumerate(names, 1):
        shapes = {f"{NAME}.lora_down.weight": (rank, 768), f"{NAME}.lora_up.weight": (320, rank)}
        safetensors(folder / f"{name}.safetensors", shapes)
    return Settings(lora_folders=(folder,))


def _record(*loras: str) -> GenerationRecord:
    plain = record(prompt="a cat <lora:film:0.5>")
    assert plain.settings is not None
    used = LoraRecord(name="film", autov2="0123456789", autov3="abcdef012345", te=0.5, unet=0.5)
    return plain.model_copy(
        update={
            "settings": plain.settings.model_copy(update={"lora_files": (used,)}),
            "request": replace(plain.request, adapters=Adapters(loras)),
        }
    )


def test_infotext_names_the_hashes_and_the_loras_of_the_field() -> None:
    found = parse_infotext(write_infotext(_record("/loras/grain.safetensors:0.3")))
    assert found.prompt == "a cat <lora:film:0.5> <lora:grain:0.3>"
    assert parse_hashes(found.pairs["Lora hashes"]) == {"film": "abcdef012345"}


def test_folders_of_this_machine_stay_here() -> None:
    assert portable(_record("/home/me/grain.safetensors:0.3")).request.adapters.loras == (
        "grain:0.3",
    )


def test_lora_of_the_same_hash_is_used_under_its_name_here(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "mine", "film")
    digits = find_lora_by_name("mine", settings).autov3
    values = {"prompt": "a cat <lora:film:0.5>", "loras": ("film:0.2:0.3",), "seed": 1}
    values |= {"hires_prompt": "a dog <lora:film:1>"}
    local, missing = with_local_loras(values, {"film": digits}, settings)
    mine = {"prompt": "a cat <lora:mine:0.5>", "loras": ("mine:0.2:0.3",), "seed": 1}
    assert local == {**mine, "hires_prompt": "a dog <lora:mine:1>"}
    assert not missing


def test_name_counts_where_no_hash_is_known(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "film")
    values = {"prompt": "a cat <lora:film:0.5>"}
    assert with_local_loras(values, {}, settings) == (values, [])


def test_missing_lora_is_left_out_and_said(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "film")
    values = {"prompt": "a cat <lora:film:0.5> <lora:other:1>", "loras": ("film",)}
    local, missing = with_local_loras(values, {"film": "0" * 12}, settings)
    assert local == {"prompt": "a cat  ", "loras": ()}
    assert missing == ["the LoRA film (000000000000) is not here", "the LoRA other is not here"]


def test_path_is_found_again_or_else_the_hash_under_another_name(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "film")
    lora = find_lora_by_name("film", settings)
    hashes = {"film": lora.autov3}
    here = {"loras": (f"{lora.path}:0.3",)}
    assert with_local_loras(here, hashes, settings) == (here, [])
    gone = {"loras": (f"/elsewhere/{lora.path.name}:0.3",)}
    assert with_local_loras(gone, hashes, settings) == ({"loras": ("film:0.3",)}, [])


def test_hash_is_found_by_the_name_that_infotext_can_have(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "mine")
    hashes = parse_hashes(f"a b: {find_lora_by_name('mine', settings).autov3}")
    values = {"prompt": "<lora:a, b:1>"}
    assert with_local_loras(values, hashes, settings)[0] == {"prompt": "<lora:mine:1>"}


def test_plain_prompts_and_names_that_are_chosen_later_stay(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "film")
    plain = {"prompt": "<lora:other:1>", "prompt_syntax": "plain"}
    assert with_local_loras(plain, {}, settings) == (plain, [])
    template = {"prompt": "<lora:{film|other}:1>"}
    assert with_local_loras(template, {}, settings) == (template, [])


def test_request_gets_the_names_of_its_loras_here(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "mine")
    digits = find_lora_by_name("mine", settings).autov3
    plain = record(prompt="a cat <lora:film:0.5><lora:gone:1>").request
    request = replace(plain, adapters=Adapters(("film:0.3",)))
    local, missing = request_with_local_loras(request, {"film": digits}, settings)
    assert (local.prompt, local.adapters.loras) == ("a cat <lora:mine:0.5>", ("mine:0.3",))
    assert missing == ["the LoRA gone is not here"]


def test_imported_picture_keeps_the_hashes(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", parameters=A1111)
    with History(tmp_path / "pictures", tmp_path / "index.db") as history:
        history.import_([path])
        entries = history.entries("lora:1a2b3c4d5e6f").entries
        assert [entry.prompt for entry in entries] == ["a cat, (sharp:1.2) <lora:film:0.8>"]
        assert history.record(entries[0]).lora_hashes == {"film": "1a2b3c4d5e6f"}
