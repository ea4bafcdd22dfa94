"""What a build replaces: the partitions after its base, and of restatements its own of those days."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from tests.conftest import AS_OF_DATE, FIRST_AS_OF_DATE, BuiltHome


def test_a_later_advance_of_a_restating_build_keeps_the_rows_of_its_earlier_ones(
    damaged: duckdb.DuckDBPyConnection, compiled: Callable[..., dict[str, str]], built_home: BuiltHome
) -> None:
    version = built_home.record.published_version
    rows = {
        "this build, before the base": (FIRST_AS_OF_DATE, version),
        "this build, after the base": (AS_OF_DATE, version),
        "an older restatement": (AS_OF_DATE, version - 1),
    }
    damaged.execute("delete from core.fct_restatement")
    for name, (day, from_version) in rows.items():
        damaged.execute(
            "insert into core.fct_restatement (restatement_id, business_date, from_version) values (?, ?, ?)",
            [name, day, from_version],
        )
    condition = compiled(
        FIRST_AS_OF_DATE, AS_OF_DATE, "--inline", "{{ replaced_restatements() }}", published_version=version
    )["inline_query"]
    damaged.execute(f"delete from core.fct_restatement where {condition}")
    kept = damaged.execute("select restatement_id from core.fct_restatement order by all").fetchall()
    assert [row[0] for row in kept] == ["an older restatement", "this build, before the base"]
