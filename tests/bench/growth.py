"""How far machines reach, from what a message costs: `python -m tests.bench.growth`.

A calculation, no measurement: the highest rate at which no core is used more than `--use`. What one
process or one server can do limits it as well: a broker has one thread, and a PostgreSQL server as
many cores as its machine. `--check` drains a backlog on one core and on two, and compares.
"""

import argparse
import math
import os
import sys

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from compose.local.layout import StackError
from tests.bench.drain import Drain, drain

MACHINES = (1, 3, 10, 40)
# CPU microseconds of a message of 3 readings (README.md, "Past one machine").
COSTS = {"broker": 22.6, "bridge": 5.3, "Redis": 1.0, "pools": 16.2, "PostgreSQL": 13.1}

SYNCS = 500  # writes to disk a second that one Redis does, a batch of 2,000 messages each at most
BATCH = 2_000
CHECK_COUNT = 60_000


class Plan(Struct, frozen=True):
    """What so many machines do, and what limits them."""

    machines: int
    rate: float
    limit: str
    processes: dict[str, int]  # by part: threads of brokers, bridges and Redis, else cores
    databases: int  # that the rate takes; more than one needs accounts on several servers


def plan(machines: int, *, cores: int, use: float, databases: int) -> Plan:
    """The highest rate of so many machines. With three or more, PostgreSQL has its own."""
    total_us = sum(COSTS.values())
    of_all = machines * cores * use / total_us * 1e6
    if machines < 3:
        return _make_plan(machines, of_all, "all cores", cores=cores, use=use)
    machine_us = cores * use * 1e6
    others_us = total_us - COSTS["PostgreSQL"]
    rate, limit = max(
        min(
            (servers * machine_us / COSTS["PostgreSQL"], "PostgreSQL"),
            ((machines - servers) * machine_us / others_us, "the others"),
        )
        for servers in range(1, min(databases, machines - 2) + 1)
    )
    return _make_plan(machines, rate, limit, cores=cores, use=use)


def _make_plan(machines: int, rate: float, limit: str, *, cores: int, use: float) -> Plan:
    wanted = {part: math.ceil(rate * cost / 1e6 / use) for part, cost in COSTS.items()}
    wanted["Redis"] = max(wanted["Redis"], math.ceil(rate / (SYNCS * BATCH)))
    wanted["bridge"] = max(wanted["bridge"], wanted["broker"])  # each serves one broker
    return Plan(machines, rate, limit, wanted, math.ceil(wanted["PostgreSQL"] / cores))


def check() -> dict[int, float]:
    """Messages a second of a drain on one core and on two. Raises `StackError`."""
    rates = {}
    for cores in (1, 2):
        os.sched_setaffinity(0, range(cores))  # servers and processes inherit it
        figures = drain(Drain(count=CHECK_COUNT, concurrency=cores))
        rates[cores] = figures["from the first batch on"]
    return rates


def as_rows(plans: list[Plan]) -> Table:
    """The plans, one a line."""
    table = Table("machines", "messages a second", "limited by", *COSTS, "database servers")
    for one in plans:
        processes = [str(one.processes[part]) for part in COSTS]
        row = [str(one.machines), f"{one.rate:,.0f}", one.limit, *processes, str(one.databases)]
        table.add_row(*row)
    return table


def main() -> int:
    """Print it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--cores", type=int, default=8, help="of a machine (8)")
    parser.add_argument("--use", type=float, default=0.6, help="share of a core that is used (0.6)")
    parser.add_argument("--databases", type=int, default=1, help="servers that hold accounts (1)")
    parser.add_argument("--check", action="store_true", help="measure one core and two")
    options = parser.parse_args()
    console = Console(highlight=False, width=120)
    how = {"cores": options.cores, "use": options.use, "databases": options.databases}
    console.print(as_rows([plan(machines, **how) for machines in MACHINES]))
    if options.check:
        try:
            rates = check()
        except StackError as error:
            console.print(f"error: {error}", markup=False)
            return 1
        for cores, rate in rates.items():
            model = plan(1, cores=cores, use=1.0, databases=1).rate
            console.print(f"{cores} core(s): {rate:,.0f} a second, the model says {model:,.0f}")
        console.print(f"two are {rates[2] / rates[1]:.2f} times one; the model says 2")
    return 0


if __name__ == "__main__":
    sys.exit(main())
