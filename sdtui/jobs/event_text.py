"""Events in words, for people. The one place where the log of a run is put into sentences."""

from __future__ import annotations

from sdtui.requests.events import Event

_GIB = 2**30


def event_text(event: Event) -> str | None:
    """One line for an event, or None for those that only move a bar or a picture. Text in it may
    come from anywhere: make it safe before it is shown."""
    match event.kind:
        case "queued":
            return f"queued behind {event.position}" if event.position else None
        case "started":
            return f"seed {event.seed}"
        case "loading":
            return f"loading {event.model}: {event.component} ({event.number}/{event.total})"
        case "loaded":
            return (
                f"loaded {event.model} ({event.family}) on {event.device} in {event.dtype}, "
                f"{event.memory_mode.replace('_', ' ')} memory, {event.seconds:.1f} s"
            )
        case "estimated":
            need, free = event.estimate / _GIB, event.free / _GIB
            return f"expected peak {need:.1f} GiB, {free:.1f} GiB free"
        case "truncated":
            cut = event.truncation
            name = cut.field.replace("_", " ")
            return (
                f"the {name} has {cut.tokens} tokens, {cut.encoder.replace('_', ' ')} takes "
                f'{cut.limit}; cut: "{cut.cut}"'
            )
        case "attempt":
            kept = "" if event.lossless else ", which changes the picture"
            return (
                f"out of memory in the {event.stage} stage: {event.changes} "
                f"(attempt {event.number}{kept})"
            )
        case "notice":
            return event.message
        case "saved":
            return f"saved {event.path} (seed {event.seed})"
        case "finished":
            return f"done in {event.record.generation_time:.1f} s"
        case "failed":
            return f"failed: {event.error}"
        case "cancelled":
            return "cancelled"
        case _:
            return None
