"""The searches that the user has saved, in a file of the state folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from sdtui.core import paths
from sdtui.core.errors import OutputError
from sdtui.core.files import write_atomic
from sdtui.core.locks import exclusive

_MOST = 200

_log = logging.getLogger(__name__)


def _file() -> Path:
    return paths.state_folder() / "searches.json"


def saved_searches() -> list[str]:
    """Return the saved searches, latest first; none if the file can't be read."""
    try:
        saved = json.loads(_file().read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("the saved searches can't be read: %s", error)
        return []
    texts = saved if isinstance(saved, list) else []
    return [each for each in texts if isinstance(each, str) and each.strip()][:_MOST]


def toggle_search(query: str) -> bool:
    """Save a search, or forget it if it is saved; returns True if it is saved now. Raises
    OutputError."""
    query = query.strip()
    try:
        with exclusive(_file().with_suffix(".lock")):
            saved = saved_searches()
            others = [each for each in saved if each != query]
            is_saved = len(others) == len(saved)
            kept = [query, *others] if is_saved else others
            write_atomic(_file(), json.dumps(kept, indent=1).encode(), mode=0o600)
    except OSError as error:
        raise OutputError(f"the search can't be saved: {error.strerror or error}") from error
    return is_saved
