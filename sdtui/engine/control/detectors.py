"""Control maps made by transformers models that the user has: depth, pose and segmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForDepthEstimation,
    AutoModelForSemanticSegmentation,
)

from sdtui.core.errors import UnsupportedModelError
from sdtui.core.pictures.ade20k import CLASSES, coloured_classes
from sdtui.core.pictures.preprocessors import PREPROCESSORS
from sdtui.core.pictures.skeleton import draw_skeletons
from sdtui.core.settings import Settings
from sdtui.engine.control.detector_models import DetectorModels
from sdtui.engine.control.pose import FINDS_JOINTS, FINDS_PEOPLE, joints_of_people


@dataclass(frozen=True)
class Detectors:
    """Makes maps on a device."""

    settings: Settings
    device: torch.device

    def __call__(self, name: str, image: Image.Image) -> Image.Image:
        """Return the map of a picture, RGB and of its size. Raises ModelNotFoundError,
        UnsafeModelError or UnsupportedModelError."""
        with torch.no_grad():
            return _DETECTORS[name](self._models(name), image.convert("RGB"))

    def check(self, name: str) -> None:
        """Raise ModelNotFoundError if the models of a preprocessor aren't here."""
        self._models(name).check(_CLASSES.get(name, ()))

    def _models(self, name: str) -> DetectorModels:
        return DetectorModels(self.settings, self.device, PREPROCESSORS[name].model)


def _depth(models: DetectorModels, image: Image.Image) -> Image.Image:
    model, folder = models.load(AutoModelForDepthEstimation, *_CLASSES["depth"])
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    inputs = processor(images=image, return_tensors="pt").to(models.device)
    depth = model(**inputs).predicted_depth[None].float()
    size = (image.height, image.width)
    depth = torch.nn.functional.interpolate(depth, size=size, mode="bicubic")[0, 0]
    spread = (depth.max() - depth.min()).clamp(min=1e-12)
    grey = ((depth - depth.min()) / spread * 255).round().to(torch.uint8).cpu().numpy()
    return Image.fromarray(grey).convert("RGB")


def _segmentation(models: DetectorModels, image: Image.Image) -> Image.Image:
    model, folder = models.load(AutoModelForSemanticSegmentation, *_CLASSES["segmentation"])
    if model.config.num_labels != CLASSES:
        raise UnsupportedModelError(
            f"{folder} knows {model.config.num_labels} classes: ControlNets know the {CLASSES} of "
            "ADE20K",
            "Use a model that was trained with ADE20K",
        )
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    outputs = model(**processor(images=image, return_tensors="pt").to(models.device))
    size = [(image.height, image.width)]
    (classes,) = processor.post_process_semantic_segmentation(outputs, target_sizes=size)
    return coloured_classes(classes.cpu().numpy())


def _pose(models: DetectorModels, image: Image.Image) -> Image.Image:
    return draw_skeletons(image.size, joints_of_people(models, image))


_DETECTORS: Mapping[str, Callable[[DetectorModels, Image.Image], Image.Image]] = {
    "depth": _depth,
    "pose": _pose,
    "segmentation": _segmentation,
}
_CLASSES: Mapping[str, tuple[str, ...]] = {
    "depth": ("ForDepthEstimation",),
    "pose": (FINDS_PEOPLE, FINDS_JOINTS),
    "segmentation": ("ForSemanticSegmentation",),
}
"""The ends of the names of the models' classes."""
