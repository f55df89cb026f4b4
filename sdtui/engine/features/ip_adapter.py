"""IP-Adapters: pictures as prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sdtui.core.enums import DType
from sdtui.core.errors import UnsupportedModelError
from sdtui.core.paths import expanded
from sdtui.core.picture_entries import IPAdapterEntry
from sdtui.core.settings import Settings
from sdtui.engine.control.image_encoder import encode, load_image_encoder
from sdtui.engine.denoiser_calls import total_calls
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Pass
from sdtui.models import ModelDescription
from sdtui.models.ip_adapters import (
    IP_ADAPTERS,
    ImageEncoder,
    IPAdapter,
    find_image_encoder,
)
from sdtui.requests.control_pictures import check_control_pictures, usual_control_picture
from sdtui.requests.input_images import InitImage, open_init_image
from sdtui.requests.record import IPAdapterRecord, Stage
from sdtui.requests.request import GenerationRequest


@dataclass(frozen=True)
class OpenedIPAdapter:
    """An entry of a request with its files and its picture."""

    entry: IPAdapterEntry
    adapter: IPAdapter
    encoder: ImageEncoder
    opened: InitImage

    @property
    def key(self) -> object:
        """What the picture's embedding depends on."""
        return (self.opened.sha256, self.encoder.path, self.adapter.takes_hidden_states)

    def weight_in(self, call: int, calls: int) -> float:
        """Return the weight in a call of the denoiser."""
        is_used = not (call / calls < self.entry.start or (call + 1) / calls > self.entry.end)
        return self.entry.weight if is_used else 0.0


Section = tuple[OpenedIPAdapter, ...]


class IPAdapterFeature(Feature[Section]):
    """Lets the UNet attend to pictures, whose embeddings are computed in the prepare stage."""

    name = "ip_adapter"
    stages = frozenset({Stage.PREPARE, Stage.DENOISE})
    fields = ("ip_adapters",)
    prepares_once = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, request: GenerationRequest) -> Section | None:
        """Find the files and open the pictures. Raises InvalidRequestError, ImageError, and the
        errors of `NamedFiles.find` and `find_image_encoder`."""
        check_control_pictures(request)
        entries = map(IPAdapterEntry.parse, request.control.ip_adapters)
        return tuple(self._opened(each, request) for each in entries if each.weight) or None

    def _opened(self, entry: IPAdapterEntry, request: GenerationRequest) -> OpenedIPAdapter:
        adapter = IP_ADAPTERS.find(entry.name, self._settings)
        encoder = find_image_encoder(adapter, self._settings)
        image = expanded(entry.image) if entry.image else usual_control_picture(request)
        assert image is not None  # it was checked
        return OpenedIPAdapter(entry, adapter, encoder, open_init_image(image))

    def check(self, section: Section, description: ModelDescription) -> None:
        """Raise UnsupportedModelError for an adapter that is made for another model."""
        if not description.is_stable_diffusion:
            raise UnsupportedModelError(
                f"{description.name} ({description.pipeline_class}) can't use IP-Adapters here",
                "Use a model of SD 1.x or XL, or leave them out",
            )
        for each in section:
            each.adapter.check_fits(description)

    def memory(self, section: Section, description: ModelDescription, dtype: DType) -> int:
        """Return the bytes of all adapters; the image encoder is freed before the denoising."""
        bytes_each = 4 if dtype is DType.FLOAT32 else 2
        return sum(each.adapter.elements for each in section) * bytes_each

    @contextmanager
    def apply(self, section: Section, model: LoadedModel) -> Iterator[None]:
        """Load the adapters that aren't loaded yet."""
        model.ip_adapters.use([each.adapter for each in section], model.denoiser)
        yield

    def reset(self, model: LoadedModel) -> None:
        """Keep the adapters in main memory, for a later run."""
        model.ip_adapters.rest()

    def embedding_key(self, section: Section, pass_: Pass) -> None:
        """Return None: the prompts are encoded without the pictures."""

    def prepare(self, section: Section, model: LoadedModel, batch: Batch) -> Mapping[str, object]:
        """Encode the pictures, each once."""
        kept = model.ip_adapters
        kept.keep_embeddings([each.key for each in section])
        for encoder in dict.fromkeys(
            each.encoder.path for each in section if each.key not in kept.embeddings
        ):
            of_encoder = [each for each in section if each.encoder.path == encoder]
            dtype, device = model.denoiser.dtype, model.execution_device
            module = load_image_encoder(of_encoder[0].encoder, dtype, device)
            for each in of_encoder:
                hidden = each.adapter.takes_hidden_states
                found = encode(module, each.opened.image, hidden_states=hidden)
                kept.embeddings[each.key] = (found[0].cpu(), found[1].cpu())
            del module
        return {"pictures": [kept.embeddings[each.key] for each in section]}

    def arguments(self, section: Section, model: LoadedModel, batch: Batch) -> Mapping[str, Any]:
        """Give the embeddings to the pipeline, those of no picture first with guidance."""
        pictures: Any = batch.prepared[self.name]["pictures"]
        is_guided = model.description.uses_cfg(batch.pass_.request.guidance_scale)
        device, dtype = model.execution_device, model.denoiser.dtype

        def rows(picture: Tensor, none: Tensor) -> Tensor:
            return (torch.cat([none, picture]) if is_guided else picture).to(device, dtype)

        return {"ip_adapter_image_embeds": [rows(*each) for each in pictures]}

    def denoising(
        self, section: Section, model: LoadedModel, batch: Batch
    ) -> AbstractContextManager[object]:
        """Put the adapters into the UNet."""

        def weights(call: int) -> list[float]:
            calls = max(1, total_calls(model.pipeline.scheduler, batch.pass_))
            return [each.weight_in(call, calls) for each in section]

        return model.ip_adapters.inserted(model.denoiser, model.execution_device, weights)

    def settings(self, section: Section) -> Mapping[str, object]:
        """Return the adapters and their pictures for the record."""
        return {
            "ip_adapter_units": [
                IPAdapterRecord(
                    adapter=each.adapter.name,
                    sha256=each.adapter.sha256,
                    image_sha256=each.opened.sha256,
                    entry=str(replace(each.entry, name=each.adapter.name, image="")),
                )
                for each in section
            ]
        }

    def parents(self, section: Section) -> tuple[str, ...]:
        """Return the hashes of the pictures' files."""
        return tuple(dict.fromkeys(each.opened.sha256 for each in section))
