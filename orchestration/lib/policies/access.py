"""The shape of policies/access.yml: who reads which rows of which marts in PostgreSQL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestration.lib.policies.model import Strict

# Which rows: each is a key of a reader.
Scope = Literal["own_customers", "own_work", "own_work_on_own_customers", "own_branches", "large_cells", "everything"]
SCOPES: tuple[Scope, ...] = (
    "own_customers",
    "own_work",
    "own_work_on_own_customers",
    "own_branches",
    "large_cells",
    "everything",
)
EVERY_MART = "*"
ReaderCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Reader(Strict):
    """One kind of reader: marts by the rows of them that he reads; ``masked``: those of which he reads no C2 column."""

    label_zh: str
    label_en: str
    own_customers: tuple[str, ...] = ()
    own_work: tuple[str, ...] = ()
    own_work_on_own_customers: tuple[str, ...] = ()
    own_branches: tuple[str, ...] = ()
    large_cells: tuple[str, ...] = ()
    everything: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()

    def scopes(self, mart: str) -> tuple[Scope, ...]:
        """Which rows of a mart he reads; () where none."""
        return tuple(scope for scope in SCOPES if {mart, EVERY_MART} & set(getattr(self, scope)))


class Access(Strict):
    """``minimum_cell_count``: customers that a row counts at least, where no fewer may be told of (large_cells)."""

    author: str
    approved_by: str
    minimum_cell_count: Annotated[int, Field(ge=1)]
    readers: dict[ReaderCode, Reader]
