"""What a record says about the values that a picture was made with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from sdtui.requests.record import GenerationRecord, ImageSettings
from tests.support.records import record


def settings(**values: object) -> ImageSettings:
    base = {"sampler": "Euler", "num_inference_steps": 3, "guidance_scale": 2}
    return ImageSettings.model_validate({**base, "width": 64, "height": 64, **values})


def test_settings_hold_the_fields_of_features_by_their_unique_names() -> None:
    result = settings(strength=0.5)
    assert result.field_values()["strength"] == 0.5
    assert ImageSettings.model_validate_json(result.model_dump_json()) == result
    assert "batch_size" not in result.field_values()


def test_settings_of_features_are_checked() -> None:
    with pytest.raises(ValidationError, match="strength: must be at most 1"):
        settings(strength=7)


def test_settings_of_a_newer_version_are_kept() -> None:
    assert settings(new=1).model_dump()["new"] == 1


def test_used_values_replace_open_ones() -> None:
    result = record(init_image=Path("in.png"), strength=0.6, steps=12, pictures=3)
    values = result.of_image(2).values()
    assert (values["num_inference_steps"], values["strength"]) == (12, 0.6)
    assert (values["seed"], values["num_images_per_prompt"]) == (44, 1)
    assert values["init_image"] == Path("in.png")


def test_new_records_are_in_sections_and_flat_ones_are_read() -> None:
    result = record(init_image=Path("in.png"), strength=0.6)
    fields = json.loads(result.model_dump_json())
    assert fields["schema_version"] == 2
    assert fields["request"]["image_to_image"]["image"] == "in.png"
    section = fields["request"].pop("image_to_image")
    fields["request"] |= {"init_image": section["image"], "strength": section["strength"]}
    fields["request"] |= fields["request"].pop("execution")
    fields["schema_version"] = 1
    read = GenerationRecord.model_validate_json(json.dumps(fields))
    assert read.request == result.request
