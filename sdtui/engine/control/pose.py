"""Find people (RT-DETR and others) and their joints (ViTPose)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    VitPoseForPoseEstimation,
)

from sdtui.core.pictures.skeleton import Joint
from sdtui.engine.control.detector_models import DetectorModels

FINDS_PEOPLE, FINDS_JOINTS = "ForObjectDetection", "VitPoseForPoseEstimation"
"""The ends of the names of the models' classes."""

_PERSON = "person"
_SURE = 0.5
"""The least score of a person."""
_MARGIN = 1.25
"""How much larger than a person the part of the picture is that ViTPose sees."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, as ViTPose was trained."""

_Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def joints_of_people(models: DetectorModels, image: Image.Image) -> list[dict[int, Joint]]:
    """Return the joints of each person in a picture by COCO's numbers. Raises the errors of
    `DetectorModels.load`."""
    boxes = _people(models, image)
    if not boxes:
        return []
    model, _ = models.load(VitPoseForPoseEstimation, FINDS_JOINTS)
    height, width = model.config.backbone_config.image_size
    views = [_view(box, width / height) for box in boxes]
    pixels = torch.cat([_seen(image, view, (width, height)) for view in views]).to(models.device)
    more: dict[str, Tensor] = {}
    if getattr(model.config.backbone_config, "num_experts", 1) > 1:  # the first is COCO's
        more["dataset_index"] = torch.zeros(len(views), dtype=torch.long, device=models.device)
    heatmaps = model(pixel_values=pixels, **more).heatmaps.float().cpu()
    return [_joints(maps, view) for maps, view in zip(heatmaps, views, strict=True)]


def _people(models: DetectorModels, image: Image.Image) -> list[_Box]:
    model, folder = models.load(AutoModelForObjectDetection, FINDS_PEOPLE)
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    outputs = model(**processor(images=image, return_tensors="pt").to(models.device))
    size = torch.tensor([(image.height, image.width)], device=models.device)
    (found,) = processor.post_process_object_detection(outputs, target_sizes=size, threshold=_SURE)
    names = model.config.id2label
    return [
        (float(left), float(top), float(right), float(bottom))
        for label, (left, top, right, bottom) in zip(found["labels"], found["boxes"], strict=True)
        if str(names[int(label)]).lower() == _PERSON
    ]


def _view(box: _Box, ratio: float) -> _Box:
    """Return the part of the picture around a box, with this ratio of width to height."""
    left, top, right, bottom = box
    height = max(bottom - top, (right - left) / ratio) * _MARGIN
    x, y = (left + right) / 2, (top + bottom) / 2
    return (x - height * ratio / 2, y - height / 2, x + height * ratio / 2, y + height / 2)


def _seen(image: Image.Image, view: _Box, size: tuple[int, int]) -> Tensor:
    """Return the model's input, 1 x 3 x H x W: a part of a picture, black outside of it."""
    part: Any = image.transform(size, Image.Transform.EXTENT, view, Image.Resampling.BILINEAR)
    pixels = np.asarray(part, dtype=np.float32) / 255
    normal = (pixels - np.array(_MEAN)) / np.array(_DEVIATION)
    return torch.from_numpy(normal.astype(np.float32).transpose(2, 0, 1)[None].copy())


def _joints(heatmaps: Tensor, view: _Box) -> dict[int, Joint]:
    """Return where each heatmap, h x w, is the highest, moved a quarter towards the higher
    neighbour."""
    left, top, right, bottom = view
    joints = {}
    for number, heatmap in enumerate(heatmaps):
        height, width = heatmap.shape
        row, column = divmod(int(heatmap.argmax()), width)
        x, y = float(column), float(row)
        if 0 < column < width - 1:
            x += 0.25 * float(torch.sign(heatmap[row, column + 1] - heatmap[row, column - 1]))
        if 0 < row < height - 1:
            y += 0.25 * float(torch.sign(heatmap[row + 1, column] - heatmap[row - 1, column]))
        joints[number] = (
            left + (x + 0.5) / width * (right - left),
            top + (y + 0.5) / height * (bottom - top),
            float(heatmap[row, column]),
        )
    return joints
