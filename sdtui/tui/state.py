"""What the app remembers between two starts."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sdtui.core import paths
from sdtui.core.files import write_whole

MOST_PROMPTS = 200

_log = logging.getLogger(__name__)


class SavedState(BaseModel):
    """The form as it was left, the prompts that were used, sizes and theme."""

    model_config = ConfigDict(frozen=True)

    form: dict[str, str] = {}
    """Field → the text in it."""
    prompts: tuple[str, ...] = ()
    """Newest last."""
    negative_prompts: tuple[str, ...] = ()
    last_seed: int | None = None
    sizes: dict[str, int] = {}
    """What people gave to panes (see `PaneSizes`)."""
    theme: str = ""

    def with_prompts(self, prompt: str, negative_prompt: str) -> SavedState:
        """With both prompts added at the end; each stands there only once."""
        changes = {
            "prompts": _added(self.prompts, prompt),
            "negative_prompts": _added(self.negative_prompts, negative_prompt),
        }
        return self.model_copy(update=changes)


def _added(prompts: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    if not prompt.strip():
        return prompts
    return (*(each for each in prompts if each != prompt), prompt)[-MOST_PROMPTS:]


def state_file() -> Path:
    """Where the state is kept."""
    return paths.state_folder() / "tui.json"


def load_state() -> SavedState:
    """The state as it was saved; an empty one if there is none or it can't be read."""
    try:
        return SavedState.model_validate_json(state_file().read_bytes())
    except FileNotFoundError:
        return SavedState()
    except (OSError, ValidationError) as error:
        _log.warning("the saved state can't be used: %s", error)
        return SavedState()


def save_state(state: SavedState) -> None:
    """Keep the state for the next start."""
    try:
        write_whole(state_file(), state.model_dump_json(indent=1).encode())
    except OSError as error:
        _log.warning("the state can't be saved: %s", error)
