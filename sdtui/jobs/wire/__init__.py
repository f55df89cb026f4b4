"""How calls of a backend, their results and its events are written as JSON, for both ends of a
connection."""

from sdtui.jobs.wire.calls import CALLS, PARTS, Call, is_property, members, read_property
from sdtui.jobs.wire.errors import WireError, error_from_wire, error_to_wire

PROTOCOL = 2
"""Raised when one end doesn't understand the other any more."""
PROTOCOL_HEADER = "X-Sdtui-Protocol"
CALL_HEADER = "X-Sdtui-Call"
"""Has a call's id: a call that is repeated after a lost answer isn't carried out again."""
CLIENT_HEADER = "X-Sdtui-Client"
"""Has an id of the client that changes something."""

__all__ = [
    "CALLS",
    "CALL_HEADER",
    "CLIENT_HEADER",
    "PARTS",
    "PROTOCOL",
    "PROTOCOL_HEADER",
    "Call",
    "WireError",
    "error_from_wire",
    "error_to_wire",
    "is_property",
    "members",
    "read_property",
]
