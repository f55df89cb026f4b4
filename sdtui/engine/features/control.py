"""ControlNets: pictures that steer the denoising, run beside the UNet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from sdtui.core.control_names import CONTROL_TYPES, ControlPasses
from sdtui.core.enums import DType, MemoryMode
from sdtui.core.errors import InvalidRequestError, Problem, UnsupportedModelError
from sdtui.core.paths import expanded
from sdtui.core.picture_entries import ControlEntry
from sdtui.core.pictures.preprocessors import PREPROCESSORS
from sdtui.core.settings import Settings
from sdtui.engine.control.detectors import Detectors
from sdtui.engine.control.maps import ControlMaps, Detect, as_tensor, make_map
from sdtui.engine.control.residuals import Unit, controlled
from sdtui.engine.denoiser_calls import total_calls
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.hires import HIRES
from sdtui.engine.features.redraw import REDRAW
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.ladder import Plan, Rung
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.models.controlnets import CONTROLNETS, ControlNet
from sdtui.requests.control_pictures import check_control_pictures, usual_control_picture
from sdtui.requests.input_images import InitImage, open_init_image
from sdtui.requests.record import ControlRecord, Stage
from sdtui.requests.request import GenerationRequest

_PASSES = {HIRES: ControlPasses.HIRES, REDRAW: ControlPasses.REDRAW}
"""What an entry calls passes, by their names; the others are its first ones."""


@dataclass(frozen=True)
class OpenedControl:
    """An entry of a request with its net and its picture."""

    entry: ControlEntry
    net: ControlNet
    opened: InitImage | None
    """None = the tiles that are redrawn."""

    def is_used_in(self, pass_: Pass) -> bool:
        """True if the entry is for this pass."""
        if self.entry.passes is ControlPasses.BOTH:
            return True
        return self.entry.passes is _PASSES.get(pass_.name, ControlPasses.FIRST)

    def map(self, pass_: Pass, maps: ControlMaps, detect: Detect) -> Image.Image:
        """Return the map for a pass, RGB and of its size. A tile that is redrawn has its part of
        the map of the whole, or is itself the picture of entries that name none."""
        part, size = pass_.part, (pass_.request.width, pass_.request.height)
        if part is not None and (self.opened is None or not self.entry.image):
            return make_map(self.entry, part.image, size, detect)
        assert self.opened is not None  # only entries for tiles alone may have no picture
        whole = size if part is None else part.canvas
        made = maps.get(self.entry, self.opened.image, self.opened.sha256, whole, detect)
        return made if part is None else made.crop(part.box)

    def is_softer_in(self, pass_: Pass) -> bool:
        """True if A1111's extension weakens the net in a pass: that of hires, with edges that its
        preprocessor finds, which leave artefacts in a large picture (scripts/hook.py)."""
        return pass_.name == HIRES and self.entry.preprocessor == "canny"

    @property
    def type_number(self) -> int | None:
        """The number of what the picture shows, for a net of several types."""
        if not self.net.is_union:
            return None
        name = self.entry.type or PREPROCESSORS[self.entry.preprocessor].type
        return CONTROL_TYPES.index(name)


@dataclass(frozen=True)
class OpenedControls:
    """The section: all entries with a weight."""

    controls: tuple[OpenedControl, ...]
    layerwise: bool = False
    """True if the nets are moved to the device layer by layer."""


class Control(Feature[OpenedControls]):
    """Adds what ControlNets compute to the UNet. The nets stay in memory between runs."""

    name = "control"
    stages = frozenset({Stage.PREPARE, Stage.DENOISE})
    fields = ("controls",)
    prepares_once = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, request: GenerationRequest) -> OpenedControls | None:
        """Find the nets and the models of preprocessors, and open the pictures. Raises
        InvalidRequestError, ImageError, ModelNotFoundError, and the errors of `NamedFiles.find`."""
        check_control_pictures(request)
        entries = map(ControlEntry.parse, request.control.controls)
        opened = tuple(self._opened(entry, request) for entry in entries if entry.weight)
        return OpenedControls(opened) if opened else None

    def _opened(self, entry: ControlEntry, request: GenerationRequest) -> OpenedControl:
        net = CONTROLNETS.find(entry.name, self._settings)
        Detectors(self._settings, torch.device("cpu")).check(entry.preprocessor)
        image = expanded(entry.image) if entry.image else usual_control_picture(request)
        opened = None if image is None else open_init_image(image, "control picture")
        control = OpenedControl(entry, net, opened)
        if net.is_union:
            self._check_type(control)
        return control

    @staticmethod
    def _check_type(control: OpenedControl) -> None:
        """Raise InvalidRequestError if a net of several types doesn't know that of its picture."""
        entry, known = control.entry, CONTROL_TYPES[: control.net.types]
        name = entry.type or PREPROCESSORS[entry.preprocessor].type
        if name not in known:
            which = f"doesn't know {name}" if name else "needs to know what its picture shows"
            message = f"{entry.name} {which}: write type={', type='.join(known)}"
            raise InvalidRequestError([Problem("controls", str(entry), message)])

    def check(self, section: OpenedControls, description: ModelDescription) -> None:
        """Raise UnsupportedModelError for a net that is made for another model."""
        if not description.is_stable_diffusion:
            raise UnsupportedModelError(
                f"{description.name} ({description.pipeline_class}) can't use ControlNets here",
                "Use a model of SD 1.x, 2.x or XL, or leave them out",
            )
        for control in section.controls:
            control.net.check_fits(description)

    def memory(self, section: OpenedControls, description: ModelDescription, dtype: DType) -> int:
        """Return the bytes of all nets."""
        bytes_each = 4 if dtype is DType.FLOAT32 else 2
        nets = {control.net.path: control.net for control in section.controls}
        return sum(net.elements for net in nets.values()) * bytes_each

    @contextmanager
    def apply(self, section: OpenedControls, model: LoadedModel) -> Iterator[None]:
        """Load the nets that aren't loaded yet."""
        nets = [control.net for control in section.controls]
        model.controlnets.use(nets, model.denoiser, model.denoiser.dtype)
        yield

    def reset(self, model: LoadedModel) -> None:
        """Keep the nets in main memory, for a later run."""
        model.controlnets.rest(model.device)

    def embedding_key(self, section: OpenedControls, pass_: Pass) -> None:
        """Return None: the prompts are encoded without the pictures."""

    def prepare(
        self, section: OpenedControls, model: LoadedModel, batch: Batch
    ) -> Mapping[str, Image.Image]:
        """Make the control maps."""
        detect = Detectors(self._settings, model.execution_device)
        return {
            _map_name(number): control.map(batch.pass_, model.controlnets.maps, detect)
            for number, control in enumerate(section.controls)
            if control.is_used_in(batch.pass_)
        }

    def attachments(
        self, section: OpenedControls, prepared: Mapping[str, object]
    ) -> Mapping[str, Image.Image]:
        """Return the maps, but for pictures that are used as they are."""
        return {
            name: image
            for number, control in enumerate(section.controls)
            if control.entry.preprocessor != "none"
            and isinstance(image := prepared.get(name := _map_name(number)), Image.Image)
        }

    def denoising(
        self, section: OpenedControls, model: LoadedModel, batch: Batch
    ) -> AbstractContextManager[object]:
        """Run the nets beside the UNet."""
        maps = batch.prepared.get(self.name, {})
        used = [
            (control, image)
            for number, control in enumerate(section.controls)
            if isinstance(image := maps.get(_map_name(number)), Image.Image)
        ]
        return _controlled(section, model, batch, used) if used else nullcontext()

    def rungs(self, section: OpenedControls) -> tuple[Rung, ...]:
        """Return the rung that keeps the nets in main memory."""
        return (_LAYERWISE,)

    def settings(self, section: OpenedControls) -> Mapping[str, object]:
        """Return the nets and their pictures for the record."""
        return {"control_units": [_record(control) for control in section.controls]}

    def parents(self, section: OpenedControls) -> tuple[str, ...]:
        """Return the hashes of the pictures' files."""
        opened = [each.opened for each in section.controls]
        return tuple(dict.fromkeys(each.sha256 for each in opened if each is not None))


@contextmanager
def _controlled(
    section: OpenedControls,
    model: LoadedModel,
    batch: Batch,
    used: Sequence[tuple[OpenedControl, Image.Image]],
) -> Iterator[None]:
    device, dtype = model.execution_device, model.denoiser.dtype
    units = [
        Unit(
            net=model.controlnets[control.net.path],
            image=as_tensor(image).to(device, dtype),
            weight=control.entry.weight,
            start=control.entry.start,
            end=control.entry.end,
            mode=control.entry.mode,
            type=control.type_number,
            is_softer=control.is_softer_in(batch.pass_),
        )
        for control, image in used
    ]
    paths = [control.net.path for control, _ in used]
    with ExitStack() as stack:
        placed = model.controlnets.on_device(
            paths, device, model.memory_mode, layerwise=section.layerwise
        )
        stack.enter_context(placed)
        calls = lambda: total_calls(model.pipeline.scheduler, batch.pass_)  # noqa: E731
        stack.enter_context(controlled(model.denoiser, units, len(batch.seeds), calls))
        yield


def _map_name(number: int) -> str:
    return f"control{number + 1}"


def _record(control: OpenedControl) -> ControlRecord:
    return ControlRecord(
        net=control.net.name,
        title=control.net.a1111_name(),
        sha256=control.net.sha256,
        image_sha256=control.opened.sha256 if control.opened else None,
        entry=str(replace(control.entry, name=control.net.name, image="")),
    )


def _keep_nets_in_main_memory(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    section: Any = plan.sections.get(Control.name)
    if section is None or section.layerwise or plan.modes == (MemoryMode.FULL,):
        return None
    sections = {**plan.sections, Control.name: replace(section, layerwise=True)}
    return replace(plan, sections=sections), "moving the ControlNets layer by layer"


_LAYERWISE = Rung("ControlNet offload", frozenset({Stage.DENOISE}), True, _keep_nets_in_main_memory)
