"""The verdict of a build. It stops the run when a blocking check failed."""

from collections import Counter

import dagster as dg

from orchestration.defs.partitions import BUSINESS_DATES, ONE_RUN, WRITER_POOL
from orchestration.defs.session import BuildSession
from orchestration.defs.warehouse import build_warehouse
from orchestration.lib.audit import Verdict, audit
from orchestration.lib.contracts import load_contracts
from orchestration.lib.home import Home


def verdict_metadata(home: Home, verdict: Verdict) -> dict[str, dg.MetadataValue]:
    """Counts by status, the checks that are not green, and where the Data Docs are."""
    statuses = Counter(check.status for check in verdict.checks)
    lines = "\n".join(
        f"| {c.check_name} | {c.severity} | {c.status} | {c.failed_count} | {c.owner} | {c.detail} |"
        for c in verdict.checks
        if c.status != "pass"
    )
    docs = home.builds / verdict.build_id / "data_docs" / "index.html"
    return {
        "build_id": dg.MetadataValue.text(verdict.build_id),
        "checks": dg.MetadataValue.int(len(verdict.checks)),
        **{f"checks_{status}": dg.MetadataValue.int(count) for status, count in sorted(statuses.items())},
        "not_green": dg.MetadataValue.md(
            f"| check | severity | status | failed | owner | detail |\n|---|---|---|---|---|---|\n{lines}"
            if lines
            else "none"
        ),
        "data_docs": dg.MetadataValue.url(docs.as_uri()),
        **{name: dg.MetadataValue.int(count) for name, count in verdict.counts.items()},
    }


@dg.asset(
    key=dg.AssetKey(["audit", "verdict"]),
    deps=list(build_warehouse.keys),
    group_name="audit",
    kinds={"greatexpectations"},
    owners=["team:data_quality"],
    partitions_def=BUSINESS_DATES,
    backfill_policy=ONE_RUN,
    pool=WRITER_POOL,
)
def verdict(context: dg.AssetExecutionContext, session: BuildSession) -> dg.MaterializeResult[None]:
    """Every check of the build, on the data where it lies, and one answer: whether readers may see it."""
    build_id = session.build_id()
    result = audit(session.home, build_id, load_contracts(), session.home.root / "dbt_target")
    metadata = verdict_metadata(session.home, result)
    if not result.is_passed:
        raise dg.Failure(result.reasons(), metadata=metadata, allow_retries=False)
    return dg.MaterializeResult(metadata=metadata)
