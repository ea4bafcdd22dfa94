"""Alerts by webhook: generic JSON, or the form of a WeCom, DingTalk or Slack robot.

``TIERHOUSE_ALERT_WEBHOOK``: the address. ``TIERHOUSE_ALERT_FORMAT``: generic (default), wecom, dingtalk or slack.
``TIERHOUSE_ALERT_SECRET``: the key of a DingTalk robot that wants signed messages.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http.client import HTTPException
from typing import Any

from orchestration.lib.alerts import Alert, NotDelivered

WEBHOOK, FORMAT, KEY = "TIERHOUSE_ALERT_WEBHOOK", "TIERHOUSE_ALERT_FORMAT", "TIERHOUSE_ALERT_SECRET"
TIMEOUT_SECONDS = 10


def _generic(alert: Alert) -> dict[str, Any]:
    return {"state": alert.state, **asdict(alert.cause), "text": alert.text}


def _robot(alert: Alert) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": alert.text}}


def _slack(alert: Alert) -> dict[str, Any]:
    return {"text": alert.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


FORMATS: dict[str, Callable[[Alert], dict[str, Any]]] = {
    "generic": _generic,
    "wecom": _robot,
    "dingtalk": _robot,
    "slack": _slack,
}


class AlertSettingError(ValueError):
    """A setting of the webhook that cannot be used."""


def _signed(address: str, key: str, milliseconds: int) -> str:
    """DingTalk's signature: HMAC-SHA256 of the time, a newline and the key, with the key, as Base64."""
    digest = hmac.new(key.encode(), f"{milliseconds}\n{key}".encode(), hashlib.sha256).digest()
    query = urllib.parse.urlencode({"timestamp": milliseconds, "sign": base64.b64encode(digest).decode()})
    return f"{address}{'&' if '?' in address else '?'}{query}"


def webhook(settings: Mapping[str, str]) -> Callable[[Alert], None] | None:
    """What posts an alert, None without an address. Raises AlertSettingError."""
    address, form, key = settings.get(WEBHOOK, ""), settings.get(FORMAT) or "generic", settings.get(KEY, "")
    if form not in FORMATS:
        raise AlertSettingError(f"{FORMAT}: expected {', '.join(FORMATS)}, found {form!r}")
    if not address:
        return None
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise AlertSettingError(f"{WEBHOOK}: expected an address that begins with https:// or http://")

    def deliver(alert: Alert) -> None:
        target = _signed(address, key, time.time_ns() // 1_000_000) if form == "dingtalk" and key else address
        body = json.dumps(FORMATS[form](alert), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(target, body, headers)  # noqa: S310  (the operator's own setting)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                answer = response.read()
        except urllib.error.HTTPError as error:
            raise NotDelivered(f"the webhook answered {error.code}; the alert is sent again") from None
        except (OSError, HTTPException, ValueError):
            raise NotDelivered("the webhook does not answer; the alert is sent again") from None
        if form in ("wecom", "dingtalk") and (code := _error_code(answer)):
            raise NotDelivered(f"the robot refused the alert with errcode {code}; the alert is sent again")

    return deliver


def _error_code(answer: bytes) -> Any:
    """Robots answer 200 whatever happens; 0 is success."""
    try:
        return json.loads(answer)["errcode"]
    except (ValueError, KeyError, TypeError):
        return "of another form"
