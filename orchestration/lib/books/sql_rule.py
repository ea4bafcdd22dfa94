"""The daily rule of the models (macro ``deal``) in Python: for pools that are too large for the optimiser."""

from __future__ import annotations

import heapq

from orchestration.lib.books.case import OUTSIDE, Case, Solution, solution_of


def deal(case: Case) -> Solution:
    """Owners stay. Each other customer, by tier and id, goes to the employee of a role that fits who has the lowest
    load against capacity once he has him, in millionths; equal loads by customers dealt so far, then by id.
    """
    loads = [e.load for e in case.employees]
    places: list[int | None] = []
    for c in case.customers:
        place = case.index.get(c.owner_id, OUTSIDE) if c.owner_id is not None else None
        if place is not None and place >= 0:
            loads[place] += 1
        places.append(place)
    seats: dict[str, list[tuple[int, int, str, int]]] = {}

    def offer(place: int, dealt: int) -> None:
        employee = case.employees[place]
        load = loads[place] + dealt
        if load <= employee.capacity:
            seat = (load * 1_000_000 // employee.capacity, dealt, employee.employee_id, place)
            heapq.heappush(seats.setdefault(employee.role_code, []), seat)

    for place in range(len(case.employees)):
        offer(place, 1)
    waiting = [n for n, place in enumerate(places) if place is None]
    for n in sorted(waiting, key=lambda n: (-case.customers[n].tier_rank, case.customers[n].customer_id)):
        offers = [seats[role] for role in case.customers[n].role_codes if seats.get(role)]
        if offers:
            _, dealt, _, place = heapq.heappop(min(offers))
            places[n] = place
            offer(place, dealt + 1)
    return solution_of(case, places, "sql_rule", None)
