"""The few lines that a run ends with."""

from __future__ import annotations

import json

import duckdb

from orchestration.lib.home import Home
from orchestration.lib.policies import load_policies


def summary_rows(home: Home) -> list[tuple[str, str]]:
    """(label, value) of the version readers see; empty before the first publish."""
    if not home.current.exists():
        return []
    folder = home.current.resolve()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    primary = load_policies().primary.scheme_code
    con = duckdb.connect(str(folder / "marts.duckdb"), read_only=True)
    try:
        customers, aum, in_scope = con.execute(
            "select count(*), coalesce(sum(aum_cny), 0), count(*) filter (is_in_scope) from assets.customer_assets"
        ).fetchall()[0]
        tiers = con.execute(
            "select label_zh, tier_code, count(*) from tiering.customer_tier where tier_rank > 0 and scheme_code = ? "
            "group by label_zh, tier_code, tier_rank order by tier_rank desc",
            [primary],
        ).fetchall()
        others = con.execute(
            "select count(distinct scheme_code) from tiering.customer_tier where scheme_code != ?", [primary]
        ).fetchall()[0][0]
        maintained, over_capacity = con.execute(
            "select coalesce(sum(customer_count), 0), count(*) filter (customer_count > capacity) from crm.book"
        ).fetchall()[0]
        queued = con.execute(
            "select reason_code, count(*) from crm.exception_queue group by reason_code order by 2 desc, 1"
        ).fetchall()
    finally:
        con.close()
    statuses: dict[str, int] = {}
    for check in verdict["checks"]:
        statuses[check["status"]] = statuses.get(check["status"], 0) + 1
    return [
        (
            "version",
            f"{manifest['version']} (as of {manifest['as_of_date']}, build {manifest['build_id']})",
        ),
        ("customers", f"{customers:,}, of them {in_scope:,} in scope"),
        ("AUM", f"{aum:,.2f} CNY"),
        *((f"tier {code}", f"{count:,} {label}") for label, code, count in tiers),
        ("other schemes", f"{others}, evaluated at month ends"),
        ("maintained", f"{maintained:,} customers; {over_capacity:,} employees over capacity"),
        ("in the queue", ", ".join(f"{count:,} {reason}" for reason, count in queued) or "nobody"),
        ("checks", ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))),
        ("marts", str(home.current / "marts.duckdb")),
        ("Data Docs", str(home.current / "data_docs" / "index.html")),
        ("Dagster UI", "make dev, then http://127.0.0.1:3000"),
    ]
