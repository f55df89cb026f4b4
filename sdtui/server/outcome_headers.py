"""Headers that say what a client may not see in the body of an answer."""

from __future__ import annotations

from collections.abc import Iterable

from sdtui.requests.record import GenerationRecord

CHANGED = "X-Sdtui-Changed"
"""What the retry policy changed of the pictures that were asked for."""
NOT_APPLIED = "X-Sdtui-Not-Applied"
"""Fields and options of the request that had no effect."""
WARNING = "X-Sdtui-Warning"
"""What went wrong although the answer has the pictures."""
_ASCII = str.maketrans({"×": "x", "→": "to"})


def outcome_headers(records: Iterable[GenerationRecord], warnings: Iterable[str]) -> dict[str, str]:
    """Return headers with what differs from the request, and with warnings; none if all is well."""
    changes = (each.changes for record in records for each in record.attempts if not each.lossless)
    return _header(CHANGED, changes) | _header(WARNING, warnings)


def not_applied_header(names: Iterable[str]) -> dict[str, str]:
    """Return the header with the names of fields and options that had no effect, or no header."""
    return _header(NOT_APPLIED, names)


def _header(name: str, texts: Iterable[str]) -> dict[str, str]:
    value = "; ".join(map(_printable_ascii, dict.fromkeys(texts)))
    return {name: value.strip()} if value.strip() else {}  # h11 refuses spaces at the ends


def _printable_ascii(text: str) -> str:
    encoded = text.translate(_ASCII).encode("ascii", "replace").decode()
    return "".join(each if each.isprintable() else "?" for each in encoded)
