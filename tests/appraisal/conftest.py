"""One bank whose quarter is judged, built once: what only reads it shares it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import Home
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.appraisal import bank
from tests.conftest import MadeOnce


@dataclass(frozen=True)
class JudgedBank:
    """Published as of bank.LAST_DATE: one quarter is final, the next one runs. Read only.

    ``at_quarter_end``, ``home_when_judged``: the same deployment on the quarter's last day and on bank.JUDGED_ON.
    """

    home: Home
    story: bank.Story
    policies: Path
    at_quarter_end: Home
    home_when_judged: Home

    @property
    def marts(self) -> Path:
        return self.home.current / "marts.duckdb"

    @property
    def marts_when_judged(self) -> Path:
        return self.home_when_judged.current / "marts.duckdb"


@pytest.fixture(scope="session")
def judged_bank(made_once: MadeOnce) -> JudgedBank:
    def make(folder: Path) -> None:
        policies = bank.write_policies(folder)
        story = bank.write_bank(folder)
        home = Home(folder / "home")
        with environment({POLICIES_VARIABLE: str(policies)}):
            support.published(support.advance(home, story.landing, bank.QUARTER_END))
            at_quarter_end = support.copy_home(home, folder / "at_quarter_end")
            bank.deliver_correction(story.landing)
            support.published(support.advance(home, story.landing, bank.JUDGED_ON))
            when_judged = support.copy_home(home, folder / "when_judged")
            support.published(support.advance(home, story.landing, bank.LAST_DATE))
        made = JudgedBank(home, story, policies, at_quarter_end, when_judged)
        (folder / "judged.pickle").write_bytes(pickle.dumps(made))

    made: JudgedBank = pickle.loads((made_once("judged", make) / "judged.pickle").read_bytes())
    return made
