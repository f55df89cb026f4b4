"""Opens the local backend for the commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.jobs import Backend, Models, Pictures, Prompts


def open_backend(
    settings: Settings,
    *,
    queue_folder: Path | None = None,
    queue_limit: int | None = None,
    sample_interval: float = 1.0,
) -> Backend:
    """Open this process's backend, as `LocalBackend` does."""
    from sdtui.jobs.backends.local import LocalBackend

    return LocalBackend(
        settings,
        queue_folder=queue_folder,
        queue_limit=queue_limit,
        sample_interval=sample_interval,
    )


def open_models(settings: Settings) -> Models:
    """Open only the models of this machine."""
    from sdtui.jobs.backends.models import LocalModels

    return LocalModels(settings)


def open_prompts(settings: Settings) -> Prompts:
    """Open only the styles and wildcards of this machine."""
    from sdtui.jobs.backends.prompts import LocalPrompts

    return LocalPrompts(settings)


@contextmanager
def open_pictures(settings: Settings) -> Iterator[Pictures]:
    """Open only the pictures of this machine. Raises SettingsError if the history can't be
    opened."""
    from sdtui.jobs.backends.pictures import LocalPictures

    with LocalPictures(settings.pictures) as pictures:
        yield pictures
