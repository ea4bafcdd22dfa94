"""policies/schema.json: what policy files may hold, for editors that complete and check while one types."""

from __future__ import annotations

import functools
import json
import operator
from typing import Any

from pydantic import TypeAdapter

from orchestration.lib.policies.access import Access
from orchestration.lib.policies.books import Books
from orchestration.lib.policies.load import DAILY_FILES
from orchestration.lib.policies.model import AssetClasses, MeasureRules, Roles, Scheme

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """JSON Schema that accepts any one policy file: a scheme, what is decided daily, or a file they share."""
    kinds: list[Any] = [Scheme, AssetClasses, MeasureRules, Roles, Books, Access, *DAILY_FILES.values()]
    any_file: TypeAdapter[Any] = TypeAdapter(functools.reduce(operator.or_, kinds))
    return {"$schema": DIALECT, "title": "Policy file", **any_file.json_schema()}


def render_schema() -> str:
    return json.dumps(policy_schema(), ensure_ascii=False, indent=2) + "\n"
