"""What members wait for: every page and endpoint beside many readings, and while messages arrive.

One rig with everything that runs in production: bridge, pool, beat, maintenance, web. First each
address by itself, in the accounts of `accounts.py`; then the same flow of messages twice, without
members and with members who watch the account that the messages are for.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from compose.local.layout import PYTHON
from compose.local.ports import HOST
from tests.bench.accounts import NAMES, fill_and_refresh, register_accounts
from tests.bench.addresses import Place
from tests.bench.aggregates import measure_aggregates
from tests.bench.alone import Tour
from tests.bench.crowd import Crowd, describe_answers, list_errors
from tests.bench.flow import Flow, Pipeline, stored_rate
from tests.bench.latency import WARM_S, Announcements, measure_ms
from tests.bench.results import Run, percentiles
from tests.bench.rig import Rig, wait_until
from tests.bench.visitor import Visitor
from tests.servers.free_ports import find_free_ports

GATEWAYS = 334  # of three devices each: an account of a thousand
WATCHED = "Simulated fleet"  # their account
REFRESH = (str(PYTHON), "-m", "celery", "-A", "config", "call", "telemetry.refresh_aggregates")
REFRESHED = "SELECT count(success_at) FROM task_run WHERE name = 'telemetry.refresh_aggregates'"
NO_LIMIT = "1000000"  # requests are counted as ever, but one visitor asks for all
ERRORS_SHOWN = 5

Say = Callable[[str], None]


class Load(Struct, frozen=True):
    """Messages a second for so many seconds, and how many members look on."""

    rate: float
    seconds: float
    members: int


class Scene(Struct, frozen=True):
    """What runs, members who are signed in, and devices by the name of their account."""

    pipeline: Pipeline
    visitors: list[Visitor]
    places: dict[str, list[Place]]


def run_dashboard(
    *, millions: int, late: bool, times: int, warm: int, load: Load, concurrency: int, say: Say
) -> Run:
    """Milliseconds of each address, asked `times` times after `warm` times, and of the members
    under load. `late`: before, what `measure_aggregates` measures.

    Raises `StackError`, also when an address by itself does not answer as it should.
    """
    with Rig(concurrency=concurrency) as rig:
        run = _prepare_accounts(rig, millions=millions, late=late, say=say)
        scene = _set_scene(rig, members=load.members)
        places = [place for name in NAMES for place in scene.places[name]]
        run |= Tour(scene.visitors[0], places=places).measure(times=times, warm=warm)
        say("every address was measured by itself")
        run |= _measure_load(scene, load=load, say=say)
        scene.pipeline.close(counts_rows=not millions)
        return run


def _prepare_accounts(rig: Rig, *, millions: int, late: bool, say: Say) -> Run:
    run: Run = {"million readings": float(millions)}
    with tempfile.TemporaryDirectory() as folder:
        macs = register_accounts(rig, Path(folder))
        if millions:
            run |= fill_and_refresh(rig, millions=millions, say=say)
        if late:
            run |= measure_aggregates(rig, macs, Path(folder))
            say("the aggregates were measured")
        if millions:
            run["first findings, s"] = rig.ask("findings")["seconds"]
            say(f"findings were computed in {run['first findings, s']:.0f} s")
    return run


def _set_scene(rig: Rig, *, members: int) -> Scene:
    """Start everything, sign the members in, and have a first success of the refresh."""
    pipeline = Pipeline(rig, gateways=GATEWAYS)
    [port] = find_free_ports(1)
    pipeline.beside = (
        rig.start("worker-maintenance"),
        rig.start("beat"),
        rig.start("web", WEB_BIND=f"{HOST}:{port}", API_REQUESTS_PER_MINUTE=NO_LIMIT),
    )
    rig.run([*REFRESH, "--queue", "maintenance"])
    rig.wait_for_rows(REFRESHED, count=1, timeout_s=120)
    found = rig.ask("members", str(members))
    visitors = [Visitor(port, session=session) for session in found["sessions"]]
    wait_until(
        lambda: visitors[0].get("/health").is_good, timeout_s=30, what="the web process serves"
    )
    return Scene(pipeline, visitors, msgspec.convert(found["places"], dict[str, list[Place]]))


def _measure_load(scene: Scene, *, load: Load, say: Say) -> Run:
    """The flow without and with members, and what these waited for."""
    announcements = Announcements(scene.pipeline.rig)
    alone = _send(scene.pipeline, announcements, load=load)
    say(f"without members: {alone['stored a second']:,.0f} messages stored a second")
    with Crowd(scene.visitors, places=scene.places[WATCHED]) as crowd:
        watched = _send(scene.pipeline, announcements, load=load)
    announcements.close()
    share = 100 * watched["stored a second"] / alone["stored a second"]
    say(f"with {load.members} members: {share:.1f}% of that")
    for words in list_errors(crowd.answers)[:ERRORS_SHOWN]:
        say(f"error: {words}")
    answers = describe_answers(crowd.answers, seconds=load.seconds)
    return {
        **{f"alone: {name}": value for name, value in alone.items()},
        **{f"watched: {name}": value for name, value in watched.items()},
        "stored when watched, % of alone": share,
        **{f"members: {name}": value for name, value in answers.items()},
    }


def _send(pipeline: Pipeline, announcements: Announcements, *, load: Load) -> Run:
    """One flow: stored messages a second, milliseconds to the committed row, CPU time."""
    started_at = time.time() + WARM_S
    flow = pipeline.send(rate=load.rate, seconds=load.seconds + WARM_S)
    latency = percentiles(measure_ms(pipeline.rig, announcements, started_at=started_at))
    return {
        "stored a second": stored_rate(flow),
        **{f"publication to row, {point}, ms": value for point, value in latency.items()},
        **_list_cpu(flow),
    }


def _list_cpu(flow: Flow) -> Run:
    """How busy each process was."""
    return {
        f"{name}, % of a core": 100 * spent / flow.seconds for name, spent in flow.cpu_s.items()
    }
