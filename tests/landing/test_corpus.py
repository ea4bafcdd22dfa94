"""Whatever banks write is read as it is meant, or refused in words that somebody can act on."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.home import Home
from orchestration.lib.ledger import Batch
from tests.landing.conftest import DAY, Bank
from tests.landing.corpus import ACCOUNTS, CORPUS, PAGE, Case, render


@dataclass(frozen=True)
class Landed:
    bank: Bank
    batch: Batch


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Landed]:
    """Every delivery of the corpus, those of one dialect of the contract in one run, a day for each."""
    dialects: dict[str, list[Case]] = defaultdict(list)
    for case in CORPUS:
        dialects[json.dumps(case.dialect)].append(case)
    judged = {}
    for cases in dialects.values():
        folder = tmp_path_factory.mktemp("corpus")
        bank = Bank(folder / "landing", Home(folder / "home"), dict(load_contracts()))
        bank.csv(cases[0].feed_id, **cases[0].dialect)
        places = {deliver(bank, case, number): case for number, case in enumerate(cases)}
        report = bank.land()
        for batch in report.accepted + report.rejected:
            place = bank.root / batch.system / batch.entity / batch.business_date.isoformat()
            judged[places[place]] = Landed(bank, batch)
    assert len(judged) == len(CORPUS)
    return judged


def deliver(bank: Bank, case: Case, number: int) -> Path:
    totals = {"balance": {"CNY": case.total}} if case.feed_id == ACCOUNTS else {}
    plain = Path(case.name.replace("\\", "/")).name
    folder = bank.deliver(case.feed_id, {plain: case.file}, 1, totals, day=DAY + timedelta(days=number))
    # What a name may lead to is there: it is refused for where it leads.
    (folder.parent / plain).write_bytes(case.file)
    if case.is_link:
        (folder / plain).unlink()
        (folder / plain).symlink_to(folder.parent / plain)
    manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
    manifest["files"][0]["name"] = case.name
    (folder / "_manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case.group}: {case.what}")
def test_a_way_to_write_is_read_as_it_is_meant_or_refused_with_its_reason(
    landed: dict[Case, Landed], case: Case
) -> None:
    bank, batch = landed[case].bank, landed[case].batch
    assert batch.is_accepted == (not case.says), batch.reason
    if case.says:
        assert case.says in batch.reason
        assert not batch.path
    else:
        assert bank.rows(batch, ", ".join(case.stored)) == [tuple(case.stored.values())]


def test_the_page_of_formats_says_what_happens() -> None:
    assert PAGE.read_text("utf-8") == render(), "write it anew: python -m tests.landing.corpus"
