"""The optimiser of books on invented pools: time, proof, moves and evenness, against dealing afresh and the SQL rule.

    .venv/bin/python benchmarks/books_optimiser.py [--branches 100]

Same seed, same pools. Owners are as an old CRM leaves them: books have drifted apart, a twentieth of the customers
has nobody. "Afresh" forgets who has whom and lets the optimiser deal everybody; "as even" weighs evenness twenty times
as much as the policy does, which makes books as even as dealing afresh.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import replace

from orchestration.lib.books.case import Case, Customer, Employee, Limits, Solution, solution_of
from orchestration.lib.books.optimise import optimise
from orchestration.lib.books.sql_rule import deal
from orchestration.lib.policies import load_policies, policy_rows

ROLE = "relationship_manager"


def limits() -> Limits:
    """Those of the policy in force, for pools of any size."""
    rows = policy_rows(load_policies())["book"]
    return replace(Limits.of(max(rows, key=lambda row: row["effective_from"])), largest_pool=10**9)


def drifted_case(customers: int, employees: int, seed: int, policy: Limits) -> Case:
    """A pool in use: loads of 75 % to 95 % of the seats, books of uneven size, assets with a long tail."""
    draw = random.Random(seed)
    capacity = int(customers / employees / 0.85)
    staff = tuple(
        Employee(f"E{n:03}", ROLE, max(1, int(capacity * draw.choice((0.8, 1.0, 1.0, 1.2))))) for n in range(employees)
    )
    pull = [draw.uniform(0.6, 1.4) * e.capacity for e in staff]
    people = []
    loads = dict.fromkeys((e.employee_id for e in staff), 0)
    for n in range(customers):
        owner = None
        if draw.random() >= 0.05:
            wanted = draw.choices(staff, pull)[0]
            owner = wanted.employee_id if loads[wanted.employee_id] < wanted.capacity else None
        if owner:
            loads[owner] += 1
        aum = int(draw.lognormvariate(0, 0.8) * 30_000_000)
        people.append(Customer(f"C{n:06}", frozenset({ROLE}), aum, 1, owner, draw.randrange(3650) if owner else 0))
    return Case(tuple(people), staff, policy)


def timed(solve: Callable[[Case], Solution], case: Case) -> tuple[Solution, float]:
    started = time.perf_counter()
    solution = solve(case)
    return solution, time.perf_counter() - started


def afresh(case: Case) -> Solution:
    """Everybody dealt as if nobody had anyone, judged as moves of the case."""
    free = replace(case, customers=tuple(replace(c, owner_id=None, tenure_days=0) for c in case.customers))
    dealt = optimise(free)
    index = case.index
    places = [index[to] if (to := dealt.assignment[c.customer_id]) else None for c in case.customers]
    return solution_of(case, places, dealt.status, dealt.gap)


def as_even(case: Case) -> Solution:
    """Books as even as dealt afresh, by moves."""
    policy = case.limits
    weights = {name: 20 * getattr(policy, name) for name in ("customer_evenness_weight", "asset_evenness_weight")}
    return optimise(replace(case, limits=replace(policy, **weights)))


def row(name: str, solutions: list[Solution], seconds: float) -> str:
    count = len(solutions)

    def mean(value: Callable[[Solution], float]) -> float:
        return sum(map(value, solutions)) / count

    optimal = sum(s.status == "optimal" for s in solutions)
    gap = max((s.gap for s in solutions if s.gap is not None), default=None)
    return (
        f"| {name} | {seconds:.2f} | {optimal} of {count} | {'-' if gap is None else f'{gap:.3%}'} "
        f"| {sum(s.moves for s in solutions)} | {mean(lambda s: s.evenness.customers_largest):.1%} "
        f"| {mean(lambda s: s.evenness.customers_mean):.1%} | {mean(lambda s: s.evenness.assets_largest):.1%} "
        f"| {mean(lambda s: s.evenness.assets_mean):.1%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--branches", type=int, default=100)
    options = parser.parse_args()
    policy = limits()
    print(
        "| pool | s | optimal | largest gap | moves | customers: farthest | mean | assets: farthest | mean |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    ways: list[tuple[str, Callable[[Case], Solution]]] = [
        ("optimiser", optimise),
        ("as even", as_even),
        ("afresh", afresh),
        ("SQL rule", deal),
    ]
    pools = [
        ("1,500 x 10", [drifted_case(1_500, 10, 1, policy)]),
        ("5,000 x 25", [drifted_case(5_000, 25, 2, policy)]),
        (
            f"{options.branches} branches, 300 x 6",
            [drifted_case(300, 6, 100 + n, policy) for n in range(options.branches)],
        ),
    ]
    for name, cases in pools:
        # The proof for books that are perfectly even takes longest: on the single pools alone.
        for way, solve in ways if len(cases) == 1 else [w for w in ways if w[1] is not as_even]:
            done = [timed(solve, case) for case in cases]
            print(row(f"{name}, {way}", [s for s, _ in done], sum(t for _, t in done)), flush=True)


if __name__ == "__main__":
    main()
