"""Which fields of two pictures differ, and which words of their prompts."""

from __future__ import annotations

from sdtui.core.enums import DType
from sdtui.tui.record_differences import DifferentField, changed_parts, different_fields
from tests.support.records import record


def marked(first: str, second: str) -> tuple[str, str]:
    """Return both texts with their changed parts in brackets."""
    left, right = (
        "".join(f"[{each.text}]" if each.is_changed else each.text for each in parts)
        for parts in changed_parts(first, second)
    )
    return left, right


def test_fields_are_named_as_in_the_form_and_in_its_order() -> None:
    first = record("a cat", sampler="Euler", steps=20, guidance=6.5)
    second = record("a cat", sampler="DDIM", steps=30, guidance=7)
    assert different_fields(first, second) == (
        DifferentField("Sampler", "Euler", "DDIM"),
        DifferentField("Steps", "20", "30"),
        DifferentField("CFG scale", "6.5", "7"),
    )


def test_width_and_height_are_one_size() -> None:
    assert different_fields(record(width=64, height=96), record(width=64, height=64)) == (
        DifferentField("Size", "64×96", "64×64"),
    )


def test_what_is_the_same_is_left_out() -> None:
    assert different_fields(record(seed=1), record(seed=1)) == ()


def test_seed_is_that_of_the_picture_and_may_be_unknown() -> None:
    unknown = record().model_copy(update={"seed": None})
    assert different_fields(record(seed=7), unknown) == (DifferentField("Seed", "7", "unknown"),)


def test_what_was_used_counts_more_than_what_was_asked_for() -> None:
    first = record().model_copy(update={"dtype": DType.FLOAT16})
    second = record().model_copy(update={"dtype": DType.BFLOAT16})
    (found,) = different_fields(first, second)
    assert (found.first, found.second) == ("float16", "bfloat16")


def test_prompts_are_texts_whose_words_matter() -> None:
    (found,) = different_fields(record("a cat"), record("a dog"))
    assert found == DifferentField("Prompt", "a cat", "a dog", is_text=True)


def test_changed_words_are_marked() -> None:
    assert marked("a red cat on a mat", "a blue cat on a mat") == (
        "a [red] cat on a mat",
        "a [blue] cat on a mat",
    )
    assert marked("a cat", "a cat, oil painting") == ("a cat", "a cat[, oil painting]")
    assert marked("", "new") == ("", "[new]")


def test_what_is_far_from_a_change_is_left_out() -> None:
    words = " ".join(f"w{number}" for number in range(30))
    end = "w24 w25 w26 w27 w28 w29"
    left, right = marked(f"{words} red", f"{words} blue")
    assert (left, right) == (f"…{end} [red]", f"…{end} [blue]")
    left, _ = marked(f"red {words} red", f"blue {words} blue")
    assert left == f"[red] w0 w1 w2 w3 w4 w5…{end} [red]"


def test_long_repetitive_prompts_are_compared_at_once() -> None:
    first, second = changed_parts("one " * 3000, "two " * 3000)
    assert any(part.is_changed for part in first)
    assert any(part.is_changed for part in second)
