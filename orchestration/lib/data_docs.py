"""Data Docs as static pages: the validation results of one build, readable without a network.

Great Expectations renders every expectation and its outcome; the page around them is the
project's own (``expectations/docs_theme``), because the stock pages load their looks from outside
hosts and stay unstyled and without an index where there is none.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, Template

from orchestration.lib.expectation_run import (
    EXPECTATIONS_DIR,
    ExpectationResult,
    Suite,
    load_suites,
)

THEME_DIR = EXPECTATIONS_DIR / "docs_theme"

Outcome = Literal["passed", "warned", "blocked", "skipped"]

_GROUPS = (
    {"code": "landing", "en": "Deliveries", "zh": "来源交付"},
    {"code": "marts", "en": "Marts", "zh": "数据集市"},
)


@dataclass(frozen=True)
class _SuitePage:
    """What index and page say of a suite; ``page`` is relative to the index, "" without one."""

    name: str
    group: str
    title_en: str
    title_zh: str
    table: str
    filter: str
    owner: str
    outcome: Outcome
    failed: int
    total: int
    block_count: int
    warn_count: int
    page: str


def build_data_docs(
    results: Sequence[ExpectationResult],
    validations_dir: Path,
    out_dir: Path,
    as_of_date: date,
    *,
    suites: Sequence[Suite] | None = None,
) -> Path:
    """Write ``index.html``, a page per suite that ran and their static files into out_dir.

    ``results`` and the files in ``validations_dir`` are those of one ``run_suites`` of
    ``as_of_date``. Earlier pages in out_dir are replaced. Returns the path of the index.
    Raises KeyError for a result of a suite that is not among ``suites`` (default: all).
    """
    known = {s.name: s for s in (load_suites() if suites is None else suites)}
    pages = _suite_pages(results, validations_dir, known, as_of_date)
    for folder in ("suites", "static"):
        shutil.rmtree(out_dir / folder, ignore_errors=True)
        (out_dir / folder).mkdir(parents=True)
    shutil.copyfile(_bootstrap_css(), out_dir / "static" / "bootstrap.min.css")
    shutil.copyfile(THEME_DIR / "page.css", out_dir / "static" / "page.css")

    view = _view()
    for page in pages:
        if page.page:
            validation = json.loads((validations_dir / f"{page.name}.json").read_text(encoding="utf-8"))
            html = view.render(_document(validation), "suite.j2", suite=page, as_of_date=as_of_date, root="../")
            (out_dir / page.page).write_text(html, encoding="utf-8")
    links = {p.name: p.page for p in pages}
    failures = [
        {**vars(r), "page": links[r.suite]}
        for r in sorted(results, key=lambda r: r.severity != "block")
        if r.status in {"fail", "error"}
    ]
    index = out_dir / "index.html"
    index.write_text(
        _index_template().render(suites=pages, groups=_GROUPS, failures=failures, as_of_date=as_of_date, root=""),
        encoding="utf-8",
    )
    return index


def _suite_pages(
    results: Sequence[ExpectationResult],
    validations_dir: Path,
    known: dict[str, Suite],
    as_of_date: date,
) -> list[_SuitePage]:
    by_suite: dict[str, list[ExpectationResult]] = {}
    for result in results:
        by_suite.setdefault(result.suite, []).append(result)
    pages = []
    for name, own in by_suite.items():
        suite = known[name]
        ran = (validations_dir / f"{name}.json").is_file()
        pages.append(
            _SuitePage(
                name=name,
                group=name.split(".")[0],
                title_en=suite.title.en,
                title_zh=suite.title.zh,
                table=suite.table,
                filter=suite.filter_at(as_of_date),
                owner=suite.owner,
                outcome=_outcome(own),
                failed=sum(r.status in {"fail", "error"} for r in own),
                total=len(own),
                block_count=sum(r.severity == "block" for r in own),
                warn_count=sum(r.severity == "warn" for r in own),
                page=f"suites/{name}.html" if ran else "",
            )
        )
    return pages


def _outcome(results: Sequence[ExpectationResult]) -> Outcome:
    bad = [r for r in results if r.status in {"fail", "error"}]
    if any(r.severity == "block" for r in bad):
        return "blocked"
    if bad:
        return "warned"
    return "skipped" if all(r.status == "skipped" for r in results) else "passed"


def _document(validation: dict[str, Any]) -> Any:
    """One table for a suite: Great Expectations' own row per expectation, with its reading."""
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.render import RenderedDocumentContent, RenderedSectionContent
    from great_expectations.render.renderer.content_block import (
        ValidationResultsTableContentBlockRenderer,
    )

    outcomes = expectationSuiteValidationResultSchema.load(validation).results
    block = ValidationResultsTableContentBlockRenderer.render(outcomes)
    block.header_row = ["", "Reading 含义", "Severity 级别", "Observed 结果"]
    block.header_row_options = {}
    block.table = [
        [status, [*_reading(outcome), *_rule(rule)], _severity(outcome), observed]
        for outcome, (status, rule, observed) in zip(outcomes, block.table, strict=True)
    ]
    section = RenderedSectionContent(section_name="Expectations", content_blocks=[block])
    return RenderedDocumentContent(renderer_type="ValidationResultsPageRenderer", sections=[section])


def _rule(cell: Any) -> list[Any]:
    """The rule as Great Expectations words it, and what broke it (a list of its own then)."""
    parts = cell if isinstance(cell, list) else [cell]
    # A traceback would fold out here; results keep none, since it may quote data.
    return [p for p in parts if p.content_block_type != "collapse"]


def _reading(outcome: Any) -> list[Any]:
    meta = outcome.expectation_config.meta
    return [_text(meta["en"]), _text(meta["zh"], attributes={"lang": "zh"})]


def _severity(outcome: Any) -> Any:
    severity = outcome.expectation_config.meta["severity"]
    text, look = ("block 拦截", "badge-dark") if severity == "block" else ("warn 提示", "badge-light")
    return _text(text, tag="span", classes=["badge", look])


def _text(
    text: str,
    *,
    tag: str = "p",
    classes: list[str] | None = None,
    attributes: dict[str, str] | None = None,
) -> Any:
    from great_expectations.render import RenderedStringTemplateContent

    return RenderedStringTemplateContent(
        string_template={
            "template": "$text",
            "params": {"text": text},
            "tag": tag,
            "styling": {"classes": classes or [], "attributes": attributes or {}},
        }
    )


def _index_template() -> Template:
    loader = FileSystemLoader(THEME_DIR)
    return Environment(loader=loader, autoescape=True).get_template("index.j2")


def _view() -> Any:
    from great_expectations.render.view import DefaultJinjaPageView

    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([FileSystemLoader(THEME_DIR), view.env.loader])
    return view


def _bootstrap_css() -> Path:
    spec = importlib.util.find_spec("flask_bootstrap")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("Bootstrap-Flask is not installed; install the project again")
    return Path(spec.submodule_search_locations[0]) / "static/bootstrap4/css/bootstrap.min.css"
