"""The protocol of the models that a backend can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sdtui.models import (
        ControlNet,
        FoundFile,
        InstalledEmbedding,
        InstalledFile,
        InstalledLora,
        InstalledUpscaler,
        IPAdapter,
        Lora,
        ModelDescription,
        ModelSource,
        TokenCounter,
        VaeFile,
    )
    from sdtui.requests.events import JobEvent
    from sdtui.requests.request import GenerationRequest

DownloadSubscriber = Callable[["JobEvent"], None]
"""Called with a download's events: `downloading` as bytes arrive, then `downloaded`, `failed` or
`cancelled`."""


class Models(Protocol):
    """The models that the backend can use."""

    @property
    def default(self) -> str:
        """The name of the model to use where none is named."""
        ...

    def installed(self) -> list[ModelSource]:
        """Return all models that are on the backend's disk."""
        ...

    def find(self, name: str) -> ModelSource:
        """Return a model by its name, path or hub id. Raises ModelError."""
        ...

    def describe(self, source: ModelSource) -> ModelDescription | None:
        """Describe a model, or return None for one that isn't downloaded. Raises ModelError."""
        ...

    def token_counters(self, source: ModelSource) -> Mapping[str, TokenCounter]:
        """Return token counters for the model's text encoders; CLIP's if it isn't downloaded.
        Raises ModelError."""
        ...

    def vaes(self) -> list[FoundFile]:
        """Return the VAEs, also those that can't be used."""
        ...

    def find_vae(self, name: str, *, allow_files: bool = False) -> VaeFile:
        """Return a VAE by its name; by the path of a file only if `allow_files`. Raises
        ModelError."""
        ...

    def embeddings(self) -> list[InstalledEmbedding]:
        """Return the embeddings that prompts may name, and files that can't be used."""
        ...

    def loras(self) -> list[InstalledLora]:
        """Return the LoRAs that requests may name, and files that can't be used."""
        ...

    def upscalers(self) -> list[InstalledUpscaler]:
        """Return the upscalers that requests may name, and files that can't be used."""
        ...

    def check_upscaler(self, name: str, *, allow_files: bool = False) -> None:
        """Raise ModelError if there is no upscaler of this name, or it can't be used; paths of
        files are names only if `allow_files`."""
        ...

    def find_lora(self, name: str, *, allow_files: bool = False) -> Lora:
        """Return a LoRA by its name or alias; by the path of a file only if `allow_files`. Raises
        ModelError."""
        ...

    def with_local_loras(
        self,
        request: GenerationRequest,
        hashes: Mapping[str, str],
        *,
        allow_files: bool = False,
    ) -> tuple[GenerationRequest, list[str]]:
        """Return a request with the names that its LoRAs have on the backend's disk, and what is
        missing there and left out. `hashes` are by the names in the request; paths of files are
        names only if `allow_files`."""
        ...

    def controlnets(self) -> list[InstalledFile[ControlNet]]:
        """Return the ControlNets that requests may name, and files that can't be used."""
        ...

    def ip_adapters(self) -> list[InstalledFile[IPAdapter]]:
        """Return the IP-Adapters that requests may name, and files that can't be used."""
        ...

    def find_ip_adapter(self, name: str, *, allow_files: bool = False) -> IPAdapter:
        """Return an IP-Adapter by its name; by the path of a file only if `allow_files`. Raises
        ModelError."""
        ...

    def find_controlnet(self, name: str, *, allow_files: bool = False) -> ControlNet:
        """Return a ControlNet by its name; by the path of a file or folder only if `allow_files`.
        Raises ModelError."""
        ...

    def check_files(
        self, requests: Sequence[GenerationRequest], *, allow_files: bool = False
    ) -> None:
        """Raise ModelError if a request names a VAE, a ControlNet, an IP-Adapter, a LoRA or an
        upscaler that isn't on the backend's disk, or one of the first three that is made for other
        models; paths of files are names only if `allow_files`. Reads folders."""
        ...

    def download(
        self,
        hub_id: str,
        subscriber: DownloadSubscriber,
        *,
        without_transformer: bool = False,
        without_weights: bool = False,
    ) -> str:
        """Download a model from the hub, or only what completes a transformer file, with or without
        text encoders and VAE; return the download's id."""
        ...

    def cancel_download(self, download_id: str) -> None:
        """Stop a download; complete files are kept."""
        ...
