"""No number of the judged bank changes unless somebody means it."""

from __future__ import annotations

import pytest

from tests import golden
from tests.appraisal.conftest import JudgedBank


@pytest.mark.full
def test_every_table_of_the_judged_bank_is_as_it_was(judged_bank: JudgedBank) -> None:
    assert golden.changed("judged_bank", judged_bank.home) == [], (
        "if this is meant: TIERHOUSE_GOLDEN=write pytest -m full tests/appraisal/test_golden.py"
    )
