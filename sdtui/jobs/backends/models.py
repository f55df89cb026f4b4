"""The models on this machine's disk."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, SdtuiError
from sdtui.core.settings import Settings
from sdtui.core.upscaler_names import built_in_name
from sdtui.jobs.execution import failed_event
from sdtui.jobs.model_api import DownloadSubscriber
from sdtui.jobs.request_checks import check_files
from sdtui.models import (
    CONTROLNETS,
    IP_ADAPTERS,
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
    OnBytes,
    TokenCounter,
    VaeFile,
    counters_of,
    describe_model,
    download_model,
    find_lora,
    find_lora_by_name,
    find_model,
    find_upscaler_file,
    find_vae,
    find_vae_by_name,
    installed_embeddings,
    installed_loras,
    installed_models,
    installed_upscalers,
    token_counters,
    vae_files,
)
from sdtui.requests.events import Cancelled, Downloaded, Downloading, Event, JobEvent, Report
from sdtui.requests.request import GenerationRequest


class LocalModels:
    """Implements the protocol `Models`. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.default = settings.model
        self._folders = settings.model_folders
        self._downloads: dict[str, Cancellation] = {}

    def installed(self) -> list[ModelSource]:
        return installed_models(self._folders)

    def find(self, name: str) -> ModelSource:
        return find_model(name, self._folders)

    def describe(self, source: ModelSource) -> ModelDescription | None:
        return None if source.path is None else describe_model(source.path, self._settings)

    def token_counters(self, source: ModelSource) -> Mapping[str, TokenCounter]:
        described = self.describe(source)
        if described is None:
            return counters_of(source)
        return token_counters(described.tokenizers, described.traits.text_limit)

    def vaes(self) -> list[FoundFile]:
        return vae_files(self._settings)

    def find_vae(self, name: str, *, allow_files: bool = False) -> VaeFile:
        find = find_vae if allow_files else find_vae_by_name
        return find(name, self._settings)

    def embeddings(self) -> list[InstalledEmbedding]:
        return installed_embeddings(self._settings)

    def loras(self) -> list[InstalledLora]:
        return installed_loras(self._settings)

    def upscalers(self) -> list[InstalledUpscaler]:
        return installed_upscalers(self._settings)

    def check_upscaler(self, name: str, *, allow_files: bool = False) -> None:
        if built_in_name(name) is None:
            find_upscaler_file(name, self._settings, allow_files=allow_files)

    def find_lora(self, name: str, *, allow_files: bool = False) -> Lora:
        find = find_lora if allow_files else find_lora_by_name
        return find(name, self._settings)

    def with_local_loras(
        self,
        request: GenerationRequest,
        hashes: Mapping[str, str],
        *,
        allow_files: bool = False,
    ) -> tuple[GenerationRequest, list[str]]:
        from sdtui.history.importers import request_with_local_loras

        return request_with_local_loras(request, hashes, self._settings, allow_files=allow_files)

    def controlnets(self) -> list[InstalledFile[ControlNet]]:
        return CONTROLNETS.installed(self._settings)

    def ip_adapters(self) -> list[InstalledFile[IPAdapter]]:
        return IP_ADAPTERS.installed(self._settings)

    def find_ip_adapter(self, name: str, *, allow_files: bool = False) -> IPAdapter:
        return IP_ADAPTERS.find(name, self._settings, allow_files=allow_files)

    def find_controlnet(self, name: str, *, allow_files: bool = False) -> ControlNet:
        return CONTROLNETS.find(name, self._settings, allow_files=allow_files)

    def check_files(
        self, requests: Sequence[GenerationRequest], *, allow_files: bool = False
    ) -> None:
        check_files(self, requests, allow_files=allow_files)

    def download(
        self,
        hub_id: str,
        subscriber: DownloadSubscriber,
        *,
        without_transformer: bool = False,
        without_weights: bool = False,
    ) -> str:
        download_id = secrets.token_hex(6)
        cancellation = self._downloads[download_id] = Cancellation()

        def report(event: Event) -> None:
            subscriber(JobEvent(job=download_id, time=time.time(), event=event))

        def run() -> None:
            final_event = _downloaded(
                hub_id,
                report,
                lambda on_bytes: download_model(
                    hub_id,
                    on_bytes,
                    cancellation,
                    without_transformer=without_transformer,
                    without_weights=without_weights,
                ),
            )
            del self._downloads[download_id]
            report(final_event)

        threading.Thread(target=run, name="sdtui-download", daemon=True).start()
        return download_id

    def cancel_download(self, download_id: str) -> None:
        cancellation = self._downloads.get(download_id)
        if cancellation is not None:
            cancellation.stop_now()


def _downloaded(hub_id: str, report: Report, download: Callable[[OnBytes], Path]) -> Event:
    def on_bytes(done: int, total: int, speed: float) -> None:
        report(Downloading(model=hub_id, done=done, total=total, speed=speed))

    try:
        folder = download(on_bytes)
    except CancelledError:
        return Cancelled()
    except SdtuiError as error:
        return failed_event(error)
    return Downloaded(model=hub_id, path=str(folder))
