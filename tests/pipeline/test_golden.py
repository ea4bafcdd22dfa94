"""No number of the small bank changes unless somebody means it."""

from __future__ import annotations

from tests import golden
from tests.conftest import BuiltHome


def test_every_table_of_the_small_bank_is_as_it_was(built_home: BuiltHome) -> None:
    assert golden.changed("small_bank", built_home.home) == [], (
        "if this is meant: TIERHOUSE_GOLDEN=write pytest tests/pipeline/test_golden.py"
    )
