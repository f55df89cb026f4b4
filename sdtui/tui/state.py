"""What the app remembers between two starts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sdtui.core import paths
from sdtui.core.files import write_whole

MOST_PROMPTS = 200

_Kind = TypeVar("_Kind", int, str)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedState:
    """The form as it was left, the prompts that were used, sizes and theme."""

    form: Mapping[str, str] = field(default_factory=dict)
    """Field → the text in it."""
    prompts: tuple[str, ...] = ()
    """Newest last."""
    negative_prompts: tuple[str, ...] = ()
    last_seed: int | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    """What people gave to panes (see `PaneSizes`)."""
    theme: str = ""

    def with_prompts(self, prompt: str, negative_prompt: str) -> SavedState:
        """With both prompts added at the end; each stands there only once."""
        return replace(
            self,
            prompts=_added(self.prompts, prompt),
            negative_prompts=_added(self.negative_prompts, negative_prompt),
        )


def _added(prompts: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    if not prompt.strip():
        return prompts
    return (*(each for each in prompts if each != prompt), prompt)[-MOST_PROMPTS:]


def state_file() -> Path:
    """Where the state is kept."""
    return paths.state_folder() / "tui.json"


def load_state() -> SavedState:
    """The state as it was saved; an empty one if there is none or it can't be read. What isn't of
    the kind that it should be is left out."""
    try:
        saved = json.loads(state_file().read_bytes())
    except FileNotFoundError:
        return SavedState()
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("the saved state can't be used: %s", error)
        return SavedState()
    if not isinstance(saved, dict):
        return SavedState()
    last_seed, theme = saved.get("last_seed"), saved.get("theme")
    return SavedState(
        form=_values(saved.get("form"), str),
        prompts=_texts(saved.get("prompts")),
        negative_prompts=_texts(saved.get("negative_prompts")),
        last_seed=last_seed if isinstance(last_seed, int) else None,
        sizes=_values(saved.get("sizes"), int),
        theme=theme if isinstance(theme, str) else "",
    )


def _values(saved: object, kind: type[_Kind]) -> dict[str, _Kind]:
    pairs = saved.items() if isinstance(saved, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, kind)}


def _texts(saved: object) -> tuple[str, ...]:
    return tuple(each for each in saved if isinstance(each, str)) if isinstance(saved, list) else ()


def save_state(state: SavedState) -> None:
    """Keep the state for the next start."""
    try:
        write_whole(state_file(), json.dumps(asdict(state), indent=1).encode())
    except OSError as error:
        _log.warning("the state can't be saved: %s", error)
