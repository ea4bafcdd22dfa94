"""`land check`: what a bank's engineer is told before anything is sent."""

from __future__ import annotations

import pytest

from orchestration.lib.landing import check

FX = "market.fx_rates"
FX_CSV = b"currency,rate_cny\nUSD,7.1\n"


@pytest.mark.parametrize("below", ["", "market", "market/fx_rates", "market/fx_rates/2026-10-26"])
def test_any_folder_of_a_landing_root_can_be_checked(bank, below):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    findings = check(bank.root / below)
    assert [finding.level for finding in findings] == ["fine"]
    assert findings[0].what == "1 of 1 deliveries would be accepted, 1 rows"


def test_one_correction_can_be_checked_alone(bank):
    bank.deliver(FX, {"fx.csv": b""}, 0)
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 1, sequence_no=2)
    (finding,) = check(folder)
    assert finding.what == "1 of 1 deliveries would be accepted, 1 rows"


def test_every_defect_is_said_with_place_expected_found_and_mend(bank, accounts, day):
    bank.deliver(FX, {"fx.csv": b"currency,rate_cny\nUSD,seven\n"}, 1)
    deposits = {"a.csv": accounts("1")}
    bank.deliver("core_banking.deposit_accounts", deposits, 1, {"balance": {"CNY": "2"}})
    *findings, summary = check(bank.root)
    bad = next(f for f in findings if f.where.endswith("column rate_cny"))
    assert bad.where == "market/fx_rates/2026-10-26/fx.csv data row 1, column rate_cny"
    assert bad.expected == "a plain decimal with at most 8 decimals, no separator, no exponent"
    assert bad.found == "'seven'"
    assert bad.mend
    assert any(f.what == "control total differs" for f in findings)
    assert summary.what == "0 of 2 deliveries would be accepted, 0 rows"


def test_rows_bound_for_quarantine_are_announced(bank):
    bank.bend(FX, quarantine_limit_rate=0.5)
    bank.deliver(FX, {"fx.csv": FX_CSV + b"EUR,x\n"}, 2)
    finding, summary = check(bank.root, contracts=bank.contracts)
    assert finding.level == "quarantine"
    assert summary.what == "1 of 1 deliveries would be accepted, 1 rows"


def test_a_folder_without_manifest_is_waiting(bank):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    (folder / "_manifest.json").unlink()
    waiting, _ = check(bank.root)
    assert (waiting.level, waiting.where) == ("waiting", "market/fx_rates/2026-10-26")


def test_an_empty_or_missing_folder_is_said(bank):
    assert check(bank.root)[0].what == "no delivery here"
    assert check(bank.root / "none")[0].what == "no such folder"


def test_checking_writes_nothing(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    before = sorted(bank.root.rglob("*"))
    check(bank.root)
    assert sorted(bank.root.rglob("*")) == before
    assert not bank.home.root.exists()
