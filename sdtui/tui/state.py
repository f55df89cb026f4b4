"""The state that the app saves between two starts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from sdtui.core import paths
from sdtui.core.files import write_atomic
from sdtui.core.locks import exclusive

MAX_PROMPTS = 200
_MAX_CELLS = 1000
"""More than any terminal is wide."""

_Kind = TypeVar("_Kind", int, str)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedState:
    """The form, earlier prompts, pane sizes and theme."""

    form: Mapping[str, str] = field(default_factory=dict)
    """The text of each field."""
    prompts: tuple[str, ...] = ()
    """Newest last."""
    negative_prompts: tuple[str, ...] = ()
    last_seed: int | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes that the user chose (see `WindowLayout`)."""
    theme: str = ""
    training: Mapping[str, str] = field(default_factory=dict)
    """The text of each field of the last new training."""

    def with_prompts(self, prompt: str, negative_prompt: str) -> SavedState:
        """Return the state with both prompts at the end; no prompt is listed twice."""
        return replace(
            self,
            prompts=_added(self.prompts, prompt),
            negative_prompts=_added(self.negative_prompts, negative_prompt),
        )


def _added(prompts: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    if not prompt.strip():
        return prompts
    return (*(each for each in prompts if each != prompt), prompt)[-MAX_PROMPTS:]


def _merged(own: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return our prompts, with those of another app right before the newest."""
    missing = [each for each in others if each not in own]
    return (*own[:-1], *missing, *own[-1:])[-MAX_PROMPTS:]


def state_file() -> Path:
    """Return the path of the state file."""
    return paths.state_folder() / "tui.json"


def load_state() -> SavedState:
    """Return the saved state; an empty one if there is none or it can't be read. Values of a wrong
    type are left out."""
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
        last_seed=last_seed if _is(last_seed, int) else None,
        sizes={
            name: cells
            for name, cells in _values(saved.get("sizes"), int).items()
            if 1 <= cells <= _MAX_CELLS
        },
        theme=theme if isinstance(theme, str) else "",
        training=_values(saved.get("training"), str),
    )


def _values(saved: object, kind: type[_Kind]) -> dict[str, _Kind]:
    pairs = saved.items() if isinstance(saved, dict) else ()
    return {name: value for name, value in pairs if _is(value, kind)}


def _is(value: object, kind: type) -> bool:
    """True if a value is of a kind; bools don't count as numbers."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _texts(saved: object) -> tuple[str, ...]:
    return tuple(each for each in saved if isinstance(each, str)) if isinstance(saved, list) else ()


def save_state(state: SavedState) -> None:
    """Save the state, with the prompts that another app has saved meanwhile."""
    try:
        with exclusive(state_file().with_suffix(".lock")):
            saved = load_state()
            merged = replace(
                state,
                prompts=_merged(state.prompts, saved.prompts),
                negative_prompts=_merged(state.negative_prompts, saved.negative_prompts),
            )
            write_atomic(state_file(), json.dumps(asdict(merged), indent=1).encode(), mode=0o600)
    except OSError as error:
        _log.warning("the state can't be saved: %s", error)
