"""policies/access.yml: what the linter finds in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.policies.support import Edit, edit, findings, line_text, named

Content = dict[str, Any]


def reader(content: Content, code: str) -> Content:
    found: Content = content["readers"][code]
    return found


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    (lambda c: c.update(approved_by="Policy_Desk "), "approval", "are both", "approved_by:"),
    (
        lambda c: reader(c, "auditor").update(everything=["quality.sla"]),
        "gap",
        "nobody reads tiering.prospect",
        "readers:",
    ),
    (lambda c: reader(c, "hr")["everything"].append("crm.books"), "unknown", "mart 'crm.books'", "- crm.books"),
    (
        lambda c: reader(c, "hr").update(own_work=["assets.customer_assets"]),
        "unknown",
        "assets.customer_assets has no column employee_id",
        "- assets.customer_assets",
    ),
    (
        lambda c: reader(c, "province")["own_branches"].append("quality.batch"),
        "unknown",
        "quality.batch has no column branch_id or home_branch_id",
        "- quality.batch",
    ),
    (
        lambda c: reader(c, "analyst")["large_cells"].append("crm.assignment"),
        "unknown",
        "crm.assignment has no column customer_count",
        "- crm.assignment",
    ),
    (
        lambda c: reader(c, "maintainer")["own_work"].append("crm.assignment"),
        "overlap",
        "crm.assignment is named twice",
        "- crm.assignment",
    ),
    (
        lambda c: reader(c, "branch_head")["masked"].append("crm.book_of_nobody"),
        "unknown",
        "crm.book_of_nobody is masked, and no scope names it",
        "- crm.book_of_nobody",
    ),
    (
        lambda c: reader(c, "branch_head")["masked"].append("maintenance.complaint"),
        "unknown",
        "maintenance.complaint is masked, and has no C2 column",
        "- maintenance.complaint",
    ),
    (lambda c: reader(c, "hr").update(label_zh=" "), "text", "label_zh says nothing", "label_zh:"),
]


@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_where_it_is(directory: Path, change: Edit, kind: str, found: str, line: str) -> None:
    edit(directory, "access", change)
    said = [f for f in findings(directory) if f.kind == kind and found in f.found]
    assert said, findings(directory)
    assert all(f.mend and f.file == "access.yml" for f in findings(directory))
    assert line in line_text(directory, said[0].file, said[0].line)
