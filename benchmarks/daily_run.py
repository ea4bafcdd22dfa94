"""The daily run of a large bank: wall time, CPU and memory of each day, and what of it is not SQL.

    .venv/bin/python benchmarks/daily_run.py --customers 1000000 --days 4 --work DIR

Generates the bank, then runs `tierhouse run --through D` for each day as a user would, in its own process.
The first day starts from nothing; the others advance by one day. "SQL" is the time dbt spent in its nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from datetime import date, timedelta
from pathlib import Path

TIERHOUSE = Path(sys.executable).with_name("tierhouse")


def run(arguments: list[str], log: Path) -> tuple[float, float, float]:
    """Run a command; returns wall seconds, CPU seconds (children included) and peak memory in GiB."""
    started = time.perf_counter()
    with log.open("w") as out:
        pid = os.posix_spawn(
            arguments[0],
            arguments,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(arguments)} failed; see {log}\n{log.read_text()[-2000:]}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2026, 4, 29))
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    bank, home = options.work / "bank", options.work / "home"
    shutil.rmtree(home, ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)
    last = options.first + timedelta(days=options.days - 1)
    if not bank.exists():
        generate = ["demo-bank", "--customers", str(options.customers), "--from", f"{options.first}"]
        wall, cpu, memory = run(
            [str(TIERHOUSE), *generate, "--through", f"{last}", "--seed", "1", "--out", str(bank)],
            options.work / "generate.log",
        )
        print(f"generate {options.customers:,} customers, {options.days} days: {wall:.1f} s, {memory:.2f} GiB")
    print("| day | wall s | CPU s | peak GiB | SQL s | beyond SQL s | warehouse GiB |")
    print("|---|---|---|---|---|---|---|")
    for number in range(options.days):
        day = options.first + timedelta(days=number)
        wall, cpu, memory = run(
            [str(TIERHOUSE), "run", "--landing", str(bank / "landing"), "--home", str(home), "--through", f"{day}"],
            options.work / f"run_{day}.log",
        )
        results = json.loads((home / "dbt_target" / "run_results.json").read_text())
        nodes = [t for r in results["results"] for t in r["timing"] if t["name"] == "execute"]
        sql = results["elapsed_time"] if nodes else 0.0
        size = (home / "warehouse.duckdb").stat().st_size / 1024**3
        print(
            f"| {day} | {wall:.1f} | {cpu:.1f} | {memory:.2f} | {sql:.1f} | {wall - sql:.1f} | {size:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
