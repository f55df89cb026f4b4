"""Styles and dynamic prompts of jobs: worked out before the queue, and made part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.enums import DynamicPrompts
from sdtui.core.errors import GenerationError, InvalidRequestError
from sdtui.core.settings import Settings
from sdtui.history import parse_infotext, write_infotext
from sdtui.history.importers import read_picture_settings
from sdtui.jobs import Job, JobState
from sdtui.jobs.backends.local import LocalBackend
from sdtui.jobs.backends.prompts import LocalPrompts
from sdtui.requests.events import JobEvent, Notice, Saved, Step
from sdtui.requests.grids import Grid, parse_axis
from sdtui.requests.request import GenerationRequest
from sdtui.requests.styles import Style, save_style
from tests.support.scripted_generator import ScriptedGenerator


def request(prompt: str = "a {red|green|blue} ball", **values: Any) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "seed": 3, **values})


@pytest.fixture
def prompts(tmp_path: Path) -> LocalPrompts:
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "colour.txt").write_text("red\ngreen\nblue\n")
    styles = tmp_path / "styles.csv"
    save_style(styles, Style("film", "{prompt}, {kodak|fuji}", "digital"))
    save_style(styles, Style("sharp", "sharp"))
    return LocalPrompts(Settings(wildcard_folders=(tmp_path / "wildcards",), styles_file=styles))


class Made:
    """A backend with a scripted engine, and what came of its jobs."""

    def __init__(self, folder: Path, prompts: LocalPrompts) -> None:
        self.generator = ScriptedGenerator()
        self.backend = LocalBackend(
            Settings(pictures=folder / "pictures"),
            queue_folder=folder / "queue",
            make_generator=lambda _: self.generator,
        )
        self.events: list[JobEvent] = []
        self.backend.jobs.subscribe(self.events.append)
        self._prompts = prompts

    def job(self, request: GenerationRequest) -> Job:
        """Run a request to its end."""
        resolved = self._prompts.resolve(request)
        job = self.backend.jobs.submit(request, prompts=resolved)
        return self.backend.jobs.wait(job.id, timeout=20)


@pytest.fixture
def made(tmp_path: Path, prompts: LocalPrompts) -> Any:
    made = Made(tmp_path, prompts)
    yield made
    made.backend.close()


def test_prompts_without_templates_stay_as_they_are(prompts: LocalPrompts) -> None:
    plain = request("a (red:1.2) ball, [a|b], <lora:x:1>", seed=None)
    resolved = prompts.resolve(plain)
    assert resolved.request is plain
    assert (resolved.prompts, resolved.notices) == ((), ())


def test_each_picture_of_a_batch_has_its_own_prompt(prompts: LocalPrompts) -> None:
    batch = prompts.resolve(request("a __colour__ ball", num_images_per_prompt=8))
    texts = [each.prompt for each in batch.prompts]
    assert len(texts) == 8
    assert set(texts) == {"a red ball", "a green ball", "a blue ball"}
    alone = prompts.resolve(request("a __colour__ ball", seed=3 + 5))
    assert alone.prompts[0].prompt == texts[5]
    assert prompts.resolve(batch.request).prompts == batch.prompts


def test_an_open_seed_is_drawn(prompts: LocalPrompts) -> None:
    resolved = prompts.resolve(request(seed=None))
    assert resolved.request.seed is not None
    assert prompts.resolve(resolved.request) == resolved


@pytest.mark.parametrize("prompt", ["a ball", "a {red|green} ball"])
def test_alternatives_in_a_hires_prompt_are_said_to_stay(
    prompts: LocalPrompts, prompt: str
) -> None:
    hires = {"hires_scale": 2, "hires_prompt": "a {red|green} box"}
    assert "as they are written" in prompts.resolve(request(prompt, **hires)).notices[0]
    switched_off = request(prompt, **hires, dynamic_prompts="off")
    assert prompts.resolve(switched_off).notices == ()


def test_all_combinations_are_made(prompts: LocalPrompts) -> None:
    combined = request("{a|b} __colour__", negative_prompt="{x|y}", dynamic_prompts="combinatorial")
    resolved = prompts.resolve(combined)
    assert resolved.request.num_images_per_prompt == 12
    assert len(set(resolved.prompts)) == 12
    assert resolved.notices == ()
    few = prompts.resolve(combined, most=5)
    assert few.prompts == resolved.prompts[:5]
    assert few.notices == ("there are more combinations than these 5 pictures",)
    assert prompts.resolve(resolved.request) == resolved
    more = request("{a|b}", num_images_per_prompt=3, dynamic_prompts="combinatorial")
    assert [each.prompt for each in prompts.resolve(more).prompts] == ["a", "b", "a"]


def test_dynamic_prompts_can_be_switched_off(prompts: LocalPrompts) -> None:
    assert prompts.resolve(request(dynamic_prompts="off")).prompts == ()
    styled = prompts.resolve(request("{x}", dynamic_prompts="off", styles=["sharp"]))
    assert styled.prompts[0].prompt == "{x}, sharp"
    assert Settings(dynamic_prompts=DynamicPrompts.OFF).request_defaults()["dynamic_prompts"] == (
        DynamicPrompts.OFF
    )


def test_styles_are_added_and_may_be_dynamic(prompts: LocalPrompts) -> None:
    resolved = prompts.resolve(request("a {cat}", styles=["sharp", "Film"]))
    assert resolved.prompts[0].prompt in ("a cat, sharp, kodak", "a cat, sharp, fuji")
    assert resolved.prompts[0].negative_prompt == "digital"
    with pytest.raises(InvalidRequestError, match='no style "fim": did you mean "film"'):
        prompts.resolve(request("a cat", styles=["fim"]))


def test_missing_wildcard_is_noticed(made: Made) -> None:
    job = made.job(request("a __no__ {cat}"))
    notice = "there is no wildcard no, or it is empty, so it stays as written"
    assert job.record is not None
    assert (job.record.prompt, job.record.notices) == ("a __no__ cat", (notice,))
    assert [each.event.message for each in made.events if isinstance(each.event, Notice)] == [
        notice
    ]


def test_pictures_with_the_same_prompts_are_made_in_one_run(made: Made) -> None:
    job = made.job(request(num_images_per_prompt=8, negative_prompt="{x}", styles=["sharp"]))
    runs = made.generator.requests
    assert sum(each.num_images_per_prompt for each in runs) == 8
    assert 1 < len(runs) < 9
    assert all("{" not in each.prompt + each.negative_prompt for each in runs)
    assert all(each.templates.styles == () for each in runs)
    texts = [each.prompt for each in runs for _ in range(each.num_images_per_prompt)]
    assert texts == [each.prompt for each in job.prompts]
    seeds = [seed for each in runs for seed in each.seeds()]
    assert seeds == list(range(3, 11))
    saved = [each.event for each in made.events if isinstance(each.event, Saved)]
    assert [(each.image_index, each.seed) for each in saved] == list(enumerate(seeds))
    steps = [each.event for each in made.events if isinstance(each.event, Step)]
    assert [each.first_image for each in steps] == sorted(each.first_image for each in steps)
    assert steps[0].remaining > steps[-1].remaining


def test_a_jobs_pictures_are_one_group_with_their_own_prompts(made: Made) -> None:
    job = made.job(request(num_images_per_prompt=8))
    assert job.record is not None
    assert len(job.record.images) == 8
    assert job.record.request.prompt == "a {red|green|blue} ball"
    entries = made.backend.pictures.entries().entries[::-1]
    assert len({entry.time for entry in entries}) == 1
    assert [entry.prompt for entry in entries] == [each.prompt for each in job.prompts]
    assert [entry.seed for entry in entries] == list(range(3, 11))
    records = [made.backend.pictures.record(entry) for entry in entries]
    assert {each.prompt_template for each in records} == {"a {red|green|blue} ball"}
    assert {each.request for each in records} == {job.request}
    assert [each.images[0].index for each in records] == list(range(8))
    assert job.record.generation_time == pytest.approx(0.5 * len(made.generator.requests))


def test_infotext_has_the_template(made: Made) -> None:
    job = made.job(request("a {red|green}, ball", negative_prompt="{bad|worse}"))
    assert job.record is not None
    found = parse_infotext(write_infotext(job.record))
    assert found.prompt == job.record.prompt
    assert found.pairs["Template"] == "a {red|green}, ball"
    assert found.pairs["Negative Template"] == "{bad|worse}"


def test_settings_of_a_picture_are_the_exact_prompt_or_the_template(made: Made) -> None:
    job = made.job(request(r"\{a\} {cat|dog}", styles=["sharp"]))
    picture = Path(job.pictures[0])
    exact = read_picture_settings(picture)
    assert exact.values["prompt"] in ("{a} cat, sharp", "{a} dog, sharp")
    again = made.job(GenerationRequest.parse(exact.exact_values))
    assert again.record is not None
    assert again.record.prompt == exact.values["prompt"]
    assert exact.templates["prompt"] == r"\{a\} {cat|dog}"
    assert exact.templates["styles"] == ("sharp",)
    picture.with_suffix(".json").unlink()
    assert read_picture_settings(picture).templates == exact.templates


def test_remaining_pictures_keep_their_prompts(made: Made) -> None:
    resolved = made.backend.prompts.resolve(request(num_images_per_prompt=8))
    job = Job(id="x", request=resolved.request, prompts=resolved.prompts, state=JobState.RUNNING)
    rest = job.model_copy(update={"seed": 3, "pictures": ("1", "2", "3")}).remaining()
    assert rest is not None
    assert rest.prompts == resolved.prompts[3:]
    assert rest.request.seed == 6
    assert Job.model_validate_json(rest.model_dump_json()) == rest


def test_a_failure_keeps_the_pictures_before_it(made: Made, monkeypatch: Any) -> None:
    generate: Callable[..., Any] = made.generator.generate_with_fallback

    def fail_later(request: GenerationRequest, **others: Any) -> Any:
        if made.generator.requests:
            made.generator.failure = GenerationError("broken", "", stage="denoise")
        return generate(request, **others)

    monkeypatch.setattr(made.generator, "generate_with_fallback", fail_later)
    job = made.job(request(num_images_per_prompt=8))
    assert job.state is JobState.FAILED
    assert job.record is not None
    assert not job.record.success
    done = made.generator.requests[0].num_images_per_prompt
    assert len(job.pictures) == done


def test_what_every_part_notices_is_said_once(made: Made, monkeypatch: Any) -> None:
    generate: Callable[..., Any] = made.generator.generate_with_fallback

    def notice_it(request: GenerationRequest, *, report: Any, **others: Any) -> Any:
        report(Notice(message="the embedding old was left out"))
        return generate(request, report=report, **others)

    monkeypatch.setattr(made.generator, "generate_with_fallback", notice_it)
    made.job(request("{~a|b|c} old", num_images_per_prompt=3))
    assert len(made.generator.requests) == 3
    notices = [each.event.message for each in made.events if isinstance(each.event, Notice)]
    assert notices == ["the embedding old was left out"]


def test_cells_of_a_grid_have_resolved_prompts(made: Made) -> None:
    template = request("{a|b|c}", dynamic_prompts="combinatorial")
    grid = Grid(template, [parse_axis("X", "Seed=1,2,3", template)])
    jobs = made.backend.jobs.submit_grid(grid)
    assert [len(job.prompts) for job in jobs] == [1, 1, 1]
    for job in jobs:
        made.backend.jobs.wait(job.id, timeout=20)
    assert {each.prompt for each in made.generator.requests} <= {"a", "b", "c"}


def test_queue_resolves_what_a_client_did_not(made: Made) -> None:
    job = made.backend.jobs.submit(request(num_images_per_prompt=4))
    assert len(job.prompts) == 4
    made.backend.jobs.wait(job.id, timeout=20)
