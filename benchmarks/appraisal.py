"""What judging a quarter costs a large bank: wall time, CPU and memory of every model of appraisal.

    .venv/bin/python benchmarks/appraisal.py --home HOME --copies 2000 --work DIR

HOME: a small bank whose last published day is the month end after a quarter: one quarter is final, one runs. What the
models of appraisal read is copied so many times, each copy with customers and accounts of its own, four copies with the
same employees and branches (books are then as large as in a bank of that size). The models run over it as that build's
dbt compiled them, in order, into tables.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import duckdb

# Ids that every copy has of its own; those that a few copies share.
OWN = (
    "customer_id",
    "old_customer_id",
    "new_customer_id",
    "account_id",
    "card_id",
    "custody_account_id",
    "holding_id",
    "loan_id",
    "household_id",
    "complaint_id",
    "contact_id",
    "change_id",
    "choice_id",
    "referral_id",
    "revenue_id",
    "obligation_id",
)
SHARED = (
    "employee_id",
    "from_employee_id",
    "to_employee_id",
    "initial_employee_id",
    "responsible_employee_id",
    "seller_employee_id",
    "collector_employee_id",
    "branch_id",
    "home_branch_id",
    "parent_branch_id",
    "successor_branch_id",
    "acting_branch_id",
    "unit_id",
    "recipient_id",
)
SHARED_BY = 4
# Few rows that hold for the whole bank.
WHOLE = ("policy", "build")


def models_of_appraisal(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The models between the state of customers and the marts of appraisal, each after those that it reads."""
    nodes = manifest["nodes"]

    def is_ours(node: dict[str, Any]) -> bool:
        ours = ("int_appraisal__", "fct_score", "fct_book_flow", "fct_branch_scorecard", "fct_integrity_flag")
        is_mart = node["name"].startswith("mart_appraisal__") and not node["name"].endswith(("attribution", "cohort"))
        return node["resource_type"] == "model" and (
            node["name"].startswith((*ours, "fct_quarter_customer")) or is_mart
        )

    waiting = {key: node for key, node in nodes.items() if is_ours(node)}
    ordered = []
    while waiting:
        ready = [key for key, node in waiting.items() if not set(node["depends_on"]["nodes"]) & waiting.keys()]
        ordered += [waiting.pop(key) for key in sorted(ready)]
    return ordered


def relation(node: dict[str, Any]) -> str:
    return f"{node['schema']}.{node.get('alias') or node['name']}"


def copy_inputs(
    con: duckdb.DuckDBPyConnection, manifest: dict[str, Any], ours: list[dict[str, Any]], copies: int
) -> None:
    """Tables that the models read and do not make, with every copy's rows."""
    everything = {**manifest["nodes"], **manifest["sources"]}
    made = {node["unique_id"] for node in ours}
    read = {key for node in ours for key in node["depends_on"]["nodes"]} - made
    # A model reads its own kept partitions.
    names = sorted({relation(everything[key]) for key in read} | {relation(node) for node in ours})
    for name in names:
        schema, table = name.split(".")
        columns = con.execute(
            "select column_name, data_type from information_schema.columns where table_catalog = 'warehouse' "
            "and table_schema = ? and table_name = ? order by ordinal_position",
            [schema, table],
        ).fetchall()
        if not columns:
            continue
        con.execute(f"create schema if not exists big.{schema}")
        known = {column for column, _ in columns}
        if schema in WHOLE or not known & {*OWN, *SHARED}:
            con.execute(f"create table big.{name} as from warehouse.{name}")
            continue
        values = []
        for column, _ in columns:
            number = "copy" if column in OWN else f"copy % ({copies} // {SHARED_BY})" if column in SHARED else None
            # What is of nobody in particular stays so, and pools are those of a branch.
            changed = f"case when {column} is not null then {column} || '~' || ({number}) end"
            values.append(f"{changed} as {column}" if number else column)
        is_per_employee = not known & set(OWN)
        times = copies // SHARED_BY if is_per_employee else copies
        con.execute(
            f"create table big.{name} as select {', '.join(values)} from warehouse.{name}, range({times}) as c(copy)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=2000)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    target = options.home / "dbt_target"
    manifest = json.loads((target / "manifest.json").read_text())
    ours = models_of_appraisal(manifest)
    options.work.mkdir(parents=True, exist_ok=True)
    file = options.work / "appraisal.duckdb"
    file.unlink(missing_ok=True)
    con = duckdb.connect()
    # Views name their catalog: the small bank has the name first, the large one afterwards.
    con.execute(f"attach '{options.home / 'warehouse.duckdb'}' as warehouse (read_only)")
    con.execute(f"attach '{file}' as big")
    con.execute("set TimeZone = 'UTC'; set threads = 2; set memory_limit = '3GB'; set preserve_insertion_order = false")
    copy_inputs(con, manifest, ours, options.copies)
    con.execute("detach warehouse; detach big")
    con.execute(f"attach '{file}' as warehouse")
    con.execute("use warehouse")
    counted = con.execute(
        "select (select count(*) from core.dim_customer), (select count(*) from core.fct_cohort), "
        "(select count(distinct employee_id) from core.fct_employee_day)"
    ).fetchone()
    assert counted is not None
    print(f"{counted[0]:,} customers, {counted[1]:,} in cohorts, {counted[2]:,} employees")
    print("| model | rows | wall s | CPU s |")
    print("|---|---|---|---|")
    began, cpu_began = time.perf_counter(), time.process_time()
    for node in ours:
        compiled = target / "compiled" / "tierhouse" / node["original_file_path"]
        sql = compiled.read_text()
        started, cpu = time.perf_counter(), time.process_time()
        con.execute(f"create or replace temp table made as {sql}")
        con.execute(f"create schema if not exists {node['schema']}; drop table if exists {relation(node)}")
        con.execute(f"create table {relation(node)} as from made; drop table made")
        wall, used = time.perf_counter() - started, time.process_time() - cpu
        rows = con.execute(f"select count(*) from {relation(node)}").fetchone()
        assert rows is not None
        print(f"| {node['name']} | {rows[0]:,} | {wall:.1f} | {used:.1f} |", flush=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"| all | | {time.perf_counter() - began:.1f} | {time.process_time() - cpu_began:.1f} |")
    print(f"peak {memory:.2f} GiB")


if __name__ == "__main__":
    main()
