"""Control maps by transformers models: depth and pose, with tiny models of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessorPil,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessorPil,
    RTDetrResNetConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessorPil,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
)

from sdtui.core.errors import ModelNotFoundError, UnsafeModelError, UnsupportedModelError
from sdtui.core.pictures.ade20k import CLASSES, coloured_classes
from sdtui.core.settings import Settings
from sdtui.engine.control import pose
from sdtui.engine.control.detectors import Detectors

_PICTURE = Image.linear_gradient("L").resize((100, 60)).convert("RGB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a depth model, one that finds people, and one that finds joints."""
    folder = tmp_path_factory.mktemp("preprocessors")
    torch.manual_seed(0)
    _make_depth(folder / "depth")
    _make_people(folder / "people")
    _make_pose(folder / "pose")
    _make_segmentation(folder / "segmentation", 150)
    return folder


def _make_depth(folder: Path) -> None:
    options: dict[str, Any] = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        reshape_hidden_states=False,
        **options,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        patch_size=14,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 56, "width": 56}).save_pretrained(folder)


def _make_people(folder: Path) -> None:
    stages: dict[str, Any] = {
        "out_features": ["stage2", "stage3", "stage4"],
        "out_indices": [2, 3, 4],
    }
    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        **stages,
    )
    options: dict[str, Any] = {"num_labels": 1, "id2label": {0: "person"}}
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 8, 8],
        feat_strides=[8, 16, 32],
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=10,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        **options,
    )
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)


def _make_pose(folder: Path) -> None:
    backbone = VitPoseBackboneConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=[64, 48],
        patch_size=[16, 16],
    )  # fmt: skip
    options: dict[str, Any] = {"num_labels": 17}
    config = VitPoseConfig(backbone_config=backbone, scale_factor=4, **options)
    VitPoseForPoseEstimation(config).save_pretrained(folder)


def _make_segmentation(folder: Path, classes: int) -> None:
    options: dict[str, Any] = {"num_labels": classes}
    config = SegformerConfig(
        num_encoder_blocks=1, depths=[1], sr_ratios=[1], hidden_sizes=[8], patch_sizes=[7],
        strides=[4], num_attention_heads=[1], mlp_ratios=[1], decoder_hidden_size=8, **options,
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def test_segmentation_has_the_colours_of_ade20k(folder: Path) -> None:
    detect = Detectors(Settings(preprocessor_folders=(folder,)), torch.device("cpu"))
    found = detect("segmentation", _PICTURE)
    assert (found.size, found.mode) == (_PICTURE.size, "RGB")
    palette = coloured_classes(np.arange(CLASSES)[None])
    assert palette.getpixel((2, 0)) == (6, 230, 230)  # the sky
    known = {each[1] for each in palette.getcolors() or ()}
    assert {each[1] for each in found.getcolors() or ()} <= known


def test_segmentation_of_other_classes_is_refused(tmp_path: Path) -> None:
    _make_segmentation(tmp_path / "cityscapes", 19)
    detect = Detectors(Settings(preprocessor_folders=(tmp_path,)), torch.device("cpu"))
    with pytest.raises(UnsupportedModelError, match="19 classes"):
        detect("segmentation", _PICTURE)


def test_depth_is_a_grey_picture_of_the_whole_range(folder: Path) -> None:
    detect = Detectors(Settings(preprocessor_folders=(folder,)), torch.device("cpu"))
    depth = detect("depth", _PICTURE)
    assert (depth.size, depth.mode) == (_PICTURE.size, "RGB")
    assert depth.convert("L").getextrema() == (0, 255)


def test_joints_are_found_for_each_person(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose, "_SURE", 0.0)
    detect = Detectors(Settings(preprocessor_folders=(folder,)), torch.device("cpu"))
    skeletons = detect("pose", _PICTURE)
    assert (skeletons.size, skeletons.mode) == (_PICTURE.size, "RGB")


def test_joint_is_where_its_heatmap_is_the_highest() -> None:
    heatmaps = torch.zeros(1, 16, 12)
    heatmaps[0, 8, 3], heatmaps[0, 8, 4] = 1.0, 0.5
    joints = pose._joints(heatmaps, (0.0, 0.0, 120.0, 160.0))
    assert joints[0] == (37.5, 85.0, 1.0)


def test_missing_model_is_named(tmp_path: Path) -> None:
    detect = Detectors(Settings(preprocessor_folders=(tmp_path,)), torch.device("cpu"))
    with pytest.raises(ModelNotFoundError, match="Depth-Anything"):
        detect("depth", _PICTURE)
    with pytest.raises(ModelNotFoundError, match="ADE20K"):
        detect.check("segmentation")
    detect.check("canny")


def test_model_of_pickles_alone_is_refused(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "depth"
    place.mkdir()
    (place / "config.json").write_bytes((folder / "depth" / "config.json").read_bytes())
    (place / "pytorch_model.bin").touch()
    detect = Detectors(Settings(preprocessor_folders=(tmp_path,)), torch.device("cpu"))
    with pytest.raises(UnsafeModelError, match=r"no \.safetensors"):
        detect("depth", _PICTURE)
