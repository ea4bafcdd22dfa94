"""Raw feeds: one asset each, landed together, since acceptance of a feed never waits for another."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import dagster as dg

from orchestration.defs.partitions import BUSINESS_DATES, ONE_RUN, WRITER_POOL
from orchestration.defs.session import BuildSession
from orchestration.lib.contracts import Feed, load_contracts
from orchestration.lib.landing import LandingReport, land
from orchestration.progress import MARK


def raw_key(feed: Feed) -> dg.AssetKey:
    return dg.AssetKey(["raw", feed.raw_table])


def _specs() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            key=raw_key(feed),
            group_name=f"land_{feed.system}",
            description=f"{feed.description}\n\nGrain: {feed.grain}",
            owners=[f"team:{feed.owner}"],
            kinds={"parquet"},
            metadata={
                "expected": feed.expected,
                "compulsory": feed.compulsory,
                "contract_version": feed.version,
            },
        )
        for feed in load_contracts().values()
    ]


def _feed_metadata(feed: Feed, report: LandingReport) -> dict[str, dg.MetadataValue]:
    accepted = [b for b in report.accepted if b.feed_id == feed.feed_id]
    rejected = [b for b in report.rejected if b.feed_id == feed.feed_id]
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(sum(b.row_count for b in accepted)),
        "batches_accepted": dg.MetadataValue.int(len(accepted)),
        "batches_rejected": dg.MetadataValue.int(len(rejected)),
        "rows_quarantined": dg.MetadataValue.int(sum(b.quarantined_count for b in accepted)),
    }
    if rejected:
        lines = "\n".join(f"- `{b.batch_id}`: {b.reason}" for b in rejected)
        metadata["rejections"] = dg.MetadataValue.md(lines)
    if accepted and accepted[-1].control_totals:
        last = max(accepted, key=lambda b: b.business_date)
        lines = "\n".join(
            f"| {column} | {by} | {Decimal(total):,.2f} |"
            for column, totals in last.control_totals.items()
            for by, total in totals.items()
        )
        metadata["money_of_last_batch"] = dg.MetadataValue.md(f"| column | by | total |\n|---|---|---|\n{lines}")
    return metadata


@dg.multi_asset(
    name="land_deliveries",
    specs=_specs(),
    partitions_def=BUSINESS_DATES,
    backfill_policy=ONE_RUN,
    pool=WRITER_POOL,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
)
def land_deliveries(context: dg.AssetExecutionContext, session: BuildSession) -> Iterator[dg.MaterializeResult[None]]:
    """Judge and store every complete delivery up to the last partition of the run."""
    through = date.fromisoformat(context.partition_key_range.end)
    report = land(
        session.home,
        session.landing,
        through=through,
        progress=lambda text: context.log.info(MARK + text),
    )
    for batch in report.rejected:
        context.log.error(f"{MARK}rejected {batch.batch_id}: {batch.reason}")
    context.log.info(
        f"{MARK}{len(report.accepted)} deliveries accepted, {len(report.rejected)} rejected, {report.unchanged} known"
    )
    for feed in load_contracts().values():
        yield dg.MaterializeResult(asset_key=raw_key(feed), metadata=_feed_metadata(feed, report))
