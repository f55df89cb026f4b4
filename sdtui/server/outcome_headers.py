"""Headers that say what a client may not see in the body of an answer."""

from __future__ import annotations

from collections.abc import Iterable

from sdtui.requests.record import GenerationRecord

CHANGED = "X-Sdtui-Changed"
"""What the retry policy changed of the pictures that were asked for."""
_ASCII = str.maketrans({"×": "x", "→": "to"})


def changed_header(records: Iterable[GenerationRecord]) -> dict[str, str]:
    """Return the header with what differs from the request, or no header."""
    changes = [
        each.changes.translate(_ASCII).encode("ascii", "replace").decode()
        for record in records
        for each in record.attempts
        if not each.lossless
    ]
    return {CHANGED: "; ".join(dict.fromkeys(changes))} if changes else {}
