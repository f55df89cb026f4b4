"""The grid that is measured, and how it is made to fit into a time."""

from __future__ import annotations

from sdtui.bench.plan import Cost, Plan, fit_to, native_sizes

SMALL, LARGE = (512, 512), (768, 768)
COSTS = {SMALL: Cost(step=1, fixed=2), LARGE: Cost(step=3, fixed=4)}


def test_the_default_is_the_classic_grid() -> None:
    cells = Plan().cells()
    assert len({cell.prompt for cell in cells}) == 3
    assert {cell.num_inference_steps for cell in cells} == {20, 50, 100}
    assert {(cell.width, cell.height) for cell in cells} == {SMALL, LARGE}
    assert len(cells) == 3 * 3 * 2


def test_seconds_are_those_of_all_runs_and_contenders() -> None:
    plan = Plan(prompts=("a",), steps=(10,), sizes=(SMALL,), runs=3)
    assert plan.seconds(COSTS) == 3 * 12
    assert plan.seconds(COSTS, contenders=2) == 6 * 12


def test_a_plan_that_fits_stays_as_it_is() -> None:
    plan = Plan()
    assert fit_to(plan, COSTS, 1e6) == (plan, ())


def test_less_time_means_a_smaller_grid_that_fits() -> None:
    for seconds in (5000, 1000, 300, 100, 10, 4):
        plan, notes = fit_to(Plan(), COSTS, seconds)
        assert plan.seconds(COSTS) <= seconds
        assert notes
        assert plan.cells()


def test_prompts_go_before_steps_and_steps_before_sizes() -> None:
    plan, _ = fit_to(Plan(), COSTS, 1800)
    assert (len(plan.prompts), plan.runs) == (1, 2)
    assert plan.steps == (20, 50, 100)
    plan, notes = fit_to(Plan(), COSTS, 200)
    assert plan.steps == (20,)
    assert plan.sizes == (SMALL, LARGE)
    assert notes == ("one prompt only", "2 runs each", "without 100 steps", "without 50 steps")


def test_what_was_asked_for_by_name_is_kept_and_the_excess_told() -> None:
    kept = frozenset({"prompts", "steps", "sizes", "runs"})
    plan = Plan(kept=kept)
    smaller, notes = fit_to(plan, COSTS, 60)
    assert smaller == plan
    assert "more than the 60 s given" in notes[0]


def test_when_nothing_is_left_to_leave_out_it_is_told() -> None:
    plan, notes = fit_to(Plan(), COSTS, 0.5)
    assert len(plan.cells()) == 1
    assert "more than" in notes[-1]


def test_models_of_other_sizes_are_measured_at_their_own() -> None:
    assert native_sizes(512, 512) == ((512, 512), (768, 768))
    assert native_sizes(128, 128) == ((128, 128), (192, 192))
    assert native_sizes(2048, 1024) == ((2048, 1024), (2048, 1536))
