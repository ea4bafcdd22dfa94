from __future__ import annotations

import os
from pathlib import Path

import pytest

from examples.berka.to_landing import Summary, to_landing

DEFAULT_PLACE = Path(__file__).parents[2] / "examples" / "berka" / "data"


@pytest.fixture(scope="session")
def berka() -> Path:
    """Folder of the original files; tests that need them are skipped when they are not there."""
    place = Path(os.environ.get("TIERHOUSE_BERKA") or DEFAULT_PLACE)
    if not (place / "account.asc").is_file():
        pytest.skip(
            f"no original Berka files in {place}: see examples/berka/README.md, or set TIERHOUSE_BERKA to their folder"
        )
    return place


@pytest.fixture(scope="session")
def berka_landing(berka: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """The whole bank as landing deliveries, and the summary of writing them."""
    root = tmp_path_factory.mktemp("berka")
    return root, to_landing(berka, root)
