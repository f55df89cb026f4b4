"""Records and jobs in words."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.enums import JobState, MemoryMode
from sdtui.jobs import Job
from sdtui.requests.record import AttemptRecord, GenerationRecord, Stage
from sdtui.requests.request import GenerationRequest
from sdtui.tui.job_details import job_details
from sdtui.tui.record_text import attempt_lines, record_lines, request_lines
from tests.support.records import record


def shown(made: GenerationRecord) -> dict[str, str]:
    """Return a record's labelled texts."""
    return {label: text for label, text in record_lines(made) if label}


def test_values_have_the_labels_of_the_form() -> None:
    lines = shown(record(strength=0.5, init_image=Path("/cats/tiger_1.png")))
    assert lines["Steps"] == "20"
    assert lines["CFG scale"] == "6.5"
    assert lines["Size"] == "64×64"
    assert lines["Sampler"] == "DPM++ 2M Karras"
    assert lines["Seed"] == "42"
    assert lines["Model"] == "pocket · sd1 · 6ce0161689"
    assert lines["Init image"] == "/cats/tiger_1.png"
    assert lines["Strength"] == "0.5"
    assert lines["Time"] == "4.2 s · denoising 3.5 s at 2.9 it/s · decoding 0.5 s"


def test_what_is_off_or_default_is_left_out() -> None:
    labels = set(shown(record()))
    assert labels == {"Seed", "Sampler", "Steps", "CFG scale", "Size", "Model", "Made", "Time"}


def test_time_and_speed_are_those_of_all_pictures_of_a_run() -> None:
    made = record(pictures=4)
    assert shown(made)["Time"].startswith("4.2 s for 4 pictures · denoising 3.5 s at 22.9 it/s")


def test_prompts_are_whole_and_come_first() -> None:
    prompt = "a tiger, " * 50
    lines = [*record_lines(record(prompt, negative_prompt="blurry"))]
    assert [text for label, text in lines if not label][:2] == [prompt, "− blurry"]


def test_control_characters_of_a_prompt_are_escaped() -> None:
    (first, *_) = request_lines(GenerationRequest(prompt="\x1b[2J").values())
    assert first.text == "\\x1b[2J"


def test_open_values_of_a_request_are_left_out() -> None:
    request = GenerationRequest(prompt="x", width=512, num_images_per_prompt=8)
    labels = {line.label: line.text for line in request_lines(request.values()) if line.label}
    assert labels == {"Model": "pocket", "Size": "512×auto", "Pictures": "8"}


def test_attempts_say_what_was_tried_and_what_came_of_it() -> None:
    attempts = (
        AttemptRecord(number=1, stage=Stage.DECODE, error="CUDA out of memory", seconds=3.0),
        AttemptRecord(number=2, changes="tiled decode", seconds=2.0),
    )
    made = record().model_copy(update={"attempts": attempts, "memory_mode": MemoryMode.FULL})
    assert [*attempt_lines(made)] == [
        ("Attempt 1", "as requested: out of memory while decoding, after 3.0 s"),
        ("Attempt 2", "tiled decode: done, 2.0 s"),
    ]


def test_single_good_attempt_needs_no_words() -> None:
    assert not [*attempt_lines(record())]


def test_cancelled_job_says_at_which_step() -> None:
    attempt = AttemptRecord(number=1, stage=Stage.DENOISE, error="cancelled", seconds=3.0)
    made = record().model_copy(
        update={"attempts": (attempt,), "success": False, "cancelled": True, "error": "cancelled"}
    )
    job = Job(
        id="a", request=made.request, state=JobState.CANCELLED, record=made, last_step=(16, 75)
    )
    assert ("Outcome", "cancelled at step 16 of 75, after 3.0 s") in [*job_details(job)]


def test_failed_attempt_gives_its_reason() -> None:
    attempt = AttemptRecord(number=1, stage=Stage.LOAD, error="no such file.", seconds=0.5)
    made = record().model_copy(update={"attempts": (attempt,), "success": False})
    assert [*attempt_lines(made)] == [
        ("Outcome", "failed while loading: no such file, after 0.5 s")
    ]


def test_what_completes_a_transformer_file_is_shown() -> None:
    made = record()
    assert made.model is not None
    model = made.model.model_copy(
        update={"completed_by": "flux", "part_files": {"vae": "ae.safetensors"}}
    )
    lines = list(record_lines(made.model_copy(update={"model": model})))
    assert ("Completed by", "flux, ae.safetensors") in lines
