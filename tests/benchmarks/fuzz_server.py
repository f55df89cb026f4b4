"""Fuzz the server for a long time, several requests at once.

python -m tests.benchmarks.fuzz_server [--examples 200] [--only PART-OF-A-PATH]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from sdtui.core.settings import Settings
from sdtui.engine.library_setup import quiet_libraries
from tests.support.fuzzing import fuzz, operations
from tests.support.live_server import live
from tests.support.tiny_models import make_sd1


def main() -> None:
    """Fuzz every operation in turn; ends with the first failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as name:
        folder = make_sd1(Path(name) / "models" / "tiny").parent
        settings = Settings(device="cpu", model="tiny", model_folders=(folder,))
        with live(Path(name), settings=settings, max_pixels=64 * 64, max_pictures=2) as running:
            total = 0
            for operation in operations(running.url):
                if options.only in operation.path:
                    sent = fuzz(operation, options.examples, repeatable=False)
                    total += sent
                    print(f"{operation.label}: {sent} requests", flush=True)  # noqa: T201
    print(f"{total} requests, no fault")  # noqa: T201


if __name__ == "__main__":
    main()
