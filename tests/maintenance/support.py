"""The model of obligations itself, run day by day over sources that are laid by hand, in a warehouse in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.lib.bank_calendar import occasion_rows, period_rows
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import DBT_PROJECT_DIR
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.compile_obligations import SCHEMAS, rows
from orchestration.lib.warehouse import forget_obligations
from tests.maintenance.obligation_oracle import Obligation, World, holding

DAY = timedelta(days=1)
MODEL = "fct_obligation"
OWNERS = "int_maintenance__owner_day"
# Dates that stand in the compiled SQL where each day's own are put.
_AS_OF, _SEED, _EVALUATION = date(2091, 2, 3), date(2090, 12, 1), date(2091, 1, 31)
_LATE = f"late.{_AS_OF}"
_SOURCES = (
    OWNERS,
    "int_customer__successor",
    "int_maintenance__consent_day",
    "int_maintenance__suppressed_day",
    "dim_customer",
    "fct_book_entry",
    "fct_contact",
    "fct_life_event",
    "fct_month_measure",
    "fct_survey",
    "fct_tier_change",
)


@cache
def _compiled() -> dict[str, Any]:
    """dbt's nodes by model name, with the SQL that a day's build of live books runs."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    chunk = plan_chunk(_AS_OF - DAY, _AS_OF, _AS_OF, _SEED, None, load_policies())
    plan = advance_json(chunk, first_date=_SEED, opening_date=None, is_merging=True, late_batches=[_LATE])
    books = {"is_live": True, "seed_date": _SEED.isoformat(), "decided_from": _AS_OF.isoformat()}
    live = json.loads(plan) | books | {"decision_dates": [_AS_OF.isoformat()]}
    with TemporaryDirectory(prefix="tierhouse-obligations-") as folder:
        settings = {
            "TIERHOUSE_WAREHOUSE": f"{folder}/warehouse.duckdb",
            "TIERHOUSE_PLAN": json.dumps(live),
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DBT_LOG_PATH": folder,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }
        arguments = ["compile", "--select", MODEL, OWNERS, "--indirect-selection", "empty", "--quiet"]
        arguments += ["--project-dir", str(DBT_PROJECT_DIR), "--target-path", folder, "--log-level-file", "none"]
        try:
            with environment(settings):
                done = dbtRunner().invoke(arguments)
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        assert done.success, done.exception
        nodes = json.loads(Path(folder, "manifest.json").read_text("utf-8"))["nodes"]
    return {name: nodes[f"model.tierhouse.{name}"] for name in (MODEL, *_SOURCES)}


def relation(name: str) -> str:
    node = _compiled()[name]
    return f"warehouse.{node['schema']}.{node['alias']}"


class Bank:
    """A warehouse in memory with what obligations are made of, on which each day is decided in turn."""

    def __init__(self, world: World, last: date) -> None:
        self.world = world
        self.con = duckdb.connect()
        self.con.execute("attach ':memory:' as warehouse; use warehouse; set TimeZone = 'UTC'")
        # As in the deployment's profile: a failing order must not hide.
        self.con.execute("set preserve_insertion_order = false")
        for name in (MODEL, *_SOURCES):
            node = _compiled()[name]
            columns = ", ".join(f"{column} {said['data_type']}" for column, said in node["columns"].items())
            self.con.execute(f"create schema if not exists {node['schema']}")
            self.con.execute(f"create table {relation(name)} ({columns})")
        self._lay_policy_and_calendar(last)
        self._lay_customers(last)

    def _lay_policy_and_calendar(self, last: date) -> None:
        versions = load_policies().obligations.versions
        self.con.execute("create schema policy; create schema build")
        for table, schema in SCHEMAS.items():
            made = [row for version in versions for row in rows(version)[table]]
            self._create(f"policy.{table}", pa.Table.from_pylist(made, schema))
        days = [self.world.go_live + n * DAY for n in range((last - self.world.go_live).days + 1)]
        self._create("build.period", pa.Table.from_pylist(period_rows(days)))
        self._create("build.occasion", pa.Table.from_pylist(occasion_rows(versions, days, last)))

    def _create(self, name: str, table: pa.Table) -> None:
        self.con.register("laid", table)
        self.con.execute(f"create table {name} as select * from laid")
        self.con.unregister("laid")

    def put(self, name: str, made: Sequence[Mapping[str, Any]]) -> None:
        """Append rows to a source; columns that are left out are empty."""
        if made:
            self.con.register("laid", pa.Table.from_pylist([dict(row) for row in made]))
            self.con.execute(f"insert into {relation(name)} by name select * from laid")
            self.con.unregister("laid")

    def _lay_customers(self, last: date) -> None:
        customers = self.world.customers.values()
        self.put("dim_customer", [{"customer_id": c.customer_id, "birth_date": c.birth_date} for c in customers])
        self.put(
            "fct_tier_change",
            [
                {"scheme_code": scheme, "customer_id": c.customer_id, "valid_from": since, "tier_code": tier}
                for c in customers
                for scheme, history in c.tiers.items()
                for since, tier in history
            ],
        )
        months = [day for n in range((last - self.world.go_live).days + 62) if (day := last - n * DAY + DAY).day == 1]
        self.put(
            "fct_month_measure",
            [
                {
                    "evaluation_date": month - DAY,
                    "customer_id": c.customer_id,
                    "asset_set": "standard",
                    "aum_month_avg_cny": amount,
                }
                for c in customers
                for month in months
                if (amount := holding(c.aum, month - DAY)) is not None
            ],
        )

    def _lay_day(self, day: date) -> None:
        """What is delivered and known on a day, and nothing of later ones."""
        customers = self.world.customers.values()
        for name in (
            "fct_book_entry",
            OWNERS,
            "int_customer__successor",
            "int_maintenance__consent_day",
            "int_maintenance__suppressed_day",
        ):
            self.con.execute(f"delete from {relation(name)}")
        self.put("fct_book_entry", [row for c in customers for row in _book_entries(c, day)])
        self.con.execute(f"insert into {relation(OWNERS)} by name {self._sql(OWNERS, day)}")
        self.put(
            "int_customer__successor",
            [
                {"measure_date": day, "old_customer_id": c.customer_id, "new_customer_id": c.successor[1]}
                for c in customers
                if c.successor and c.successor[0] <= day
            ],
        )
        self.put(
            "int_maintenance__consent_day",
            [
                {"business_date": day, "customer_id": c.customer_id, "channel": channel, "is_allowed": answer}
                for c in customers
                for channel, history in c.consents.items()
                if (answer := holding(history, day)) is not None
            ],
        )
        self.put(
            "int_maintenance__suppressed_day",
            [
                {"business_date": day, "customer_id": c.customer_id, "reason_code": reason}
                for c in customers
                if (reason := holding(c.blocks, day)) is not None
            ],
        )
        arrived = [c for c in self.world.contacts if c.arrives == day]
        for name, of_survey in (("fct_contact", False), ("fct_survey", True)):
            self.put(
                name,
                [
                    {
                        "business_date": c.day,
                        "survey_id" if of_survey else "contact_id": c.contact_id,
                        "customer_id": c.customer_id,
                        "batch_id": f"late.{day}" if c.arrives > c.day else f"on_time.{day}",
                    }
                    | ({"method": c.method} if of_survey else {"channel": c.channel, "purpose": c.purpose})
                    for c in arrived
                    if (c.method is not None) is of_survey
                ],
            )
        self.put(
            "fct_life_event",
            [
                {
                    "business_date": day,
                    "event_id": e.event_id,
                    "customer_id": e.customer_id,
                    "batch_id": f"on_time.{day}",
                }
                for e in self.world.life_events
                if e.arrives == day
            ],
        )

    def _sql(self, name: str, day: date) -> str:
        sql: str = _compiled()[name]["compiled_code"]
        for standin, own in (
            (_AS_OF, day),
            (_SEED, self.world.go_live),
            (_EVALUATION, day.replace(day=1) - DAY),
            (_AS_OF - DAY, day - DAY),
        ):
            sql = sql.replace(standin.isoformat(), own.isoformat())
        return sql

    def decide(self, day: date) -> list[Obligation]:
        """Lay a day, run the model and drop what the warehouse does not keep; the day's rows."""
        self._lay_day(day)
        columns = ", ".join(_compiled()[MODEL]["columns"])
        table = relation(MODEL)
        self.con.execute(f"insert into {table} ({columns}) select {columns} from ({self._sql(MODEL, day)}) as decided")
        found = self.con.execute(
            "select obligation_id, customer_id, kind, occasion_code, occasion_key, occurrence_no, cadence_code, "
            "rule_id, performer_role_code, due_from_date, due_to_date, created_date, employee_id, owner_role_code, "
            "branch_id, channel, suppressed_reason_code, done_contact_id, done_date, status, is_closed "
            f"from {table} where as_of_date = date '{day}'"
        ).fetchall()
        return [Obligation(*row) for row in found]

    def run(self, last: date) -> dict[date, list[Obligation]]:
        """Every day's rows from go-live to ``last``."""
        days = {}
        day = self.world.go_live
        while day <= last:
            days[day] = self.decide(day)
            forget_obligations(self.con, day)
            day += DAY
        return days


def _book_entries(customer: Any, day: date) -> Iterable[dict[str, Any]]:
    """A customer's entries in the books: A, B if there is one, or the queue."""
    owner = holding(customer.owners, day)
    if owner is None:
        return
    entry = {"as_of_date": day, "customer_id": customer.customer_id, "branch_id": owner.branch_id, "is_acting": False}
    if owner.employee_id is None:
        yield entry | {"slot": "queue", "role_code": owner.role_code}
        return
    if owner.stands_in_for is not None:
        yield entry | {"slot": "a", "employee_id": owner.stands_in_for, "role_code": owner.role_code}
        yield entry | {"slot": "b", "employee_id": owner.employee_id, "role_code": owner.role_code, "is_acting": True}
    else:
        yield entry | {"slot": "a", "employee_id": owner.employee_id, "role_code": owner.role_code}
        yield entry | {"slot": "b", "employee_id": f"{owner.employee_id}-B", "role_code": owner.role_code}
