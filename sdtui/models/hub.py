"""Download a model from the hub into the hub's cache, reporting bytes and speed."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import DownloadError, UnsafeModelError
from sdtui.models.component_files import (
    INDEXES,
    UNUSED,
    components_in,
    first_variant,
    read_json,
    variant_of,
)
from sdtui.models.own_values import OWN_FILE
from sdtui.models.text_to_image import text_to_image_class
from sdtui.models.transformer_kinds import DENOISERS

OnBytes = Callable[[int, int, float], None]
"""Called as bytes arrive with the bytes done, the total bytes and the bytes per second."""

_SMALL_FILES = (".json", ".txt", ".model", ".jinja")
"""Suffixes of configs, tokenizers and their chat templates."""
_REPORT_SECONDS = 0.2


def download_model(
    hub_id: str,
    on_bytes: OnBytes,
    cancellation: Cancellation,
    *,
    without_transformer: bool = False,
    without_weights: bool = False,
) -> Path:
    """Download the files that a pipeline needs and return the snapshot folder.

    Only safetensors, in the fp16 variant if there is one. Files in the cache are kept.
    `without_transformer` = only what completes a transformer file; `without_weights` = only configs
    and tokenizers, which complete one together with single files.

    Raises DownloadError (no network, no such model, no access), UnsafeModelError (no
    safetensors), UnsupportedModelError (no pictures from text), CancelledError.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    with _explained_errors(hub_id):
        info = HfApi().model_info(hub_id, files_metadata=True)
        sizes = {entry.rfilename: entry.size or 0 for entry in info.siblings or []}
        name_of_index = next((name for name in INDEXES if name in sizes), None)
        if name_of_index is None:
            raise DownloadError(
                f"{hub_id} is not a diffusers model: it has no {INDEXES[0]}",
                "Choose another, or download its single .safetensors file and give the path",
            )
        snapshot = Path(hf_hub_download(hub_id, name_of_index, revision=info.sha)).parent
        index = read_json(snapshot / name_of_index)
        text_to_image_class(hub_id, index)
        components = components_in(index)
        without = DENOISERS if without_transformer else ()
        needed = wanted_files(hub_id, sizes, components, components if without_weights else without)
        counter = _ByteCounter(sum(sizes[name] for name in needed), on_bytes, cancellation)
        for name in needed:
            cancellation.check()
            hf_hub_download(hub_id, name, revision=info.sha, tqdm_class=counter.bar_class())
            counter.file_done(sizes[name])
        # Sets "main" in the cache only now, so that an incomplete model is never found there.
        return Path(hf_hub_download(hub_id, name_of_index)).parent


@contextmanager
def _explained_errors(hub_id: str) -> Iterator[None]:
    """Raise DownloadError for what goes wrong between here and the hub."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise DownloadError(
            f"{hub_id} asks you to accept its licence first",
            "Accept it on the model's page, then set HF_TOKEN to a token of your account",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise DownloadError(
            f"the hub has no model {hub_id}, or you may not see it",
            "Check the name; for a private model set HF_TOKEN",
        ) from error
    except (HTTPError, OSError) as error:
        is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Check the network (and HF_HUB_OFFLINE), or give the path of a model on disk"
        if is_full:
            hint = "Free some disk space; what has come already is kept"
        raise DownloadError(f"{hub_id} can't be downloaded: {_reason(error)}", hint) from error


def wanted_files(
    hub_id: str,
    names: Iterable[str],
    components: Iterable[str],
    without_weights: Collection[str] = (),
) -> list[str]:
    """Return the files of a repository that a pipeline needs: configs and tokenizers of the
    components, and their safetensors weights in one variant, fp16 if there is one, except of those
    `without_weights`.

    Raises UnsafeModelError if a component's weights exist only as pickles.
    """
    files = list(names)
    wanted = [name for name in files if name in (*INDEXES, OWN_FILE)]
    for component in components:
        if component in UNUSED:
            continue
        own = [name for name in files if name.startswith(f"{component}/")]
        wanted += [name for name in own if name.endswith(_SMALL_FILES)]
        if component in without_weights:
            continue
        weights = [name for name in own if name.endswith(".safetensors")]
        if not weights and any(name.endswith((".bin", ".ckpt")) for name in own):
            raise UnsafeModelError(
                f"{hub_id} has the weights of {component} only as a pickle file, which could run "
                "any code when loaded",
                "Use a model with .safetensors files",
            )
        files_of = {name: PurePosixPath(name).name for name in weights}
        chosen = first_variant(files_of.values(), ("fp16", None, "bf16"))
        wanted += [name for name, file in files_of.items() if variant_of(file) == chosen]
    return list(dict.fromkeys(wanted))


class _ByteCounter:
    """Adds up the bytes of all files and reports them every `_REPORT_SECONDS`."""

    def __init__(self, total: int, on_bytes: OnBytes, cancellation: Cancellation) -> None:
        self._total = total
        self._on_bytes = on_bytes
        self._cancellation = cancellation
        self._complete_files = 0
        self._in_file = 0
        self._fetched = 0
        self._started = time.monotonic()
        self._reported = 0.0

    def bar_class(self) -> type[Any]:
        """A tqdm class for one file that displays nothing and calls `add` instead."""
        from tqdm import tqdm

        counter = self

        class Bar(tqdm):  # type: ignore[type-arg]  # it is generic for type checkers only
            def __init__(self, *args: Any, **options: Any) -> None:
                options.pop("name", None)
                super().__init__(*args, **{**options, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                counter.add(int(n or 0))
                return None

        return Bar

    def add(self, count: int) -> None:
        """Count bytes of the current file. Raises CancelledError."""
        self._cancellation.check()
        self._in_file += count
        self._fetched += count
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._report(now)

    def file_done(self, size: int) -> None:
        """Count a complete file of `size` bytes, downloaded or cached."""
        self._complete_files += size
        self._in_file = 0
        self._report(time.monotonic())

    def _report(self, now: float) -> None:
        self._reported = now
        speed = self._fetched / max(now - self._started, 1e-3)
        self._on_bytes(self._complete_files + self._in_file, self._total, speed)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
