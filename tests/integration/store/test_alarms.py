"""Alarms open and close by the newest readings, whatever came when and whatever changed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.alarms import Limit, Stretch, evaluate_limit
from telemetry.core.batch import EVALUATE_ALARMS_TASK
from telemetry.core.consumption import Meter, Value
from telemetry.models import TaskHistory, TaskRun
from telemetry.store.alarms import evaluate
from telemetry.store.alarms.evaluate import (
    HORIZON,
    WAIT,
    AlarmEvaluator,
    Evaluated,
    EvaluationBusyError,
)
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.locks import Lock, wait_for_lock
from tests.consumption import Site, put, read, register
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALARMS = (
    "SELECT opened_at, last_beyond_at, value, closed_at, ending FROM alarm "
    "WHERE device_id = %s AND kind = %s ORDER BY opened_at, id"
)


def watch(connection: Connection, *, low: Any = None, high: Any = None) -> Site:
    """A device with limits."""
    site = register(connection, Meter("gauge"))
    set_device(connection, site, alarm_low=low, alarm_high=high)
    return site


def set_device(connection: Connection, site: Site, **fields: Any) -> None:
    names = ", ".join(f"{name} = %s" for name in fields)
    connection.execute(
        f"UPDATE device SET {names} WHERE id = %s",  # type: ignore[arg-type]
        [*fields.values(), site.device_id],
    )


def send(connection: Connection, site: Site, *found: tuple[float, Any]) -> None:
    """Store readings, so many seconds after NOW."""
    values = [Value(NOW + s * SECOND, Decimal(str(value))) for s, value in found]
    put(connection, [(site, value) for value in values])


def run(
    connection: Connection, at_s: float, *, evaluator: AlarmEvaluator | None = None
) -> Evaluated:
    """Evaluate what has settled `at_s` seconds after NOW, with a new evaluator by default."""
    return (evaluator or AlarmEvaluator()).run(connection, now=NOW + at_s * SECOND + WAIT)


def tell(done: Evaluated) -> dict[str, int]:
    """What there was to do."""
    counts = {"opened": done.opened, "closed": done.closed, "evaluated": done.evaluated}
    assert done.changed == done.opened + done.closed
    return {name: count for name, count in counts.items() if count}


def list_alarms(connection: Connection, site: Site, kind: str = "high") -> list[Any]:
    """(opened, last beyond, worst, closed, ending) of the device, in seconds after NOW."""

    def seconds(at: datetime | None) -> float | None:
        return None if at is None else (at - NOW) / SECOND

    rows = read(connection, ALARMS, site.device_id, kind)
    return [
        (seconds(opened), seconds(last), float(worst), seconds(closed), ending)
        for opened, last, worst, closed, ending in rows
    ]


def test_it_opens_follows_and_closes_an_alarm(connection: Connection) -> None:
    site = watch(connection, high=10)
    run(connection, 0)
    send(connection, site, (1, 5), (2, 11))
    assert tell(run(connection, 2)) == {"opened": 1, "evaluated": 1}
    assert list_alarms(connection, site) == [(2, 2, 11, None, "")]
    send(connection, site, (3, 14), (4, 12))
    assert tell(run(connection, 4)) == {"evaluated": 1}
    assert list_alarms(connection, site) == [(2, 4, 14, None, "")]
    send(connection, site, (5, 10))
    assert tell(run(connection, 5)) == {"closed": 1, "evaluated": 1}
    assert list_alarms(connection, site) == [(2, 4, 14, 5, "reading")]
    assert tell(run(connection, 6)) == {}, "nothing came"


def test_it_keeps_a_spike_that_came_and_went_between_two_runs(connection: Connection) -> None:
    site = watch(connection, low=0, high=10)
    run(connection, 0)
    send(connection, site, (1, 11), (2, 5), (3, -1), (4, 12), (5, 13), (6, 6))
    assert tell(run(connection, 9)) == {"opened": 3, "closed": 3, "evaluated": 1}
    assert list_alarms(connection, site) == [(1, 1, 11, 2, "reading"), (4, 5, 13, 6, "reading")]
    assert list_alarms(connection, site, "low") == [(3, 3, -1, 4, "reading")]


def test_it_closes_one_and_opens_another_in_one_run(connection: Connection) -> None:
    site = watch(connection, high=10)
    run(connection, 0)
    send(connection, site, (1, 11))
    run(connection, 1)
    send(connection, site, (2, 5), (3, 12))
    assert tell(run(connection, 3)) == {"opened": 1, "closed": 1, "evaluated": 1}
    assert list_alarms(connection, site) == [(1, 1, 11, 2, "reading"), (3, 3, 12, None, "")]


def test_it_lets_a_late_reading_neither_open_nor_close(connection: Connection) -> None:
    hot, cold = watch(connection, high=10), watch(connection, high=10)
    run(connection, 0)
    send(connection, hot, (9, 11))
    send(connection, cold, (9, 5))
    run(connection, 9)
    before = [list_alarms(connection, site) for site in (hot, cold)]
    send(connection, hot, (8, 5))
    send(connection, cold, (8, 11))
    assert tell(run(connection, 10)) == {}
    assert [list_alarms(connection, site) for site in (hot, cold)] == before


def test_it_evaluates_a_reading_of_the_future_when_its_time_has_come(
    connection: Connection,
) -> None:
    site = watch(connection, high=10)
    run(connection, 0)
    send(connection, site, (200, 99))
    assert tell(run(connection, 199)) == {}
    send(connection, site, (150, 11), (160, 12))
    run(connection, 199)
    assert list_alarms(connection, site) == [(150, 160, 12, None, "")], "it holds nothing back"
    run(connection, 200)
    assert list_alarms(connection, site) == [(150, 200, 99, None, "")]


def test_it_evaluates_no_history(connection: Connection) -> None:
    site = watch(connection, high=10)
    day_s = HORIZON / SECOND
    send(connection, site, (-day_s - 5, 99), (-9 * day_s, 99))
    assert tell(run(connection, 0)) == {}
    send(connection, site, (-day_s - 1, 99))
    assert tell(run(connection, 0)) == {}
    send(connection, site, (-day_s + 60, 99))
    assert run(connection, 0).opened == 1


def test_it_begins_with_the_newest_reading(connection: Connection) -> None:
    site = watch(connection)
    send(connection, site, (-9, 99), (-8, 5), (-7, 98), (-6, 97))
    assert tell(run(connection, 0)) == {}, "no limits"
    set_device(connection, site, alarm_high=10)
    assert run(connection, 0).opened == 1
    assert list_alarms(connection, site) == [(-6, -6, 97, None, "")]


def move_away(connection: Connection, site: Site) -> None:
    other = register(connection, Meter("gauge"))
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [other.account_id, site.gateway_id]
    )


CHANGES: dict[str, tuple[Callable[[Connection, Site], None], str]] = {
    "the limit goes": (lambda c, s: set_device(c, s, alarm_high=None), "limit"),
    "another limit is left": (lambda c, s: set_device(c, s, alarm_high=None, alarm_low=1), "limit"),
    "the limit is raised": (lambda c, s: set_device(c, s, alarm_high=50), "limit"),
    "the device is deactivated": (lambda c, s: set_device(c, s, is_active=False), "inactive"),
    "the gateway is deactivated": (
        lambda c, s: c.execute("UPDATE gateway SET is_active = false") and None,
        "inactive",
    ),
    "the account is deactivated": (
        lambda c, s: c.execute("UPDATE account SET is_active = false") and None,
        "inactive",
    ),
    "the gateway moves to another account": (move_away, "moved"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_ends_an_alarm_that_no_reading_can_close(connection: Connection, change: str) -> None:
    site = watch(connection, high=10)
    send(connection, site, (0, 20))
    run(connection, 0)
    apply, ending = CHANGES[change]
    apply(connection, site)
    assert run(connection, 5).closed == 1
    assert list_alarms(connection, site) == [(0, 0, 20, 7, ending)]
    assert read(connection, "SELECT account_id FROM alarm") == [(site.account_id,)]
    assert tell(run(connection, 6)) == {}


def test_it_opens_anew_when_the_newest_reading_is_beyond_the_new_limit(
    connection: Connection,
) -> None:
    site = watch(connection, high=10)
    send(connection, site, (0, 20), (1, 8))
    run(connection, 1)
    set_device(connection, site, alarm_high=5)
    assert run(connection, 2).opened == 1, "without another reading"
    set_device(connection, site, alarm_high=6)
    assert tell(run(connection, 3)) == {"opened": 1, "closed": 1, "evaluated": 1}
    assert list_alarms(connection, site) == [(1, 1, 8, 5, "limit"), (1, 1, 8, None, "")]


def test_it_evaluates_again_after_a_pause(connection: Connection) -> None:
    site = watch(connection, high=10)
    send(connection, site, (0, 20))
    run(connection, 0)
    set_device(connection, site, is_active=False)
    run(connection, 1)
    assert read(connection, "SELECT count(*) FROM alarm_cursor") == [(0,)]
    set_device(connection, site, is_active=True)
    assert run(connection, 2).opened == 1


def test_it_evaluates_only_readings_of_the_new_account_when_a_device_moved(
    connection: Connection,
) -> None:
    site = watch(connection, high=10)
    run(connection, 0)
    move_away(connection, site)
    send(connection, site, (1, 20))  # stored by a worker that knew of no move yet
    assert tell(run(connection, 1)) == {}


def test_it_works_off_many_readings_and_devices_in_several_runs_and_steps(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "DEVICES_A_STEP", 2)
    monkeypatch.setattr(evaluate, "READINGS_A_RUN", 3)
    sites = [watch(connection, high=10) for _ in range(5)]
    run(connection, 0)
    for site in sites:
        send(connection, site, (1, 11), (2, 5), (3, 12), (4, 13), (5, 5))
    done = run(connection, 9)
    assert (done.opened, done.closed, done.evaluated, done.behind) == (10, 5, 5, 5)
    done = run(connection, 9)
    assert (done.opened, done.closed, done.evaluated, done.behind) == (0, 5, 5, 0)
    expected = [(1, 1, 11, 2, "reading"), (3, 4, 13, 5, "reading")]
    assert [list_alarms(connection, site) for site in sites] == [expected] * 5


def test_it_looks_at_gateways_that_were_seen_and_now_and_then_at_all(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked(at_s: float) -> int:
        return run(connection, at_s, evaluator=evaluator).checked

    evaluator = AlarmEvaluator()
    seen, unseen = watch(connection, high=10), watch(connection, high=10)
    assert looked(0) == 2, "it knows of no run before"
    assert looked(15) == 0
    connection.execute(
        "UPDATE gateway SET last_seen = %s WHERE id = %s", [NOW + 10 * SECOND, seen.gateway_id]
    )
    assert looked(30) == 1
    assert looked(45) == 1, "some of its readings may have been stored after last_seen was written"
    assert looked(160) == 1, "the run before was at 45"
    assert looked(175) == 0
    send(connection, unseen, (100, 11))  # replayed: no gateway was heard of
    assert looked(299) == 0
    assert run(connection, 301, evaluator=evaluator).opened == 1, "all, every five minutes"
    set_device(connection, unseen, alarm_high=9)
    assert looked(316) == 1, "its limit changed"
    monkeypatch.setattr(evaluate, "READINGS_A_RUN", 2)
    send(connection, unseen, *((number, 5) for number in range(601, 606)))
    assert [looked(at_s) for at_s in (606, 607, 608, 609)] == [2, 2, 2, 0], "until it is through"


def test_it_leaves_the_work_to_another_evaluation(
    connection: Connection, database_url: str, environ: dict[str, str]
) -> None:
    from workers.maintenance import evaluate_alarms as task

    with open_connection(database_url, name="other", statement_timeout_s=10) as other:
        assert wait_for_lock(other, Lock.ALARMS)
        with pytest.raises(EvaluationBusyError):
            run(connection, 0)
        task()
    task()
    assert TaskHistory.objects.get(task=EVALUATE_ALARMS_TASK).outcome == "busy"
    last = TaskRun.objects.get(name=EVALUATE_ALARMS_TASK)
    assert (last.result["checked"], last.success_at is None) == (0, False)


def test_it_leaves_the_acknowledgment_alone(connection: Connection) -> None:
    site = watch(connection, high=10)
    send(connection, site, (0, 20))
    run(connection, 0)
    connection.execute("UPDATE alarm SET acknowledged_at = now(), note = 'seen'")
    send(connection, site, (1, 30), (2, 1))
    run(connection, 2)
    rows = read(connection, "SELECT note, acknowledged_at IS NULL, closed_at IS NULL FROM alarm")
    assert rows == [("seen", False, False)]


LIMITS = ((None, 10), (0, None), (0, 10), (5, 5))
readings = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 400), st.integers(-3, 13)), max_size=12
)
turns = st.lists(st.tuples(readings, st.integers(1, 100)), min_size=1, max_size=6)


class Model:
    """What must stand of one limit, by the pure rules: late readings are left out."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.closed: list[Stretch] = []
        self.opened: Stretch | None = None

    def evaluate(self, values: list[Value]) -> None:
        found = evaluate_limit(values, self.limit, opened=self.opened)
        self.opened = found.pop() if found and found[-1].closed_at is None else None
        self.closed += found

    @property
    def all(self) -> list[tuple[Any, ...]]:
        found = [*self.closed, *([self.opened] if self.opened else [])]
        return [
            (s.opened_at, s.last_beyond_at, s.worst, s.closed_at, "reading" if s.closed_at else "")
            for s in found
        ]


@random_cases(25)
@given(turns=turns)
def test_it_comes_to_what_the_pure_rules_say(
    connection: Connection, clear: Callable[[], None], turns: Any
) -> None:
    clear()
    sites = [watch(connection, low=low, high=high) for low, high in LIMITS]
    models = [
        [Model(Limit(kind, Decimal(limit))) for kind, limit in (("low", low), ("high", high))  # type: ignore[arg-type]
         if limit is not None]
        for low, high in LIMITS
    ]  # fmt: skip
    stored: list[dict[datetime, Value]] = [{} for _ in sites]
    evaluated_until = [NOW - HORIZON for _ in sites]
    at_s = 0
    run(connection, at_s)
    for arrivals, pause_s in turns:
        for number, second, value in arrivals:
            send(connection, sites[number], (second, value))
            at = NOW + second * SECOND
            stored[number].setdefault(at, Value(at, Decimal(value)))
        at_s += pause_s
        run(connection, at_s)
        until = NOW + at_s * SECOND
        for number, of in enumerate(stored):
            fresh = [value for at, value in of.items() if evaluated_until[number] < at <= until]
            for model in models[number]:
                model.evaluate(fresh)
            evaluated_until[number] = max([evaluated_until[number], *(value.at for value in fresh)])
    for site, of_site in zip(sites, models, strict=True):
        for model in of_site:
            assert read(connection, ALARMS, site.device_id, model.limit.kind) == model.all
