"""Opens a backend for the app and the commands: that of this process, or that of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend, Models, Pictures, Prompts
    from sdtui.jobs.backends.remote.backend import RemoteBackend
    from sdtui.jobs.workers.worker import WorkerPool

_CONNECT_SECONDS = 60.0
"""How long a command waits for a server. A daemon may have to be started, after a login."""


def open_local_backend(
    settings: Settings,
    *,
    queue_folder: Path | None = None,
    queue_limit: int | None = None,
    sample_interval: float = 1.0,
    pool: WorkerPool | None = None,
    stall_seconds: float | None = None,
    groups_models: bool = False,
) -> Backend:
    """Open this process's backend, as `LocalBackend` does."""
    from sdtui.jobs.backends.local import LocalBackend

    return LocalBackend(
        settings,
        queue_folder=queue_folder,
        queue_limit=queue_limit,
        sample_interval=sample_interval,
        pool=pool,
        stall_seconds=stall_seconds,
        groups_models=groups_models,
    )


def _remote(settings: Settings) -> RemoteBackend | None:
    """Return the backend of the settings' server; None if it is that of this process. Raises
    SettingsError."""
    from sdtui.jobs.backends.remote.where import parse_where

    where = parse_where(settings.connect)
    if where is None:
        return None
    from sdtui.jobs.backends.remote.backend import RemoteBackend

    return RemoteBackend(where, previews="webp" if settings.previews else "none")


def open_app_backend(settings: Settings, sample_interval: float) -> Backend:
    """Open the app's backend. One of a server is connected in the background. Raises
    SettingsError."""
    remote = _remote(settings)
    if remote is None:
        return open_local_backend(settings, sample_interval=sample_interval)
    remote.start()
    return remote


def open_backend(settings: Settings) -> Backend:
    """Open the backend of a command. Raises SettingsError, and ConnectionLostError if its server
    can't be reached."""
    remote = _remote(settings)
    if remote is None:
        return open_local_backend(settings)
    remote.start()
    remote.wait_until_connected(_CONNECT_SECONDS)
    return remote


def examine_server(settings: Settings, *, as_json: bool) -> int | None:
    """Print what is known of the settings' server; return 1 if there is a problem, and None if the
    backend is that of this process. Raises SettingsError or ConnectionLostError."""
    remote = _remote(settings)
    if remote is None:
        return None
    from sdtui.cli.doctor_elsewhere import examine

    try:
        return examine(settings.connect, remote.health, remote.hardware.sample, as_json=as_json)
    finally:
        remote.close()


def open_models(settings: Settings) -> Models:
    """Open only the models. Raises SettingsError."""
    if (remote := _remote(settings)) is not None:
        return remote.models
    from sdtui.jobs.backends.models import LocalModels

    return LocalModels(settings)


def open_prompts(settings: Settings) -> Prompts:
    """Open only the styles and wildcards. Raises SettingsError."""
    if (remote := _remote(settings)) is not None:
        return remote.prompts
    from sdtui.jobs.backends.prompts import LocalPrompts

    return LocalPrompts(settings)


@contextmanager
def open_pictures(settings: Settings) -> Iterator[Pictures]:
    """Open only the pictures. Raises SettingsError if the history can't be opened."""
    if (remote := _remote(settings)) is not None:
        try:
            yield remote.pictures
        finally:
            remote.close()
        return
    from sdtui.jobs.backends.pictures import LocalPictures

    with LocalPictures(settings.pictures) as pictures:
        yield pictures
