"""What dbt's Jinja context holds beyond sqlfluff's own stand-ins, so that models lint without dbt.

Environment variables give their defaults, and dispatch picks the DuckDB implementation or the default one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


def env_var(name: str, default: str = "") -> str:
    return default


class Adapter:
    @pass_context
    def dispatch(self, context: Context, name: str, package: str = "") -> Callable[..., Any]:
        macro: Callable[..., Any] = context.resolve(f"duckdb__{name}") or context.resolve(f"default__{name}")
        return macro


class Relation:
    @staticmethod
    def create(database: str, schema: str, identifier: str) -> str:
        return f"{schema}.{identifier}"


class Api:
    Relation = Relation


class Dbt:
    """The cross-database macros that models use."""

    @staticmethod
    def type_string() -> str:
        return "varchar"


class Target:
    database = "warehouse"
    schema = "main"
    type = "duckdb"


adapter = Adapter()
api = Api()
dbt = Dbt()
target = Target()
