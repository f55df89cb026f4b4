"""Fuzz the server for a long time, several requests at once.

python -m tests.benchmarks.fuzz_server [--examples 200] [--only PART-OF-A-PATH] [--limited]

`--limited`: with a key that has limits and may do little.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from sdtui.core.settings import Settings
from sdtui.engine.library_setup import quiet_libraries
from tests.support.fuzzing import fuzz, operations
from tests.support.live_server import KEY, live
from tests.support.tiny_models import make_sd1


def main() -> None:
    """Fuzz every operation in turn; ends with the first failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--limited", action="store_true")
    options = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as name:
        folder = make_sd1(Path(name) / "models" / "tiny").parent
        settings = Settings(device="cpu", model="tiny", model_folders=(folder,))
        keys, headers = None, None
        if options.limited:
            keys, headers = Path(name) / "keys.toml", {"X-API-Key": KEY}
            keys.write_text(f'[limited]\nkey = "{KEY}"\njobs = 2\nmax_pictures = 1\n')
            keys.chmod(0o600)
        with live(
            Path(name),
            settings=settings,
            max_pixels=64 * 64,
            max_pictures=2,
            keys_file=keys,
            training_folder=folder,
        ) as running:
            total = 0
            for operation in operations(running.url, headers):
                if options.only in operation.path:
                    sent = fuzz(operation, options.examples, repeatable=False, headers=headers)
                    total += sent
                    print(f"{operation.label}: {sent} requests", flush=True)  # noqa: T201
    print(f"{total} requests, no fault")  # noqa: T201


if __name__ == "__main__":
    main()
