"""A published version with the scorecards of one quarter, worked out by hand: what a close finds.

Three wealth managers of an outlet. wm1 had two customers on the first day and took over a third, whom a court froze;
one of the two closed. wm2 and wm3 had twenty each: nobody left, two rose, each paid in 100 on 10,000. wm3 answers for
three complaints, one more than the gate allows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.lib.appraisal.tables import FROZEN_MARTS
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.json_lines import append_lines
from orchestration.lib.marts import MARTS, hash_rows
from orchestration.lib.policies import compile_policies, load_policies
from orchestration.lib.publish import _entry_hash, read_publish_log

PERIOD = "2026Q2"
DAYS = 91
EARLIEST_CLOSE = date(2026, 7, 31)
GROUP = "wealth_manager@outlet"
M1, M2, M3, M4, M5 = "m1_retention", "m2_uplift", "m3_deepening", "m4_acquisition", "m5_growth"
FINALITY = {
    "period_code": PERIOD,
    "evaluation_date": date(2026, 7, 31),
    "through_date": date(2026, 6, 30),
    "is_final": True,
    "is_frozen": False,
    "policy_version": "appraisal@1",
}
# Employee -> measure -> numerator, denominator, value, target, score.
CELLS = {
    "wm1": {
        M1: ("1", "2", "0.5", "0.05", "10"),
        M2: ("1", "2", "0.5", "0.05", "120"),
        M3: ("0", "2", "0", "0.5", "0"),
        M4: ("1", "2", "0.5", "0.03", "120"),
        M5: ("-52000", "160000", "-0.325", "0.03", "0"),
    },
    "wm2": {
        M1: ("0", "20", "0", "0.05", "120"),
        M2: ("2", "20", "0.1", "0.05", "120"),
        M3: ("8", "20", "0.4", "0.5", "80"),
        M4: ("0", "20", "0", "0.03", "0"),
        M5: ("2000", "200000", "0.01", "0.03", "33.3333"),
    },
    "wm3": {
        M1: ("0", "20", "0", "0.05", "120"),
        M2: ("2", "20", "0.1", "0.05", "120"),
        M3: ("10", "20", "0.5", "0.5", "100"),
        M4: ("0", "20", "0", "0.03", "0"),
        M5: ("2000", "200000", "0.01", "0.03", "33.3333"),
    },
}
# Employee -> customers, total, rank, complaints, failed gate.
TOTALS = {
    "wm1": (3, "50", None, 0, None),
    "wm2": (20, "70.6667", 1, 0, None),
    "wm3": (20, "60", 2, 3, "complaints"),
}


def _evidence() -> Iterator[dict[str, Any]]:
    def row(employee: str, measure: str, customer: str, counts: bool, **said: Any) -> dict[str, Any]:
        return {
            **FINALITY,
            "employee_id": employee,
            "measure_code": measure,
            "customer_id": customer,
            "branch_id": "0010",
            "cohort_role": "opening",
            "is_opening": True,
            "is_longest_holder": True,
            "held_days": DAYS,
            "day_count": DAYS,
            "weight": Decimal(1),
            "is_numerator": counts,
            "is_liable": False,
            **said,
        }

    frozen = {"cohort_role": "excluded", "is_opening": False, "held_days": 45, "exclusion_reason": "court_freeze"}
    money = {M1: ("100000", "20000", "60000", "-60000"), M5: ("100000", "8000", "60000", "-60000")}
    for measure in (M1, M2, M3, M5):
        base1, value1, base2, value2 = map(Decimal, money.get(measure, ("0", "0", "0", "0")))
        counts = {M1: (False, True), M2: (True, False), M3: (False, False), M5: (True, True)}[measure]
        yield row("wm1", measure, "c1", counts[0], base_cny=base1, value_cny=value1)
        yield row("wm1", measure, "c2", counts[1], base_cny=base2, value_cny=value2)
        yield row("wm1", measure, "c3", False, base_cny=Decimal(70000), value_cny=Decimal(1), **frozen)
    yield row("wm1", M4, "c9", True, cohort_role="new", is_opening=False, cause_code="referral")
    for employee, covered in (("wm2", 8), ("wm3", 10)):
        for n in range(20):
            customer = f"{employee}-{n:02}"
            yield row(employee, M1, customer, False, base_cny=Decimal(10000), value_cny=Decimal(100))
            yield row(employee, M2, customer, n < 2)
            yield row(employee, M3, customer, n < covered)
            yield row(employee, M5, customer, True, base_cny=Decimal(10000), value_cny=Decimal(100))
    yield row("pool:0010", M1, "c3", False, **{**frozen, "held_days": 46})


def quarter_rows() -> dict[str, list[dict[str, Any]]]:
    """Mart -> rows of the quarter, not frozen."""
    peer = {"branch_id": "0010", "role_code": "wealth_manager", "peer_group_code": GROUP}
    scorecard = [
        {
            **FINALITY,
            **peer,
            "employee_id": employee,
            "measure_code": measure,
            **dict(zip(("numerator", "denominator", "value_rate", "target_rate", "score"), cell, strict=True)),
            "weight": "0.2",
            "gate_code": TOTALS[employee][4],
        }
        for employee, cells in CELLS.items()
        for measure, cell in cells.items()
    ]
    total = [
        {
            **FINALITY,
            **peer,
            "employee_id": employee,
            "cohort_count": count,
            "total_score": score,
            "rank_in_peer_group": rank,
            "gate_code": gate,
            "complaint_count": complaints,
            "conduct_count": 0,
            "archive_rate": "0.9",
            "revenue_credit_cny": "0",
            "carried_adjustment": "1.5",
            "total_with_adjustment": str(Decimal(score) + Decimal("1.5")),
        }
        for employee, (count, score, rank, complaints, gate) in TOTALS.items()
    ]
    branch = [
        {
            **FINALITY,
            "branch_id": "0010",
            "branch_level": "outlet",
            "measure_code": measure,
            **dict(zip(("numerator", "denominator", "value_rate", "target_rate", "score"), cell, strict=True)),
            "weight": "0.2",
            "mid_high_growth_count": 1,
        }
        for measure, cell in (
            (M1, ("1", "42", "0.02380952", "0.05", "120")),
            (M5, ("-48000", "560000", "-0.08571429", "0.03", "0")),
        )
    ]
    flow = {
        **FINALITY,
        "subject_kind": "employee",
        "subject_id": "wm1",
        "as_of_date": date(2026, 7, 31),
        "opening_count": 2,
        "new_count": 0,
        "transferred_in_count": 1,
        "transferred_out_count": 0,
        "lost_count": 1,
        "closing_count": 2,
        "opening_aum_cny": "160000",
        "new_aum_cny": "0",
        "transferred_in_aum_cny": "5000",
        "transferred_out_aum_cny": "0",
        "lost_aum_cny": "60000",
        "change_aum_cny": "20000",
        "closing_aum_cny": "125000",
    }
    flag = {
        **FINALITY,
        "flag_id": "f1",
        "employee_id": "wm2",
        "flag_kind": "bunching",
        "value": "9",
        "evidence_zh": "九名客户贴线",
    }
    cohort = [
        {
            "period_code": PERIOD,
            "customer_id": customer,
            "cohort_date": date(2026, 4, 1),
            "tier_code": "wealth_manager",
            "tier_rank": 3,
            "tier_policy_version": "branch_tiered_maintenance@1",
            "employee_id": "wm1",
            "branch_id": "0010",
        }
        for customer in ("c1", "c2")
    ]
    return {
        "scorecard": scorecard,
        "scorecard_total": total,
        "branch_scorecard": branch,
        "scorecard_evidence": list(_evidence()),
        "integrity_flag": [flag],
        "book_flow": [flow],
        "cohort": cohort,
    }


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    def values(field: pa.Field) -> pa.Array:
        found = [row.get(field.name) for row in rows]
        if pa.types.is_decimal(field.type):
            return pa.array([None if v is None else str(v) for v in found], pa.string()).cast(field.type)
        return pa.array(found, field.type)

    return pa.Table.from_arrays([values(field) for field in schema], schema=schema)


def publish_version(
    home: Home,
    as_of: date = EARLIEST_CLOSE,
    rows: dict[str, list[dict[str, Any]]] | None = None,
    overrides: tuple[str, ...] = (),
) -> int:
    """Publish the quarter's marts as the next version; returns its number."""
    log = read_publish_log(home)
    version = len(log) + 1
    policies = load_policies()
    compile_policies(policies, home.policy)
    folder = home.published / str(version)
    folder.mkdir(parents=True)
    hashes: dict[str, str] = {}
    with duckdb.connect(str(folder / "marts.duckdb")) as con:
        con.execute("create schema appraisal")
        marts = {mart.relation: mart for mart in MARTS}
        for mart in FROZEN_MARTS:
            con.register("rows_of_mart", _table((rows or quarter_rows())[mart.name], mart.schema))
            con.execute(f"create table {mart.relation} as select * from rows_of_mart")
            con.unregister("rows_of_mart")
            known = marts[mart.relation]
            hashes |= {known.partition(label): h for label, h in hash_rows(con, known, "").items()}
    build_id = f"{as_of:%Y%m%d}-{version:012}"
    entry: dict[str, Any] = {
        "version": version,
        "build_id": build_id,
        "as_of_date": as_of.isoformat(),
        "first_date": "2026-01-01",
        "published_at": "2026-08-01T00:00:00+00:00",
        "policy_version": policies.policy_hash,
        "policy_versions": {**policies.version_hashes(), **policies.decision_hashes()},
        "inputs_hash": f"inputs {version}",
        "outputs_hash": f"outputs {version}",
        "overrides": list(overrides),
        "previous_hash": log[-1]["entry_hash"] if log else "",
    }
    entry["entry_hash"] = _entry_hash(entry)
    manifest = {**entry, "partition_hashes": hashes, "inputs": {"a.b.2026-05-01.1": "hash"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    home.current.unlink(missing_ok=True)
    home.current.symlink_to(str(version))
    begin(home, build_id, as_of)
    append_lines(home.publish_log, [entry])
    Journal(home.journal).append({"event": "published", **{k: v for k, v in entry.items() if k != "overrides"}})
    return version


def begin(home: Home, build_id: str, as_of: date) -> None:
    """A build that has begun."""
    home.journal.parent.mkdir(parents=True, exist_ok=True)
    Journal(home.journal).append(
        {"event": "begin", "build_id": build_id, "new_batches": [], "dirty_from": as_of.isoformat()}
    )


def write_objections(folder: Path, text: str, name: str = "objections.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
