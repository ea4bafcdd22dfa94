"""A year of obligations: the model's own SQL, day by day, against the rules and against a second working out."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from tests.maintenance.obligation_oracle import World, simulate
from tests.maintenance.support import Bank
from tests.maintenance.year import E6, GO_LIVE, LAST, PHONED, VISITED, Seen, Stories, tell

pytestmark = pytest.mark.full
DAY = timedelta(days=1)
STATUSES = {"open", "due", "done", "overdue", "suppressed"}


@pytest.fixture(scope="module")
def world() -> World:
    return tell()


@pytest.fixture(scope="module")
def year(world: World) -> Seen:
    """What the model made of the year."""
    return Seen(Bank(world, LAST).run(LAST))


def fates(*, done: int = 0, overdue: int = 0, suppressed: int = 0) -> Counter[str]:
    """Every obligation of the year has one of these ends; zeros are not counted."""
    return +Counter(done=done, overdue=overdue, suppressed=suppressed)


# E6: front line 20-100万, department heads 100-500万, presidents 500万 and more. All are frozen by a court in November.


@pytest.mark.parametrize("customer", ["FRONT", "HEADS", "PRES"])
def test_e6_every_layer_is_owed_two_contacts_a_month(year: Seen, customer: str) -> None:
    assert year.fates(customer, "contact") == fates(done=17, overdue=5, suppressed=2)
    assert year.on(customer, "contact", date(2020, 1, 9)) == Counter(due=2)
    assert year.on(customer, "contact", date(2020, 1, 10)) == Counter(done=1, due=1)
    assert year.on(customer, "contact", date(2020, 2, 7)) == Counter(overdue=1, due=2)
    assert year.on(customer, "contact", date(2020, 2, 8)) == Counter(due=2)
    assert year.on(customer, "contact", date(2020, 11, 15)) == Counter(suppressed=2)


@pytest.mark.parametrize("customer", ["FRONT", "HEADS", "PRES"])
def test_e6_every_layer_is_owed_four_product_messages_a_month(year: Seen, customer: str) -> None:
    assert year.fates(customer, "product_message") == fates(done=24, overdue=20, suppressed=4)


@pytest.mark.parametrize("customer", ["FRONT", "HEADS", "PRES"])
def test_e6_every_layer_is_greeted_on_seven_festivals_a_year(year: Seen, customer: str) -> None:
    assert year.fates(customer, "festival_greeting") == fates(done=4, overdue=3)
    before_october = [o for o in year.of(customer, "festival_greeting") if o.due_to < date(2020, 10, 1)]
    assert {o.occasion_key: o.status for o in before_october} == {
        # Owed from go-live, the last day of its window.
        "new_year_2020": "overdue",
        "spring_festival_2020": "done",
        "lantern_2020": "done",
        "labour_2020": "done",
        # Greeted the day before the window.
        "dragon_boat_2020": "overdue",
    }
    assert year.on(customer, "festival_greeting", date(2020, 1, 14)) == Counter()
    assert year.on(customer, "festival_greeting", date(2020, 1, 15)) == Counter(open=1)
    assert year.on(customer, "festival_greeting", date(2020, 1, 22)) == Counter(due=1)


@pytest.mark.parametrize("customer", ["FRONT", "HEADS", "PRES"])
def test_e6_every_layer_is_greeted_on_the_birthday(year: Seen, customer: str) -> None:
    assert year.fates(customer, "birthday_greeting") == fates(done=1)
    assert year.on(customer, "birthday_greeting", date(2020, 5, 11)) == Counter()
    assert year.on(customer, "birthday_greeting", date(2020, 5, 12)) == Counter(open=1)
    assert year.on(customer, "birthday_greeting", date(2020, 5, 19)) == Counter(due=1)
    assert year.on(customer, "birthday_greeting", date(2020, 5, 20)) == Counter(done=1)


def test_e6_10_front_line_layer_owes_two_salons_and_no_gift_visit_or_flowers(year: Seen) -> None:
    assert year.fates("FRONT", "salon") == fates(done=1, overdue=1)
    assert year.of("FRONT", "birthday_gift") == []
    assert year.of("FRONT", "contribution_gift") == []
    assert year.of("FRONT", "head_visit") == []


def test_e6_11_department_head_layer_owes_two_salons_one_gift_and_flowers_on_the_birthday(year: Seen) -> None:
    assert year.fates("HEADS", "salon") == fates(done=2)
    assert year.fates("HEADS", "contribution_gift") == fates(done=1)
    # Sent the day before the window.
    assert year.fates("HEADS", "birthday_gift") == fates(overdue=1)
    assert year.of("HEADS", "head_visit") == []


def test_e6_12_president_layer_owes_three_salons_a_year(year: Seen) -> None:
    assert year.fates("PRES", "salon") == fates(done=2, overdue=1)
    assert year.on("PRES", "salon", date(2020, 12, 31)) == Counter(due=1)
    assert year.on("PRES", "salon", date(2021, 1, 1)) == Counter(overdue=1, due=3)


def test_e6_12_president_layer_owes_two_head_visits_and_two_gifts_a_year(year: Seen) -> None:
    assert year.fates("PRES", "head_visit") == fates(done=1, overdue=1)
    assert {o.performer for o in year.of("PRES", "head_visit")} == {"branch_president"}
    assert year.fates("PRES", "contribution_gift") == fates(done=1, overdue=1)


def test_e6_12_president_layer_owes_flowers_from_the_first_day_of_their_window(year: Seen) -> None:
    assert year.fates("PRES", "birthday_gift") == fates(done=1)
    assert [o.done_date for o in year.of("PRES", "birthday_gift")] == [date(2020, 5, 17)]


# A8


@pytest.mark.parametrize("customer", ["A8-LOBBY", "A8-HEAD", "A8-300", "A8-LED"])
def test_a8_08_every_band_from_200_thousand_is_owed_one_contact_a_month(year: Seen, customer: str) -> None:
    assert year.fates(customer, "contact") == fates(done=9, overdue=2, suppressed=1)


@pytest.mark.parametrize("customer", ["A8-LOBBY", "A8-HEAD", "A8-300", "A8-LED"])
def test_a8_12_whoever_is_contacted_is_greeted_on_festivals(year: Seen, customer: str) -> None:
    assert year.fates(customer, "festival_greeting") == fates(done=1, overdue=6)
    assert {o.rule_id for o in year.of(customer, "festival_greeting")} == {"A8-12"}


def test_a8_11_between_one_and_three_million_a_birthday_visit_is_owed_with_the_managers_head(year: Seen) -> None:
    # Done on the last day of the window; a day later it is too late. 300万 itself belongs to it.
    assert year.fates("A8-HEAD", "birthday_visit") == fates(done=1)
    assert year.fates("A8-300", "birthday_visit") == fates(overdue=1)
    assert year.of("A8-LOBBY", "birthday_visit") == []
    assert year.of("A8-LED", "birthday_visit") == []
    assert {o.performer for o in year.of("A8-HEAD", "birthday_visit")} == {"relationship_manager_head"}


def test_a8_11_a_life_event_is_congratulated_on_within_fourteen_days(year: Seen) -> None:
    assert year.fates("A8-HEAD", "life_event_visit") == fates(done=1)
    assert year.on("A8-300", "life_event_visit", date(2020, 11, 25)) == Counter(suppressed=1)
    assert year.fates("A8-300", "life_event_visit") == fates(overdue=1)
    assert year.of("A8-LED", "life_event_visit") == []


def test_a8_13_below_three_million_high_contribution_is_visited_once_a_year(year: Seen) -> None:
    assert year.fates("ADDED-VALUE", "contribution_visit") == fates(done=1)
    assert year.of("TOO-RICH", "contribution_visit") == []
    assert [(o.status, o.reason) for o in year.of("GREW", "contribution_visit")] == [("suppressed", "tier_changed")]
    assert year.on("GREW", "contribution_visit", date(2020, 6, 30)) == Counter(due=1)
    assert year.on("GREW", "contribution_visit", date(2020, 7, 1)) == Counter(suppressed=1)


# A1, A5, D1, E11


def test_a1_diamonds_are_called_or_visited_each_month_and_a_message_is_not_enough(year: Seen) -> None:
    assert year.fates("DIAMOND", "personal_contact") == fates(done=8, overdue=3, suppressed=1)


def test_a5_04_good_news_is_congratulated_on_within_seven_days(year: Seen) -> None:
    assert year.fates("WEALTH", "life_event_care") == fates(done=1, suppressed=1)
    assert year.fates("PRIVATE", "life_event_care") == fates(overdue=1, suppressed=1)


@pytest.mark.parametrize("customer", ["WEALTH", "PRIVATE"])
def test_a5_05_opinions_are_asked_for_at_home_each_half_year(year: Seen, customer: str) -> None:
    assert [(o.occasion_key, o.status) for o in year.of(customer, "opinion_visit")] == [
        ("2020H1", "done"),
        ("2020H2", "overdue"),
    ]


def test_a5_06_one_forum_a_year_is_owed(year: Seen) -> None:
    assert year.fates("WEALTH", "forum") == fates(done=1)
    assert year.fates("PRIVATE", "forum") == fates(overdue=1)


@pytest.mark.parametrize("customer", ["WEALTH", "PRIVATE"])
def test_d1_07_the_portfolio_is_reviewed_each_half_year(year: Seen, customer: str) -> None:
    assert year.fates(customer, "portfolio_review") == fates(done=1, overdue=1)


def test_e11_03_who_is_drawn_is_surveyed_by_phone_in_upper_tiers_and_in_person_in_others(year: Seen) -> None:
    assert year.fates(PHONED, "survey_phone", "2020Q2") == fates(done=1)
    assert year.of(PHONED, "survey_visit") == []
    # He was phoned, and is owed a visit.
    assert year.fates(VISITED, "survey_visit", "2020Q3") == fates(overdue=1)


# Changes of tier, owner and customer


def test_who_rises_in_mid_year_owes_the_rest_of_the_year_and_nothing_twice(year: Seen) -> None:
    # 3 salons x 184 / 366 days are 2, which he was owed before; 2 head visits x 184 / 366 are 1.
    assert year.fates("RISER", "salon") == fates(overdue=2)
    assert year.fates("RISER", "head_visit") == fates(overdue=1)
    assert year.fates("RISER", "contribution_gift") == fates(overdue=1)
    assert year.fates("RISER", "birthday_gift") == fates(overdue=1)


def test_who_comes_in_mid_month_is_owed_his_part_of_it_and_who_goes_is_owed_nothing_more(year: Seen) -> None:
    # 15 of 30 days from 16 April, gone on 10 June, back for 15 of 31 days on 17 August.
    assert Counter(o.occasion_key for o in year.of("CAME-AND-WENT", "contact")) == Counter(
        {"2020-04": 1, "2020-05": 2, "2020-06": 2, "2020-08": 1}
    ) + Counter({f"2020-{month:02d}": 2 for month in range(9, 13)})
    assert [(o.status, o.reason) for o in year.of("CAME-AND-WENT", "contact", "2020-06")] == [
        ("done", None),
        ("suppressed", "tier_changed"),
    ]
    assert len(year.of("CAME-AND-WENT", "product_message", "2020-04")) == 2
    assert len(year.of("CAME-AND-WENT", "product_message", "2020-08")) == 2


def test_what_a_tier_owed_is_due_again_when_the_customer_comes_back(year: Seen) -> None:
    assert year.on("CAME-AND-WENT", "salon", date(2020, 6, 9)) == Counter(due=1)
    assert year.on("CAME-AND-WENT", "salon", date(2020, 7, 1)) == Counter(suppressed=1)
    assert year.on("CAME-AND-WENT", "salon", date(2020, 8, 17)) == Counter(due=1)


def test_what_only_the_upper_tier_owed_is_suppressed_on_a_fall(year: Seen) -> None:
    assert [(o.status, o.reason) for o in year.of("FELL", "contribution_gift")] == [("suppressed", "tier_changed")]
    assert year.fates("FELL", "contact") == fates(overdue=24)
    assert {o.rule_id for o in year.of("FELL", "contact", "2020-09")} == {"E6-11"}
    assert {o.rule_id for o in year.of("FELL", "contact", "2020-10")} == {"E6-10"}


def test_a_second_scheme_in_mid_month_adds_what_is_missing_for_the_rest_of_it(year: Seen) -> None:
    # 2 x 22 / 31 are 1, which the first scheme asks for; 2 x 27 / 31 are 2.
    assert [o.rule_id for o in year.of("GAINS-LATE", "contact", "2020-03")] == ["A8-08"]
    assert [o.rule_id for o in year.of("GAINS-EARLY", "contact", "2020-03")] == ["A8-08", "E6-10"]
    assert [o.rule_id for o in year.of("GAINS-LATE", "contact", "2020-04")] == ["E6-10", "E6-10"]


def test_an_owner_change_moves_what_is_due_and_leaves_what_is_done_or_overdue(year: Seen) -> None:
    assert list(year.owed_by("HANDED-OVER", "contact", date(2020, 5, 14))) == [("2020-05", 2, "E1")]
    assert list(year.owed_by("HANDED-OVER", "contact", date(2020, 5, 15))) == [("2020-05", 2, "E2")]
    assert list(year.owed_by("HANDED-OVER", "contact", date(2020, 6, 4))) == [
        ("2020-05", 2, "E2"),
        ("2020-06", 1, "E3"),
        ("2020-06", 2, "E3"),
    ]
    assert [(o.status, o.employee_id, o.branch_id) for o in year.of("HANDED-OVER", "contact", "2020-05")] == [
        ("done", "E1", "B1"),
        ("overdue", "E2", "B2"),
    ]


def test_b_owes_while_he_acts_and_a_queue_has_a_role_and_no_employee(year: Seen) -> None:
    def owners(day: date) -> set[tuple[str | None, str | None]]:
        rows = [o for o in year.days[day] if o.customer_id == "STOOD-IN-FOR" and o.due_to >= day]
        return {(o.employee_id, o.role_code) for o in rows}

    assert owners(date(2020, 8, 2)) == {("EA", "relationship_manager")}
    assert owners(date(2020, 8, 3)) == {("EB", "relationship_manager")}
    assert owners(date(2020, 8, 14)) == {("EB", "relationship_manager")}
    assert owners(date(2020, 8, 15)) == {("EA", "relationship_manager")}
    assert owners(date(2020, 10, 15)) == {(None, "lobby_manager")}


def test_a_merged_customer_is_owed_nothing_more_and_his_contacts_count_for_the_successor(year: Seen) -> None:
    assert [(o.status, o.reason) for o in year.of("MERGED", "contact", "2020-06")] == [
        ("done", None),
        ("suppressed", "closed"),
    ]
    assert year.of("MERGED", "contact", "2020-07") == []
    assert [(o.status, o.done_date) for o in year.of("SUCCESSOR", "contact", "2020-06")] == [
        ("done", date(2020, 6, 15)),
        ("overdue", None),
    ]


def test_what_was_done_in_january_is_not_asked_for_again_later_in_the_year(year: Seen) -> None:
    assert year.fates("PROMPT", "head_visit") == fates(done=2)
    assert year.fates("PROMPT", "contribution_gift") == fates(done=2)
    assert year.fates("PROMPT", "salon") == fates(done=3)


# Suppression


def test_consent_withdrawn_suppresses_and_consent_given_again_lifts_it(year: Seen) -> None:
    assert year.fates("CHANGED-MIND", "product_message") == fates(done=4, overdue=36, suppressed=8)
    assert year.on("CHANGED-MIND", "product_message", date(2020, 6, 19)) == Counter(suppressed=4)
    assert year.on("CHANGED-MIND", "product_message", date(2020, 6, 20)) == Counter(due=4)
    assert year.fates("CHANGED-MIND", "festival_greeting") == fates(overdue=6, suppressed=1)
    assert {o.reason for o in year.of("CHANGED-MIND", "festival_greeting", "labour")} == {"no_consent"}
    # He may be visited all the same.
    contacts = [o for o in year.days[date(2020, 5, 8)] if (o.customer_id, o.kind) == ("CHANGED-MIND", "contact")]
    assert [(o.status, o.channel) for o in contacts] == [("due", "visit"), ("due", "visit")]


def test_who_says_nothing_is_served_and_not_sold_to(year: Seen) -> None:
    assert year.fates("SILENT", "product_message") == fates(suppressed=48)
    assert year.fates("SILENT", "festival_greeting") == fates(overdue=7)
    assert {o.channel for o in year.of("SILENT", "festival_greeting")} == {"sms"}


def test_a_refused_channel_gives_way_to_the_next_one(year: Seen) -> None:
    assert {o.channel for o in year.of("ONLY-CALLS", "festival_greeting")} == {"call"}
    assert year.fates("ONLY-CALLS", "product_message") == fates(suppressed=48)


@pytest.mark.parametrize(
    ("customer", "reason", "expected"),
    [
        ("DECEASED", "deceased", fates(done=4, overdue=4, suppressed=16)),
        ("FROZEN", "court_freeze", fates(done=10, overdue=12, suppressed=2)),
        ("VETOED", "risk_veto", fates(done=11, overdue=13)),
        ("CLOSED", "closed", fates(done=10, overdue=9, suppressed=5)),
    ],
)
def test_suppression_beats_cadence_also_for_who_was_called_and_ends_when_lifted_in_the_window(
    year: Seen, customer: str, reason: str, expected: Counter[str]
) -> None:
    assert year.fates(customer, "contact") == expected
    assert {o.reason for o in year.of(customer, "contact") if o.status == "suppressed"} <= {reason}


def test_the_first_reason_that_applies_is_given(year: Seen) -> None:
    def reasons(day: date) -> set[str | None]:
        rows = [o for o in year.days[day] if (o.customer_id, o.kind) == ("DIED-FROZEN", "product_message")]
        return {o.reason for o in rows if o.due_to >= day}

    assert reasons(date(2020, 2, 15)) == {"no_consent"}
    assert reasons(date(2020, 3, 10)) == {"court_freeze"}
    assert reasons(date(2020, 3, 20)) == {"deceased"}


# Windows and contacts


def test_without_a_birth_date_no_birthday_is_owed(year: Seen) -> None:
    assert {o.occasion for o in year.last.values() if o.customer_id == "NO-BIRTH-DATE"} == {"month", "year", "festival"}


def test_29_february_is_kept_on_its_day_in_leap_years_and_the_day_before_in_common_ones(year: Seen) -> None:
    assert [(o.due_from, o.due_to, o.status) for o in year.of("LEAP", "birthday_greeting")] == [
        (date(2020, 2, 28), date(2020, 2, 29), "done")
    ]
    told = Stories(date(2021, 2, 15))
    told.customer("LEAP", tiers={E6: "front_line"}, birth_date=date(1980, 2, 29))
    told.contact("LEAP", date(2021, 2, 28), "call", "birthday")
    last = date(2021, 3, 1)
    common = Seen(Bank(told.world, last).run(last)).of("LEAP", "birthday_greeting", "2021")
    assert [(o.created, o.due_from, o.due_to, o.status) for o in common] == [
        (date(2021, 2, 20), date(2021, 2, 27), date(2021, 2, 28), "done")
    ]


def test_a_birthday_on_new_years_day_is_told_of_in_december(year: Seen) -> None:
    assert [(o.occasion_key, o.created, o.due_from) for o in year.of("NEW-YEARS-CHILD", "birthday_gift", "20")] == [
        ("2020", GO_LIVE, date(2019, 12, 29)),
        ("2021", date(2020, 12, 15), date(2020, 12, 29)),
    ]


def test_a_festival_that_two_schemes_ask_for_is_owed_once(year: Seen) -> None:
    greetings = year.of("BOTH-BOOKS", "festival_greeting")
    assert len(greetings) == len({o.occasion_key for o in greetings}) == 7
    assert {o.rule_id for o in greetings} == {"E6-10"}
    assert len(year.of("BOTH-BOOKS", "contact")) == 24


def test_two_festivals_on_one_day_are_two_obligations_and_take_two_greetings(year: Seen) -> None:
    for customer, expected in (("FRONT", ["done", "overdue"]), ("BOTH-BOOKS", ["done", "done"])):
        on_the_day = [o for o in year.of(customer, "festival_greeting") if o.due_to == date(2020, 10, 1)]
        assert {o.occasion_key for o in on_the_day} == {"mid_autumn_2020", "national_2020"}
        assert sorted(o.status for o in on_the_day) == expected


def test_a_contact_within_the_window_that_is_delivered_late_counts_for_seven_days(year: Seen) -> None:
    january, february, march, april, *later = year.of("LATE-NEWS", "contact")
    assert year.on("LATE-NEWS", "contact", date(2020, 2, 6)) == Counter(overdue=1, due=1)
    assert (january.status, january.done_date) == ("done", date(2020, 1, 31))
    assert (february.status, february.is_closed) == ("overdue", True)
    assert (march.status, march.done_date) == ("done", date(2020, 3, 31))
    assert (april.status, april.done_date) == ("done", date(2020, 4, 2))
    assert {o.status for o in later} == {"overdue"}


def test_a_contact_closes_one_obligation_of_a_kind_and_may_close_one_of_several_kinds(year: Seen) -> None:
    def statuses(kind: str, key: str) -> list[str]:
        return [o.status for o in year.of("ALL-KINDS", kind, key)]

    # One visit in January.
    assert statuses("contact", "2020-01") == ["done", "overdue"]
    assert statuses("personal_contact", "2020-01") == ["done"]
    assert statuses("opinion_visit", "2020H1") == ["done"]
    # Calls on the first and on the last day of February, and on the day after March.
    assert statuses("contact", "2020-02") == ["done", "done"]
    assert statuses("contact", "2020-03") == ["overdue", "overdue"]
    assert statuses("contact", "2020-04") == ["done", "overdue"]


def test_a_contact_that_is_delivered_again_closes_nothing_more(year: Seen) -> None:
    january = year.of("DELIVERED-AGAIN", "contact", "2020-01")
    assert [o.status for o in january] == ["done", "overdue"]


def test_three_presents_on_one_day_answer_three_events(year: Seen) -> None:
    assert year.fates("NEWS-UPON-NEWS", "life_event_care") == fates(done=3)


def test_at_go_live_in_mid_period_the_rest_of_it_is_owed() -> None:
    told = Stories(date(2020, 10, 8))
    told.customer("FRONT", tiers={E6: "front_line"})
    told.customer("PRES", tiers={E6: "presidents"})
    day = told.world.go_live
    owed = Counter((o.customer_id, o.kind) for o in Bank(told.world, day).decide(day))
    # 24 of 31 days of the month, 85 of 366 of the year.
    assert owed == {
        ("FRONT", "contact"): 2,
        ("FRONT", "product_message"): 3,
        ("PRES", "contact"): 2,
        ("PRES", "product_message"): 3,
        ("PRES", "salon"): 1,
    }


# Laws


def test_every_day_is_as_a_second_working_out_has_it(year: Seen, world: World) -> None:
    expected = simulate(world, LAST)
    assert expected.keys() == year.days.keys()
    for day, rows in year.days.items():
        assert {o.obligation_id: o for o in rows} == {o.obligation_id: o for o in expected[day]}, day


def test_every_day_has_what_was_left_open_and_what_is_new_each_in_one_status(year: Seen) -> None:
    left: set[str] = set()
    for day, rows in year.days.items():
        counts = Counter(o.status for o in rows)
        assert counts.keys() <= STATUSES
        assert counts.total() == len({o.obligation_id for o in rows}) == len(rows)
        assert {o.obligation_id for o in rows if o.created < day} == left
        left = {o.obligation_id for o in rows if not o.is_closed}


def test_nothing_is_created_twice_and_nothing_closed_comes_back(year: Seen) -> None:
    created: dict[str, date] = {}
    closed: set[str] = set()
    for day, rows in year.days.items():
        for o in rows:
            assert o.obligation_id not in closed
            assert created.setdefault(o.obligation_id, day) == o.created
            assert (o.status != "done") or o.is_closed
            if o.is_closed:
                closed.add(o.obligation_id)
    occasions: dict[tuple[str, str, str], set[int]] = {}
    for o in year.last.values():
        occasions.setdefault((o.customer_id, o.kind, o.occasion_key), set()).add(o.number)
    assert all(numbers == set(range(1, len(numbers) + 1)) for numbers in occasions.values())


def test_a_contact_closes_at_most_one_obligation_of_a_kind(year: Seen) -> None:
    closed = Counter((o.contact_id, o.kind) for o in year.last.values() if o.contact_id)
    assert max(closed.values()) == 1
    assert len({contact for contact, _ in closed}) < len(closed)


@pytest.mark.parametrize("count", range(1, 6))
def test_the_order_of_contacts_within_a_day_does_not_matter(count: int) -> None:
    def outcome(order: int) -> Counter[tuple[str, str, int, str]]:
        # The first day of a month and the last one to greet on two festivals.
        day = date(2020, 10, 1)
        told = Stories(day)
        told.customer("BUSY", tiers={E6: "presidents"})
        ways = [
            ("sms", "festival"),
            ("call", "festival"),
            ("call", "routine"),
            ("visit", "other"),
            ("sms", "product_news"),
        ]
        for channel, purpose in ways[:count][::order]:
            told.contact("BUSY", day, channel, purpose)
        told.world.contacts = told.world.contacts[::order]
        return Counter((o.kind, o.occasion, o.number, o.status) for o in Bank(told.world, day).decide(day))

    assert outcome(1) == outcome(-1)
    assert sum(n for (*_, status), n in outcome(1).items() if status == "done") == count
