"""What was delivered before decides what a delivery means; a correct one heals without help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from orchestration.lib import fault, landing
from orchestration.lib.ledger import Batch, Ledger, LedgerCorrupt

FX = "market.fx_rates"
FX_CSV = b"currency,rate_cny\nUSD,7.1\n"
OTHER_CSV = b"currency,rate_cny\nUSD,7.2\n"
BAD_CSV = b"currency,rate_cny\nUSD,seven\n"


def test_the_next_correct_delivery_heals_a_rejected_one(bank):
    bank.deliver(FX, {"fx.csv": BAD_CSV}, 1)
    assert bank.rejection()
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    assert bank.land_one().is_accepted
    assert [batch.status for batch in bank.ledger()] == ["rejected", "accepted"]


def test_a_transfer_that_ends_late_heals_although_the_manifest_stays(bank):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    (folder / "fx.csv").write_bytes(FX_CSV[:-3])
    assert "sha256" in bank.rejection()
    (folder / "fx.csv").write_bytes(FX_CSV)
    assert bank.land_one().is_accepted


def test_a_rejected_delivery_is_not_judged_again_until_it_is_touched(bank):
    bank.deliver(FX, {"fx.csv": BAD_CSV}, 1)
    assert bank.rejection()
    report = bank.land()
    assert (report.accepted, report.rejected, report.unchanged) == ([], [], 1)
    assert len(bank.ledger()) == 1


def test_a_mended_contract_lets_a_rejected_delivery_in(bank):
    bank.deliver(FX, {"fx.csv": b"USD,7.1\n"}, 1)
    assert "the header line is missing" in bank.rejection()
    bank.csv(FX, header=False)
    assert bank.land_one().is_accepted


def test_a_delivery_without_manifest_is_not_read(bank):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    (folder / "_manifest.json").rename(folder / "_manifest.json.tmp")
    report = bank.land()
    assert (report.accepted, report.rejected, report.unchanged) == ([], [], 0)
    (folder / "_manifest.json.tmp").rename(folder / "_manifest.json")
    assert bank.land_one().is_accepted


def test_a_delivery_is_landed_once(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    bank.land_one()
    before = sorted((p, p.stat().st_mtime_ns) for p in bank.home.raw.rglob("*"))
    assert bank.land().unchanged == 1
    assert sorted((p, p.stat().st_mtime_ns) for p in bank.home.raw.rglob("*")) == before


def test_the_same_files_under_a_new_manifest_are_the_same_delivery(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    bank.land_one()
    bank.deliver(FX, {"again.csv": FX_CSV}, 1, produced_at="2026-10-28T02:00:00+08:00")
    assert bank.land().unchanged == 1


def test_other_content_under_an_accepted_number_is_rejected_and_the_first_stays(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    first = bank.land_one()
    bank.deliver(FX, {"fx.csv": OTHER_CSV}, 1)
    second = bank.land_one()
    assert second.status == "rejected"
    assert "accepted before with other content" in second.reason
    assert "in the subfolder 2/" in second.reason
    assert len(bank.rows(first)) == 1
    assert bank.land().unchanged == 1
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    assert bank.land().unchanged == 1


def test_a_correction_comes_under_the_next_number_beside_the_first(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    bank.deliver(FX, {"fx.csv": OTHER_CSV}, 1, sequence_no=2)
    report = bank.land()
    assert [batch.sequence_no for batch in report.accepted] == [1, 2]
    assert [str(bank.rows(b, "rate_cny")[0][0]) for b in report.accepted] == [
        "7.10000000",
        "7.20000000",
    ]


def test_two_folders_that_claim_number_one_are_judged_one_after_the_other(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    bank.deliver(FX, {"fx.csv": OTHER_CSV}, 1, folder="2026-10-26/1")
    report = bank.land()
    assert len(report.accepted) == len(report.rejected) == 1
    assert str(bank.rows(report.accepted[0], "rate_cny")[0][0]) == "7.10000000"


def test_only_days_up_to_the_asked_one_are_landed(bank, day):
    for n in range(3):
        bank.deliver(FX, {"fx.csv": FX_CSV}, 1, day=day + timedelta(days=n))
    report = bank.land(through=day + timedelta(days=1))
    assert [batch.business_date for batch in report.accepted] == [day, day + timedelta(days=1)]
    assert len(bank.land().accepted) == 1


def test_a_missing_landing_root_is_named(bank):
    bank.root.rmdir()
    with pytest.raises(landing.NoLandingRoot, match="no such folder"):
        bank.land()


def test_one_bad_delivery_does_not_hold_up_the_others(bank, day):
    bank.deliver(FX, {"fx.csv": BAD_CSV}, 1)
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1, day=day + timedelta(days=1))
    report = bank.land()
    assert len(report.accepted) == len(report.rejected) == 1


def test_a_machine_that_fails_while_it_reads_does_not_reject_the_delivery(bank, tmp_path):
    bank.csv(FX, encoding="gb18030")  # is copied to another file before it is read
    rows = b"".join(b"USD%05d,7.1\n" % n for n in range(1000))
    bank.deliver(FX, {"fx.csv": b"currency,rate_cny\n" + rows}, 1000)
    code = """
import resource, signal, sys
from pathlib import Path
from orchestration.lib.reader import _transcode
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    _transcode(Path(sys.argv[1]), "fx.csv", "gb18030", Path(sys.argv[2]))
except OSError:
    sys.exit(7)
"""
    file = next(bank.root.rglob("fx.csv"))
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(tmp_path)], cwd=Path(landing.__file__).parents[2], check=False
    )
    assert done.returncode == 7


def test_one_home_has_one_lander(bank):
    with (
        landing._sole_lander(bank.home),
        pytest.raises(landing.LandingBusy, match="another process is landing"),
    ):
        bank.land()


# --- kills -------------------------------------------------------------------------------------

LAND = """
import sys
from pathlib import Path
from orchestration.lib.home import Home
from orchestration.lib.landing import land
land(Home(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def kill_at(bank, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAND, str(bank.home.root), str(bank.root)],
        env=os.environ | {fault.ENV: point},
        cwd=Path(landing.__file__).parents[2],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def test_folders_of_a_killed_run_are_replaced_by_what_lies_there_now(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    kill_at(bank, landing.PLACED)
    assert list(bank.home.raw.rglob("*.parquet"))
    bank.deliver(FX, {"fx.csv": OTHER_CSV}, 1)
    assert str(bank.rows(bank.land_one(), "rate_cny")[0][0]) == "7.20000000"


# --- ledger ------------------------------------------------------------------------------------


def a_batch(n: int, status: str = "accepted") -> Batch:
    return Batch(
        f"s.e.2026-01-01.{n}", "s", "e", date(2026, 1, 1), n, "full", status, 1, 0,
        {"m": {"CNY": "1.00"}}, "c", "m", reason="第一行\nline 2",
    )  # fmt: skip


def test_the_ledger_gives_back_what_was_appended_in_order(tmp_path):
    ledger = Ledger(tmp_path / "new" / "ledger.jsonl")
    assert ledger.batches() == []
    ledger.append([a_batch(1), a_batch(2, "rejected")])
    ledger.append([a_batch(3)])
    assert ledger.batches() == [a_batch(1), a_batch(2, "rejected"), a_batch(3)]
    assert ledger.accepted() == [a_batch(1), a_batch(3)]


def test_a_torn_last_line_was_never_committed_and_is_cut_off(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([a_batch(1), a_batch(2)])
    whole = ledger.path.read_bytes()
    for cut in range(len(whole)):
        ledger.path.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        assert len(ledger.batches()) == kept
        if cut % 50 == 0:
            ledger.append([a_batch(3)])
            assert [batch.sequence_no for batch in ledger.batches()] == [*range(1, kept + 1), 3]


def test_lines_that_do_not_fit_on_the_disk_are_taken_back_all_of_them(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([a_batch(1)])
    before = ledger.path.read_bytes()
    code = """
import resource, signal, sys
from pathlib import Path
from orchestration.lib.json_lines import append_lines
path = Path(sys.argv[1])
# As on a full disk, the kernel takes a part of what is written and refuses the rest: the first record fits.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100,) * 2)
try:
    append_lines(path, [{"n": n, "text": "x" * 50} for n in range(3)])
except OSError:
    sys.exit(7)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ledger.path)], cwd=Path(landing.__file__).parents[2], check=False
    )
    assert done.returncode == 7
    assert ledger.path.read_bytes() == before


def test_a_damaged_line_is_an_error_not_a_gap(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append([a_batch(1), a_batch(2)])
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"status"', b'"sta', 1))
    with pytest.raises(LedgerCorrupt, match="line 1"):
        ledger.batches()


def test_ledger_lines_are_plain_json(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 1)
    bank.land_one()
    (line,) = bank.home.ledger.read_text("utf-8").splitlines()
    assert json.loads(line)["business_date"] == "2026-10-26"


def test_an_undeclared_fault_point_is_refused():
    with pytest.raises(fault.UnknownFaultPoint):
        fault.point("landing.nowhere")
