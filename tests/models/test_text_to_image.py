"""Pipelines that make no pictures from text, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import UnsupportedModelError
from sdtui.models import describe_model
from sdtui.models.text_to_image import text_to_image_class
from tests.support.model_files import sd1_folder


@pytest.mark.parametrize(
    ("pipeline_class", "made"),
    [
        ("WanPipeline", "videos"),
        ("LTX2Pipeline", "videos"),
        ("AnimateDiffPipeline", "videos"),
        ("StableAudioPipeline", "sound"),
        ("AudioLDM2Pipeline", "sound"),
        ("JoyImageEditPipeline", "pictures from other pictures"),
        ("QwenImageLayeredPipeline", "pictures from other pictures"),
        ("FluxFillPipeline", "pictures from other pictures"),
        ("KandinskyV22InpaintPipeline", "pictures from other pictures"),
        ("FluxControlNetPipeline", "pictures from a control image"),
        ("StableCascadePriorPipeline", "one stage"),
        ("KandinskyV22Pipeline", "one stage"),
        ("ShapEPipeline", "3D shapes"),
        ("Kandinsky6SRPipeline", "videos"),
        ("DDPMPipeline", "without a text"),
        ("LDMPipeline", "without a text"),
        ("PaintByExamplePipeline", "pictures from other pictures"),
    ],
)
def test_pipelines_that_make_no_pictures_from_text_are_refused(
    tmp_path: Path, pipeline_class: str, made: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"{pipeline_class}, which makes.*{made}"):
        describe_model(sd1_folder(tmp_path, _class_name=pipeline_class))


@pytest.mark.parametrize(
    ("named", "made"),
    [
        ("FluxImg2ImgPipeline", "FluxPipeline"),
        ("StableDiffusion3InpaintPipeline", "StableDiffusion3Pipeline"),
        ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline"),
        ("StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLImg2ImgPipeline"),
    ],
)
def test_pipelines_with_the_same_parts_make_pictures_from_text(named: str, made: str) -> None:
    assert text_to_image_class("m", {"_class_name": named}) == made


@pytest.mark.parametrize(
    ("pipeline_class", "way"),
    [("FluxModularPipeline", "Modular Diffusers"), ("OnnxStableDiffusionPipeline", "ONNX")],
)
def test_pipelines_that_run_in_another_way_are_refused(
    tmp_path: Path, pipeline_class: str, way: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"{pipeline_class}, which runs.*{way}"):
        describe_model(sd1_folder(tmp_path, _class_name=pipeline_class))
