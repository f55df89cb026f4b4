"""Imports that wait until the window is visible."""

from __future__ import annotations

from sdtui.tui.messages import PartsImported


def import_parts() -> PartsImported:
    """Import modules that aren't needed until the window is visible, so that no key waits for
    them."""
    import sdtui.core.dynamic_prompts.parser
    import sdtui.jobs
    import sdtui.models
    import sdtui.tui.event_presenter
    import sdtui.tui.record_text
    import sdtui.tui.screens.commands
    import sdtui.tui.screens.compare
    import sdtui.tui.screens.files
    import sdtui.tui.screens.help
    import sdtui.tui.screens.mask
    import sdtui.tui.screens.models
    import sdtui.tui.screens.picture
    import sdtui.tui.screens.settings
    import sdtui.tui.screens.value
    import sdtui.tui.screens.vary
    import sdtui.tui.screens.which_key  # noqa: F401
    from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
    from sdtui.requests.validation import build_validators

    build_validators(GenerationRequest, REQUEST_FIELDS)
    return PartsImported()
