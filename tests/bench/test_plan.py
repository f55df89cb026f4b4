"""The grid that is measured, and how it is made to fit into a time."""

from __future__ import annotations

from sdtui.bench.plan import BenchPlan, Cost, fit_to, native_sizes

SMALL, LARGE = (512, 512), (768, 768)
COSTS = {SMALL: Cost(step=1, fixed=2), LARGE: Cost(step=3, fixed=4)}


def test_default_grid_has_the_usual_sizes_and_steps() -> None:
    cells = BenchPlan().cells()
    assert len({cell.prompt for cell in cells}) == 3
    assert {cell.num_inference_steps for cell in cells} == {20, 50, 100}
    assert {(cell.width, cell.height) for cell in cells} == {SMALL, LARGE}
    assert len(cells) == 3 * 3 * 2


def test_estimated_seconds_cover_all_runs_and_contenders() -> None:
    plan = BenchPlan(prompts=("a",), steps=(10,), sizes=(SMALL,), runs=3)
    assert plan.seconds(COSTS) == 3 * 12
    assert plan.seconds(COSTS, contenders=2) == 6 * 12


def test_plan_that_fits_is_unchanged() -> None:
    plan = BenchPlan()
    assert fit_to(plan, COSTS, 1e6) == (plan, ())


def test_less_time_gives_a_smaller_grid() -> None:
    for seconds in (5000, 1000, 300, 100, 10, 4):
        plan, notes = fit_to(BenchPlan(), COSTS, seconds)
        assert plan.seconds(COSTS) <= seconds
        assert notes
        assert plan.cells()


def test_prompts_are_dropped_first_then_steps_then_sizes() -> None:
    plan, _ = fit_to(BenchPlan(), COSTS, 1800)
    assert (len(plan.prompts), plan.runs) == (1, 2)
    assert plan.steps == (20, 50, 100)
    plan, notes = fit_to(BenchPlan(), COSTS, 200)
    assert plan.steps == (20,)
    assert plan.sizes == (SMALL, LARGE)
    assert notes == ("one prompt only", "2 runs each", "without 100 steps", "without 50 steps")


def test_requested_values_are_kept_and_the_excess_is_reported() -> None:
    kept = frozenset({"prompts", "steps", "sizes", "runs"})
    plan = BenchPlan(requested=kept)
    smaller, notes = fit_to(plan, COSTS, 60)
    assert smaller == plan
    assert "more than the 60 s given" in notes[0]


def test_plan_that_cannot_be_reduced_is_reported() -> None:
    plan, notes = fit_to(BenchPlan(), COSTS, 0.5)
    assert len(plan.cells()) == 1
    assert "more than" in notes[-1]


def test_models_are_measured_at_their_native_size() -> None:
    assert native_sizes(512, 512) == ((512, 512), (768, 768))
    assert native_sizes(128, 128) == ((128, 128), (192, 192))
    assert native_sizes(2048, 1024) == ((2048, 1024), (2048, 1536))
