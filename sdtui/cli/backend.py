"""Where the commands get their backend from: the only place that opens the local one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend, Models, Pictures


def open_backend(
    settings: Settings,
    *,
    queue_folder: Path | None = None,
    queue_limit: int | None = None,
    sample_interval: float = 1.0,
) -> Backend:
    """Open the backend of this process, as `LocalBackend` does."""
    from sdtui.jobs.backends.local import LocalBackend

    return LocalBackend(
        settings,
        queue_folder=queue_folder,
        queue_limit=queue_limit,
        sample_interval=sample_interval,
    )


def open_models(settings: Settings) -> Models:
    """Open the models of this machine alone."""
    from sdtui.jobs.backends.models import LocalModels

    return LocalModels(settings.model_folders)


@contextmanager
def open_pictures(settings: Settings) -> Iterator[Pictures]:
    """Open the pictures of this machine alone. Raises SettingsError if that isn't possible."""
    from sdtui.jobs.backends.pictures import LocalPictures

    with LocalPictures(settings.pictures) as pictures:
        yield pictures
