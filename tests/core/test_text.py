"""Text from anywhere is safe to show, and names are found again."""

from __future__ import annotations

import threading

import pytest

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import CancelledError, InvalidRequestError, SdtuiError
from sdtui.core.samplers import (
    SAMPLERS,
    SCHEDULES,
    canonical_label,
    sampler_labels,
    scheduler_settings,
    split_label,
)
from sdtui.core.text import nearest, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[31mb\x1b[0m", r"a\x1b[31mb\x1b[0m"),
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\x08\x00\x7f", r"a\rb\x08\x00\x7f"),
        ("a\nb\tc", "a\nb\tc"),
        ("ab\u202egnp.exe", r"ab\u202egnp.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("\ufeffx\u200bx\u00adx", r"\ufeffx\u200bx\xadx"),
        ("\ue000", r"\ue000"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud800x\udcff", r"\ud800x\udcff"),
        (
            "👩\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈",
            "👩\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈",
        ),
        ("日本語 ñ עברית", "日本語 ñ עברית"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_visible_escapes_control_characters(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown
    shown.encode()


def test_one_line_collapses_whitespace() -> None:
    assert one_line("  a\n b\t\tc \r\n d\x1b") == r"a b c d\x1b"
    assert "\n" not in one_line("a\u2028b\x85c\x0bd")


def test_nearest_finds_similar_names() -> None:
    assert nearest("modle", ["model", "dtype"]) == "model"
    assert nearest("EULER A", ["Euler", "Euler a"]) == "Euler a"
    assert nearest("qqqq", ["model"]) is None
    assert nearest("x", []) is None


def test_every_sampler_label_is_canonical() -> None:
    labels = sampler_labels()
    assert len(set(labels)) == len(labels)
    assert "DPM++ 2M Karras" in labels
    assert "Euler a Karras" in labels
    assert "DDIM Karras" not in labels
    for label in labels:
        assert canonical_label(f" {label.upper()} ") == label
        name, schedule = split_label(label)
        assert name in SAMPLERS
        assert schedule is None or schedule in SCHEDULES


def test_label_gives_scheduler_and_settings() -> None:
    assert scheduler_settings("DPM++ 2M SDE Karras") == (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    )


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("DPM++ 2M Kerras", 'did you mean "DPM++ 2M Karras"?'),
        ("PLMS Karras", 'did you mean "LMS Karras"?'),
        ("???", '"sdtui samplers" lists them'),
        ("", '"sdtui samplers" lists them'),
    ],
)
def test_unknown_label_is_refused_with_a_suggestion(label: str, hint: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        split_label(label)
    assert hint in str(caught.value)


def test_cancellation_raises_at_the_next_check() -> None:
    cancellation = Cancellation()
    assert not cancellation.is_requested
    cancellation.check()
    cancellation.check_between_pictures()

    thread = threading.Thread(target=cancellation.stop_after_picture)
    thread.start()
    thread.join()
    assert cancellation.is_requested
    cancellation.check()
    with pytest.raises(CancelledError):
        cancellation.check_between_pictures()

    cancellation.stop_now()
    with pytest.raises(CancelledError) as caught:
        cancellation.check()
    assert caught.value.exit_code == 130


@pytest.mark.parametrize(
    ("what", "hint", "said"),
    [
        ("it broke", "", "it broke."),
        ("it broke.", "Mend it", "it broke. Mend it."),
        ("it broke", 'Did you mean "x"?', 'it broke. Did you mean "x"?'),
    ],
)
def test_error_text_is_what_and_hint_as_sentences(what: str, hint: str, said: str) -> None:
    assert str(SdtuiError(what, hint)) == said
