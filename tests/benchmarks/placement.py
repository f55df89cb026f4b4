"""How long jobs wait if devices choose them as sdtui does, and first in, first out: simulated.

    python -m tests.benchmarks.placement [--devices 64] [--jobs 10000] [--load 0.95]

The times of jobs and loads are guesses of the right order. The bars at 64 devices and a load of
0.95: a mean wait of a tenth of that of first in, first out, and no card without room for a model.
"""

from __future__ import annotations

import argparse

import click

from tests.support.placement_simulation import Arrival, Simulation, arrivals, drain, fifo, fleet


def main() -> None:
    """Print the waits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--load", type=float, default=0.95)
    options = parser.parse_args()
    jobs = arrivals(options.jobs, options.devices, options.load)
    cards = fleet(options.devices)
    for name, policy in (("first in, first out", fifo), ("sdtui", drain)):
        outcome = Simulation(jobs, cards, policy).run()
        click.echo(f"{name:20} {outcome}  cards too small {outcome.too_small}")
    click.echo("one client queues 2,000 jobs of SDXL at once, and 39 others come as before:")
    middle = jobs[len(jobs) // 2].time
    crowd = [Arrival(middle, "sdxl", "crowd")] * 2000
    outcome = Simulation(sorted([*jobs, *crowd]), cards, drain).run()
    ofcrowd = outcome.waits.pop("crowd")
    click.echo(f"{'the others':20} {outcome}")
    click.echo(f"{'the crowd':20} mean wait {sum(ofcrowd) / len(ofcrowd):.0f} s")


if __name__ == "__main__":
    main()
