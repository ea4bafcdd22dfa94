"""One root cause is one alert to its owner when it begins, changes and ends, in the form that the receiver takes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.defs import jobs
from orchestration.defs.session import BuildSession
from orchestration.lib import publish
from orchestration.lib.alerts import Alert, Cause, NotDelivered, causes, notify
from orchestration.lib.audit import DID_NOT_RUN, FAIL, Check, Verdict
from orchestration.lib.contracts import load_contracts
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.json_lines import append_lines
from orchestration.lib.ledger import ACCEPTED, REJECTED, Batch, Ledger
from orchestration.lib.marts import PartitionHashes
from orchestration.lib.service_level import is_expected
from orchestration.lib.webhook import FORMATS, AlertSettingError, webhook

MONDAY, TUESDAY = date(2026, 5, 11), date(2026, 5, 12)
CUSTOMERS = "core_banking.customers"
DEPOSITS = "core_banking.deposit_accounts"
SECRET_WORD = "王小明 110101199003070011"


class Robot:
    """A receiver on this machine: keeps what it is sent, and answers what it is told to."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.answer, self.status = b'{"errcode": 0, "errmsg": "ok"}', 200
        robot = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                robot.received.append((self.path, json.loads(body)))
                self.send_response(robot.status)
                self.end_headers()
                self.wfile.write(robot.answer)

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook?access_token=t0ken"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def robot() -> Iterator[Robot]:
    server = Robot()
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A deployment that published Monday in time, and has every delivery of Tuesday."""
    home = Home(tmp_path / "home")
    show(home, 1, MONDAY)
    feeds = load_contracts().values()
    Ledger(home.ledger).append([batch(f.feed_id, MONDAY) for f in feeds])
    Ledger(home.ledger).append([batch(f.feed_id, TUESDAY) for f in feeds if is_expected(f, TUESDAY)])
    return home


def batch(feed_id: str, day: date, *, number: int = 1, status: str = ACCEPTED) -> Batch:
    system, entity = feed_id.split(".")
    return Batch(
        f"{feed_id}.{day}.{number}", system, entity, day, number, "full", status, 1, 0, {}, "", "", reason=SECRET_WORD
    )


def without(home: Home, *feed_ids: str) -> None:
    """Take Tuesday's deliveries of feeds out of the ledger."""
    kept = [b for b in Ledger(home.ledger).batches() if b.business_date != TUESDAY or b.feed_id not in feed_ids]
    home.ledger.unlink()
    Ledger(home.ledger).append(kept)


def show(home: Home, version: int, as_of: date, **more: Any) -> None:
    log = publish.read_publish_log(home)
    entry = {
        "version": version, "build_id": f"b{version}", "as_of_date": as_of.isoformat(), "first_date": "2026-05-11",
        "published_at": "2026-05-12T00:00:00+00:00", "previous_hash": log[-1]["entry_hash"] if log else "",
    } | more  # fmt: skip
    append_lines(home.publish_log, [entry | {"entry_hash": publish._entry_hash(entry)}])
    if not more:
        Journal(home.journal).append({"event": "published", "version": version, "build_id": entry["build_id"]})


def stop_build(home: Home, build_id: str, *checks: Check) -> None:
    verdict = Verdict(build_id, TUESDAY, False, checks, {}, {}, PartitionHashes({}, {}, {}))
    path = Verdict.path(home, build_id)
    path.parent.mkdir(parents=True)
    path.write_text(verdict.to_json(), "utf-8")
    Journal(home.journal).append({"event": "failed", "build_id": build_id, "checks": verdict.blocking()})


def failed(name: str, owner: str, count: int = 1, detail: str = SECRET_WORD) -> Check:
    return Check(name, "block", FAIL, count, owner, "", detail)


def at(hour: str, day: int = 13) -> datetime:
    return datetime.fromisoformat(f"2026-05-{day} {hour}").replace(tzinfo=UTC) - timedelta(hours=8)


def told(home: Home, now: datetime) -> list[Alert]:
    taken: list[Alert] = []
    notify(home, lambda: causes(home, load_contracts(), now), taken.append)
    return taken


def states(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(a.state, a.cause.kind) for a in alerts]


def test_nothing_is_wrong_before_anything_is_due(home: Home) -> None:
    assert told(home, at("06:59")) == []


def test_a_rejected_batch_is_one_alert_though_build_and_version_are_late_for_it(home: Home) -> None:
    without(home, CUSTOMERS)
    Ledger(home.ledger).append([batch(CUSTOMERS, TUESDAY, status=REJECTED)])
    first = told(home, at("05:00"))
    assert states(first) == [("open", "rejected_batch")]
    assert first[0].cause.owner == load_contracts()[CUSTOMERS].owner
    assert first[0].cause.owner in first[0].text
    for hour in ("06:30", "07:30", "23:00"):
        assert told(home, at(hour)) == []  # late feed, late build and missed 07:00 are its consequences
    Ledger(home.ledger).append([batch(CUSTOMERS, TUESDAY, number=2)])
    show(home, 2, TUESDAY)
    assert states(told(home, at("23:10"))) == [("resolved", "rejected_batch")]
    assert told(home, at("23:20")) == []


def test_checks_of_one_owner_are_one_alert_and_those_behind_them_none(home: Home) -> None:
    stop_build(home, "x1", failed("drift.rows.a", "retail"), failed("drift.keys.a", "retail"),
               failed("dbt.model.later", "warehouse", detail=DID_NOT_RUN))  # fmt: skip
    alerts = told(home, at("08:00"))
    assert [(a.state, a.cause.owner, a.cause.subjects) for a in alerts] == [
        ("open", "retail", ("drift.keys.a (1)", "drift.rows.a (1)"))
    ]
    stop_build(home, "x2", failed("drift.rows.a", "retail"), failed("drift.keys.a", "retail"))
    assert told(home, at("08:10")) == []
    stop_build(home, "x3", failed("drift.rows.a", "retail", count=7))
    assert states(told(home, at("08:20"))) == [("changed", "failed_check")]
    show(home, 2, TUESDAY)
    assert states(told(home, at("08:30"))) == [("resolved", "failed_check")]


def test_a_late_feed_is_told_after_six_to_the_owner_of_its_contract(home: Home) -> None:
    without(home, DEPOSITS)
    assert told(home, at("06:00")) == []
    alerts = told(home, at("06:01"))
    assert states(alerts) == [("open", "late_feed")]
    assert (alerts[0].cause.owner, alerts[0].cause.subjects) == (load_contracts()[DEPOSITS].owner, (DEPOSITS,))
    assert told(home, at("07:30")) == []


def test_what_lies_in_the_landing_folder_is_not_late(home: Home, tmp_path: Path) -> None:
    without(home, DEPOSITS)
    folder = tmp_path / "core_banking" / "deposit_accounts" / TUESDAY.isoformat()
    folder.mkdir(parents=True)
    (folder / "_manifest.json").write_text("{}")
    assert causes(home, load_contracts(), at("06:01"), tmp_path) == []


def test_a_day_of_which_nothing_came_is_one_alert(home: Home) -> None:
    without(home, *load_contracts())
    assert states(told(home, at("09:00"))) == [("open", "late_feed")]


def test_a_version_that_is_late_for_no_other_cause_is_the_warehouses(home: Home) -> None:
    assert told(home, at("07:00")) == []
    alerts = told(home, at("07:01"))
    assert states(alerts) == [("open", "missed_sla")]
    assert alerts[0].cause.owner == "warehouse"
    show(home, 2, TUESDAY)
    assert states(told(home, at("07:30"))) == [("resolved", "missed_sla")]


def test_readers_who_were_taken_back_to_an_older_day_are_a_missed_service_level(home: Home) -> None:
    show(home, 2, TUESDAY)
    show(home, 3, MONDAY, restored_version=1)
    assert states(told(home, at("07:01"))) == [("open", "missed_sla")]


def test_no_alert_holds_the_text_of_an_error(home: Home) -> None:
    Ledger(home.ledger).append([replace(batch(CUSTOMERS, TUESDAY, number=2, status=REJECTED), reason=SECRET_WORD)])
    stop_build(home, "x1", failed("drift.rows.a", "retail"))
    alerts = told(home, at("08:00"))
    assert len(alerts) == 2
    for alert in alerts:
        for form in FORMATS.values():
            assert SECRET_WORD not in json.dumps(form(alert), ensure_ascii=False)
    assert SECRET_WORD not in home.alerts.read_text("utf-8")


ALERT = Alert("open", Cause("late_feed:loan:credit", "late_feed", "credit", "2026-05-12", ("loan.loans", "a<b & c")))


def test_the_generic_form_is_the_cause_field_by_field(robot: Robot) -> None:
    post = webhook({"TIERHOUSE_ALERT_WEBHOOK": robot.address})
    assert post is not None
    post(ALERT)
    [(_, body)] = robot.received
    assert {k: body[k] for k in ("state", "kind", "owner", "business_date", "subjects")} == {
        "state": "open", "kind": "late_feed", "owner": "credit", "business_date": "2026-05-12",
        "subjects": ["loan.loans", "a<b & c"],
    }  # fmt: skip


@pytest.mark.parametrize("form", ["wecom", "dingtalk"])
def test_wecom_and_dingtalk_take_a_text_with_content(robot: Robot, form: str) -> None:
    post = webhook({"TIERHOUSE_ALERT_WEBHOOK": robot.address, "TIERHOUSE_ALERT_FORMAT": form})
    assert post is not None
    post(ALERT)
    assert robot.received == [("/hook?access_token=t0ken", {"msgtype": "text", "text": {"content": ALERT.text}})]


def test_slack_takes_a_text_with_its_three_signs_escaped(robot: Robot) -> None:
    robot.answer = b"ok"
    post = webhook({"TIERHOUSE_ALERT_WEBHOOK": robot.address, "TIERHOUSE_ALERT_FORMAT": "slack"})
    assert post is not None
    post(ALERT)
    [(_, body)] = robot.received
    assert body.keys() == {"text"}
    assert "a&lt;b &amp; c" in body["text"]


def test_dingtalk_messages_are_signed_as_the_robot_checks_them(robot: Robot) -> None:
    key = "SEC" + "0" * 8
    post = webhook({
        "TIERHOUSE_ALERT_WEBHOOK": robot.address, "TIERHOUSE_ALERT_FORMAT": "dingtalk", "TIERHOUSE_ALERT_SECRET": key,
    })  # fmt: skip
    assert post is not None
    post(ALERT)
    query = parse_qs(urlsplit(robot.received[0][0]).query)
    assert query["access_token"] == ["t0ken"]
    [stamp], [sign] = query["timestamp"], query["sign"]
    expected = hmac.digest(key.encode(), stamp.encode() + b"\n" + key.encode(), hashlib.sha256)
    assert base64.b64decode(sign, validate=True) == expected
    assert len(stamp) == 13  # milliseconds


@pytest.mark.parametrize("answer", [b'{"errcode": 310000, "errmsg": "sign not match"}', b"<html>"])
def test_a_robot_that_answers_200_and_refuses_has_not_taken_the_alert(robot: Robot, answer: bytes) -> None:
    robot.answer = answer
    post = webhook({"TIERHOUSE_ALERT_WEBHOOK": robot.address, "TIERHOUSE_ALERT_FORMAT": "wecom"})
    assert post is not None
    with pytest.raises(NotDelivered):
        post(ALERT)


def test_a_dead_server_loses_no_alert_and_its_address_is_not_told(home: Home, robot: Robot) -> None:
    without(home, DEPOSITS)
    post = webhook({"TIERHOUSE_ALERT_WEBHOOK": robot.address})
    dead = webhook({"TIERHOUSE_ALERT_WEBHOOK": "http://127.0.0.1:1/hook?access_token=t0ken"})
    assert post is not None
    assert dead is not None

    def find() -> list[Cause]:
        return causes(home, load_contracts(), at("06:01"))

    with pytest.raises(NotDelivered) as error:
        notify(home, find, dead)
    assert "t0ken" not in str(error.value)
    robot.status = 500
    with pytest.raises(NotDelivered):
        notify(home, find, post)
    robot.status = 200
    robot.received.clear()
    notify(home, find, post)
    notify(home, find, post)
    assert [body["kind"] for _, body in robot.received] == ["late_feed"]


@pytest.mark.parametrize(
    "settings",
    [
        {"TIERHOUSE_ALERT_WEBHOOK": "http://127.0.0.1:1/", "TIERHOUSE_ALERT_FORMAT": "teams"},
        {"TIERHOUSE_ALERT_WEBHOOK": "file:///etc/passwd"},
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, str]) -> None:
    with pytest.raises(AlertSettingError, match="TIERHOUSE_ALERT_"):
        webhook(settings)


def test_no_address_means_no_webhook() -> None:
    assert webhook({}) is None


def test_the_command_sends_once_and_says_which_setting_is_missing(
    home: Home, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_build(home, "x1", failed("drift.rows.a", "retail"))
    command = ["alerts", "--send", "--home", str(home.root)]
    monkeypatch.delenv("TIERHOUSE_ALERT_WEBHOOK", raising=False)
    unset = CliRunner().invoke(app, command)
    assert unset.exit_code == 1
    assert "TIERHOUSE_ALERT_WEBHOOK" in unset.output
    monkeypatch.setenv("TIERHOUSE_ALERT_WEBHOOK", robot.address)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, command).exit_code == 0
    assert [body["kind"] for _, body in robot.received].count("failed_check") == 1


def test_the_sensor_outlives_a_dead_server_and_tells_what_is_owed_when_it_is_back(
    home: Home, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_build(home, "x1", failed("drift.rows.a", "retail"))
    session = BuildSession(home_path=str(home.root), landing_path=str(home.root))

    def tick() -> str:
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, resources={"session": session}) as context,
        ):
            return str(jobs.alerts.evaluate_tick(context).skip_message)

    monkeypatch.setenv("TIERHOUSE_ALERT_WEBHOOK", "http://127.0.0.1:1/")
    assert "sent again" in tick()
    monkeypatch.setenv("TIERHOUSE_ALERT_WEBHOOK", robot.address)
    tick()
    assert tick() == "0 alerts sent"
    assert [body["kind"] for _, body in robot.received].count("failed_check") == 1
