"""Two versions of a scheme in one quarter: each month is judged by its own, and history says who moved by policy."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.planning import DAY
from orchestration.lib.policies import PolicySet, load_policies
from orchestration.lib.policies.trial import Trial
from tests.policies.replay import assets, evaluated, month_ends, only
from tests.policies.support import PRIMARY, Edit, edit

WAN = 10_000
# The second version holds from the second month of the second quarter on.
MARCH, APRIL, MAY, JUNE = month_ends(6)[2:]
CHANGE = date(2025, 5, 1)
V1, V2 = f"{PRIMARY}@1", f"{PRIMARY}@2"


def with_second_version(directory: Path, change: Edit, name: str = PRIMARY) -> PolicySet:
    """The shipped scheme until CHANGE, and from then on the same with a change."""

    def add(content: dict[str, Any]) -> None:
        (first,) = content["versions"]
        second = {**deepcopy(first), "version": "2", "effective_from": CHANGE, "author": "another_desk"}
        first["effective_to"] = CHANGE
        change(second)
        content["versions"].append(second)

    edit(directory, name, add)
    return only(load_policies(directory), name)


def cut_at(version: dict[str, Any], number: int, value: str) -> None:
    """Move the cut between a tier and the one below it."""
    version["tiers"][number]["lower"]["value"] = value
    version["tiers"][number - 1]["upper"]["value"] = value


def put(trial: Trial, values: dict[str, list[int]]) -> None:
    """Customers' assets from MARCH on."""
    for name, months in values.items():
        trial.put(
            "fct_month_measure", [assets(d, name, v) for d, v in zip((MARCH, APRIL, MAY, JUNE), months, strict=True)]
        )


def test_each_month_uses_the_version_in_force_and_movers_are_marked(trial: Trial, directory: Path) -> None:
    put(
        trial,
        {
            "between the cuts": [9 * WAN] * 4,
            "above both": [15 * WAN] * 4,
            "below both": [6 * WAN] * 4,
            "rises later": [6 * WAN, 6 * WAN, 6 * WAN, 15 * WAN],
        },
    )

    trial.replay(with_second_version(directory, lambda v: cut_at(v, 1, "8万")), [MARCH, APRIL, MAY, JUNE], "versions")

    columns = ["tier_code", "policy_version", "change_kind", "previous_tier_code", "valid_from"]
    found = evaluated(trial, "versions", PRIMARY, columns)
    april = APRIL + DAY
    assert {key: row[:3] for key, row in found.items() if key[0] != MARCH} == {
        (APRIL, "between the cuts"): ("staff_maintained", V1, None),
        (MAY, "between the cuts"): ("lobby_adopted", V2, "policy"),
        (JUNE, "between the cuts"): ("lobby_adopted", V2, None),
        (APRIL, "above both"): ("lobby_adopted", V1, None),
        (MAY, "above both"): ("lobby_adopted", V2, None),
        (JUNE, "above both"): ("lobby_adopted", V2, None),
        (APRIL, "below both"): ("staff_maintained", V1, None),
        (MAY, "below both"): ("staff_maintained", V2, None),
        (JUNE, "below both"): ("staff_maintained", V2, None),
        (APRIL, "rises later"): ("staff_maintained", V1, None),
        (MAY, "rises later"): ("staff_maintained", V2, None),
        (JUNE, "rises later"): ("lobby_adopted", V2, "upgrade"),
    }
    # A tier evaluated on 31 May holds from 1 June; who did not move keeps the day he came.
    assert found[MAY, "between the cuts"][3:] == ("staff_maintained", MAY + DAY)
    assert found[JUNE, "above both"][4] < april


def test_a_version_that_ends_between_changes_nothing_of_the_months_before(trial: Trial, directory: Path) -> None:
    put(trial, {str(value): [value] * 4 for value in range(4 * WAN, 30 * WAN, 7_000)})
    days = [MARCH, APRIL, MAY, JUNE]
    trial.replay(only(load_policies(), PRIMARY), days, "one")
    trial.replay(with_second_version(directory, lambda v: cut_at(v, 1, "8万")), days, "two")

    columns = ["tier_code", "policy_version", "grace_months_below", "change_kind", "valid_from", "rule_id"]
    one, two = (evaluated(trial, name, PRIMARY, columns) for name in ("one", "two"))
    assert {k: row for k, row in one.items() if k[0] < CHANGE} == {k: row for k, row in two.items() if k[0] < CHANGE}
    moved = {name for (day, name), row in two.items() if day == MAY and row[0] != one[day, name][0]}
    assert moved == {str(v) for v in range(4 * WAN, 30 * WAN, 7_000) if 8 * WAN <= v < 10 * WAN}
    assert {name for (_, name), row in two.items() if row[3] == "policy"} == moved


def test_grace_goes_on_over_a_new_version(trial: Trial, directory: Path) -> None:
    put(trial, {"falls": [15 * WAN, 9 * WAN, 9 * WAN, 9 * WAN]})
    days = [MARCH, APRIL, MAY, JUNE]

    # A change that does not touch him.
    trial.replay(with_second_version(directory, lambda v: cut_at(v, 3, "250万")), days, "elsewhere")

    found = evaluated(trial, "elsewhere", PRIMARY, ["tier_code", "grace_months_below", "change_kind"])
    assert [found[d, "falls"] for d in days[1:]] == [
        ("lobby_adopted", 1, None),
        ("lobby_adopted", 2, None),
        ("staff_maintained", 0, "downgrade"),
    ]


def test_a_lower_cut_ends_a_grace(trial: Trial, directory: Path) -> None:
    put(trial, {"saved": [15 * WAN, 9 * WAN, 9 * WAN, 9 * WAN]})
    days = [MARCH, APRIL, MAY, JUNE]
    trial.replay(with_second_version(directory, lambda v: cut_at(v, 1, "8万")), days, "lower")
    found = evaluated(trial, "lower", PRIMARY, ["tier_code", "grace_months_below", "decided_by"])
    assert [found[d, "saved"] for d in days[1:]] == [
        ("lobby_adopted", 1, "grace"),
        ("lobby_adopted", 0, "individual"),
        ("lobby_adopted", 0, "individual"),
    ]


def test_a_tier_that_a_new_version_does_away_with_gives_no_grace(trial: Trial, directory: Path) -> None:
    def without_staff(version: dict[str, Any]) -> None:
        gone = version["tiers"].pop(0)
        version["tiers"][0]["lower"] = gone["lower"]

    put(trial, {"in band": [6 * WAN] * 4, "fallen": [6 * WAN, 6 * WAN, 1 * WAN, 1 * WAN]})
    trial.replay(with_second_version(directory, without_staff), [MARCH, APRIL, MAY, JUNE], "without")

    found = evaluated(trial, "without", PRIMARY, ["tier_code", "previous_tier_code", "change_kind"])
    assert found[MAY, "in band"] == ("lobby_adopted", "staff_maintained", "policy")
    assert found[JUNE, "in band"] == ("lobby_adopted", "lobby_adopted", None)
    assert found[MAY, "fallen"] == ("none", "staff_maintained", "policy")


def test_a_version_may_measure_otherwise_and_governs_the_whole_window_that_ends_in_it(
    trial: Trial, directory: Path
) -> None:
    def by_quarter(version: dict[str, Any]) -> None:
        version["measure"] = {"quantity": "assets", "window": "quarter"}

    for day in (APRIL, MAY):
        trial.put("fct_month_measure", [assets(day, "a", 7 * WAN) | {"aum_quarter_avg_cny": 12 * WAN}])
    trial.replay(with_second_version(directory, by_quarter), [APRIL, MAY], "window")

    found = evaluated(trial, "window", PRIMARY, ["measure_value", "policy_version", "tier_code"])
    assert found[APRIL, "a"] == (7 * WAN, V1, "staff_maintained")
    assert found[MAY, "a"] == (12 * WAN, V2, "lobby_adopted")
