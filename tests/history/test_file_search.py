"""Searching for the LoRAs, ControlNets, IP-Adapters and upscalers of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.history import History
from sdtui.requests.record import ControlRecord, ImageSettings, IPAdapterRecord, LoraRecord
from tests.support.records import picture, record


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """1: a LoRA of the field, 2: that of a tag twice, 3: of a tag in another tool's picture,
    5: a ControlNet, an IP-Adapter and an upscaler."""
    folder: Path = tmp_path_factory.mktemp("loras")
    used = LoraRecord(name="Film_Look", autov2="0123456789", autov3="abcdef012345", te=1, unet=1)
    with History(folder / "pictures", folder / "index.db") as history:
        for seed, prompt, loras in (
            (1, "a cat", (used,)),
            (2, "a cat <lora:Film_Look:0.5><lora:Film_Look:1>", (used, used)),
            (3, "a cat <lora:grain:0.5>", ()),
            (4, "film_look, grain", ()),
        ):
            saved = record(seed=seed, prompt=prompt)
            assert saved.settings is not None
            settings = saved.settings.model_copy(update={"lora_files": loras})
            history.save(picture(), saved.model_copy(update={"settings": settings}), 0)
        saved = record(seed=5, prompt="a dog")
        assert saved.settings is not None
        net = ControlRecord(net="v11p_Canny", title="", sha256="ab" * 32, entry="v11p_Canny")
        adapter = IPAdapterRecord(adapter="plus", sha256="cd" * 32, image_sha256="", entry="plus")
        used_files = {
            "control_units": (net,),
            "ip_adapter_units": (adapter,),
            "upscaler": "4x-Ultra",
        }
        settings = ImageSettings.model_validate({**dict(saved.settings), **used_files})
        history.save(picture(), saved.model_copy(update={"settings": settings}), 0)
        yield history


@pytest.mark.parametrize(
    ("query", "seeds"),
    [
        ("lora:film_look", {1, 2}),
        ("lora:look", {1, 2}),
        ("lora:Grain", {3}),
        ("lora:other", set()),
        ("-lora:look", {3, 4, 5}),
        ("lora:abcdef012345", {1, 2}),
        ("lora:ABCDEF01", {1, 2}),
        ("lora:01234567890123456789", {1, 2}),
        ("lora:bcdef012", set()),
        ("lora:a", {3}),
        ("lora: cat", {1, 2, 3}),
        ("control:canny", {5}),
        ("control:abababab", {5}),
        ("control:plus", set()),
        ("ip_adapter:plus", {5}),
        ("upscaler:ultra", {5}),
    ],
)
def test_pictures_are_found_by_names_and_hashes(
    filled: History, query: str, seeds: set[int]
) -> None:
    assert {entry.seed for entry in filled.entries(query).entries} == seeds


def test_wrong_comparison_is_an_error(filled: History) -> None:
    with pytest.raises(InvalidRequestError, match="lora can't be compared"):
        filled.entries("lora>film")
