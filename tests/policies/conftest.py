from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.lib.policies.trial import Trial
from tests.policies import replay, support


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the shipped policy files that a test may break."""
    return support.copy_policies(tmp_path)


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """A scratch warehouse without customers."""
    return Trial(tmp_path / "trial", first_date=replay.FIRST_DATE)
