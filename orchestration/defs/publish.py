"""The version that readers see, with the pictures a data engineer looks at first."""

import base64
import io
import os
from datetime import date
from decimal import Decimal

import dagster as dg
import duckdb

from orchestration.defs.audit import verdict
from orchestration.defs.partitions import BUSINESS_DATES, ONE_RUN, WRITER_POOL
from orchestration.defs.session import BuildSession
from orchestration.lib.home import Home
from orchestration.lib.policies import load_policies
from orchestration.lib.postgres.load import URL, PostgresError, load_when_set
from orchestration.lib.publish import publish
from orchestration.lib.warehouse import apply_retention


def _picture(figure: object) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")  # type: ignore[attr-defined]
    text = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![picture](data:image/png;base64,{text})")


def aum_trend(rows: list[tuple[date, Decimal]]) -> dg.MarkdownMetadataValue:
    """AUM by business date (CNY 100 million) as a picture."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6))
    axes = figure.subplots()
    axes.plot(
        np.array([day for day, _ in rows], dtype="datetime64[D]"),
        [float(value) / 1e8 for _, value in rows],
        color="#1f5fa8",
        linewidth=1.5,
    )
    axes.set_ylabel("AUM, CNY 100 million")
    axes.grid(alpha=0.3)
    figure.autofmt_xdate()
    return _picture(figure)


def tier_pyramid(rows: list[tuple[str, int]]) -> dg.MarkdownMetadataValue:
    """Customers by tier, highest on top, as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6))
    axes = figure.subplots()
    bars = axes.barh([name for name, _ in rows], [count for _, count in rows], color="#b5862b")
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set_xlabel("customers")
    return _picture(figure)


def publish_metadata(home: Home, version: int) -> dict[str, dg.MetadataValue]:
    folder = home.published / str(version)
    con = duckdb.connect(str(folder / "marts.duckdb"), read_only=True)
    try:
        totals = con.execute(
            "select count(*), sum(aum_cny), count(*) filter (is_in_scope) from assets.customer_assets"
        ).fetchall()[0]
        tiers = con.execute(
            "select tier_code, count(*) from tiering.customer_tier where tier_rank > 0 and scheme_code = ? "
            "group by tier_code, tier_rank order by tier_rank",
            [load_policies().primary.scheme_code],
        ).fetchall()
        trend = con.execute(
            "select business_date, sum(balance_cny) from assets.branch_assets_daily "
            "where product_family not in ('loan', 'card') group by business_date order by business_date"
        ).fetchall()
    finally:
        con.close()
    return {
        "version": dg.MetadataValue.int(version),
        "dagster/row_count": dg.MetadataValue.int(totals[0]),
        "aum_cny": dg.MetadataValue.text(f"{totals[1]:,.2f}"),
        "customers_in_scope": dg.MetadataValue.int(totals[2]),
        "tier_pyramid": tier_pyramid(tiers),
        "aum_trend": aum_trend(trend),
        "marts": dg.MetadataValue.path(folder / "marts.duckdb"),
        "data_docs": dg.MetadataValue.url((folder / "data_docs" / "index.html").as_uri()),
    }


@dg.asset(
    key=dg.AssetKey(["published", "version"]),
    deps=[verdict],
    group_name="publish",
    kinds={"duckdb", "parquet"},
    owners=["team:warehouse"],
    partitions_def=BUSINESS_DATES,
    backfill_policy=ONE_RUN,
    pool=WRITER_POOL,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
)
def version(context: dg.AssetExecutionContext, session: BuildSession) -> dg.MaterializeResult[None]:
    """All marts of one build at once: a new folder, a line in the publish log, the pointer moved."""
    record = session.record()
    number = publish(session.home, record.build_id)
    apply_retention(session.home, record.as_of_date, record.first_date)
    return dg.MaterializeResult(metadata=publish_metadata(session.home, number))


@dg.asset(
    key=dg.AssetKey(["published", "postgres"]),
    deps=[version],
    group_name="publish",
    kinds={"postgres"},
    owners=["team:warehouse"],
    partitions_def=BUSINESS_DATES,
    backfill_policy=ONE_RUN,
    pool=WRITER_POOL,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
)
def postgres(context: dg.AssetExecutionContext, session: BuildSession) -> dg.MaterializeResult[None]:
    """The published version in PostgreSQL, where each reader sees his own rows; nothing when none is set up."""
    try:
        loaded = load_when_set(session.home, os.environ)
    except PostgresError as error:
        raise dg.Failure(
            f"{error} (the version is published in files; `tierhouse postgres load` brings it to PostgreSQL)"
        ) from error
    if loaded is None:
        return dg.MaterializeResult(metadata={"target": f"{URL} is not set"})
    return dg.MaterializeResult(metadata={name: dg.MetadataValue.int(number) for name, number in loaded.items()})
