"""The daily job, what starts it, and who hears when it fails."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.defs.partitions import BUSINESS_DATES
from orchestration.defs.session import BuildSession
from orchestration.lib.alerts import Alert, NotDelivered, causes, notify
from orchestration.lib.contracts import load_contracts
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.journal import Journal
from orchestration.lib.service_level import FEEDS_DUE
from orchestration.lib.webhook import webhook

daily_build = dg.define_asset_job(
    "daily_build",
    selection=dg.AssetSelection.all(),
    partitions_def=BUSINESS_DATES,
    description="Land, plan, build, audit and publish up to a business date.",
)


def missing_feeds(session: BuildSession, business_date: date) -> list[str]:
    """Daily compulsory feeds whose manifest for a date is not in the landing folder."""
    return [
        feed.feed_id
        for feed in load_contracts().values()
        if feed.compulsory == "daily"
        and not (session.landing / feed.system / feed.entity / business_date.isoformat() / MANIFEST).exists()
    ]


def next_business_date(session: BuildSession) -> date | None:
    """The day after the last published one; None before the first publish."""
    published = Journal(session.home.journal).last_published()
    return date.fromisoformat(published["as_of_date"]) + timedelta(days=1) if published else None


@dg.sensor(job=daily_build, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED)
def compulsory_feeds_arrived(
    context: dg.SensorEvaluationContext, session: BuildSession
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Start a business date as soon as the manifests of its compulsory feeds are complete."""
    day = next_business_date(session)
    if day is None:
        yield dg.SkipReason("nothing is published yet: start the first build by hand or with `tierhouse run`")
        return
    missing = missing_feeds(session, day)
    if missing:
        yield dg.SkipReason(f"{day}: waiting for {', '.join(missing)}")
        return
    yield dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())


@dg.schedule(
    job=daily_build,
    cron_schedule=f"{FEEDS_DUE.minute} {FEEDS_DUE.hour} * * *",
    execution_timezone="Asia/Shanghai",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def daily_at_six(context: dg.ScheduleEvaluationContext, session: BuildSession) -> dg.RunRequest | dg.SkipReason:
    """At 06:00 yesterday must be built. If a compulsory feed is missing the run fails by its name."""
    day = context.scheduled_execution_time.date() - timedelta(days=1)
    upcoming = next_business_date(session)
    if upcoming is not None and upcoming > day:
        return dg.SkipReason(f"{day} is published already")
    return dg.RunRequest(partition_key=day.isoformat())


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def alerts(context: dg.SensorEvaluationContext, session: BuildSession) -> dg.SkipReason:
    """Say what began, changed or ended: to the log, and to TIERHOUSE_ALERT_WEBHOOK when it is set."""
    post = webhook(os.environ)

    def deliver(alert: Alert) -> None:
        context.log.error(alert.text)
        if post is not None:
            post(alert)

    try:
        told = notify(
            session.home, lambda: causes(session.home, load_contracts(), datetime.now(UTC), session.landing), deliver
        )
    except NotDelivered as error:
        context.log.error(str(error))
        return dg.SkipReason(str(error))
    return dg.SkipReason(f"{len(told)} alerts sent")
