"""What a bank of the tests holds, table by table, as it was when somebody last looked and agreed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from orchestration.lib import warehouse
from orchestration.lib.content_hash import content_hash
from orchestration.lib.home import Home

FILE = Path(__file__).with_name("golden.json")
SCHEMAS = ("intermediate", "core", "audit", "assets", "tiering", "crm", "maintenance", "appraisal")


def hashes(home: Home) -> dict[str, str]:
    """Rows and hash of every table and view that models make."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        relations = con.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where list_contains(?, table_schema) order by 1",
            [list(SCHEMAS)],
        ).fetchall()
        return {
            name: f"{con.execute(f'select count(*) from {name}').fetchall()[0][0]} rows {content_hash(con, name)[:16]}"
            for (name,) in relations
        }


def changed(bank: str, home: Home) -> list[str]:
    """Tables of a bank that are not as they were; with TIERHOUSE_GOLDEN=write they are written down as they are now."""
    content: dict[str, dict[str, str]] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    now = hashes(home)
    if os.environ.get("TIERHOUSE_GOLDEN") == "write":
        content[bank] = now
        FILE.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")
    if bank not in content:
        return [f"nothing is written down of the {bank} yet"]
    before = content[bank]
    return [
        f"{name}: {before.get(name, 'was not there')}, now {now.get(name, 'gone')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
