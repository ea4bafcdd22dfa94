"""The working file may be lost: books come back from the version that readers see, not out of a new decision."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.lib import warehouse
from orchestration.lib.content_hash import content_hash
from orchestration.lib.home import Home
from tests import support
from tests.conftest import AS_OF_DATE, BuiltHome

NEXT_DATE = AS_OF_DATE + timedelta(days=1)
DECISIONS = ("core.fct_assignment_change", "core.fct_access_grant_change", "crm.assignment", "crm.exception_queue")


def decisions(home: Home) -> dict[str, str]:
    with warehouse.connect(home.warehouse, read_only=True) as con:
        return {relation: content_hash(con, relation) for relation in DECISIONS}


@pytest.mark.full
def test_the_day_after_a_lost_working_file_goes_on_from_the_published_books(
    built_home: BuiltHome, small_bank: Path, tmp_path: Path
) -> None:
    kept, lost = (support.copy_home(built_home.home, tmp_path / name) for name in ("kept", "lost"))
    lost.warehouse.unlink()

    for home in (kept, lost):
        support.published(support.advance(home, small_bank, NEXT_DATE))

    assert support.query(kept, "select count(*) from crm.assignment")[0][0] > 0
    assert decisions(lost) == decisions(kept)
