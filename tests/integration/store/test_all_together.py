"""Whatever happens to a device, in any order: late and repeated readings, edits and their undoing,
changes of meter, gaps, a move to another account. Hours, days, months and bands of both accounts
are what the pure form says of what is known in the end."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from telemetry.core.consumption import Value
from telemetry.edits.editing import VOID, Change, request_edit, undo_edit
from telemetry.models import Account, Device
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.ledger import insert_dirty_hours
from telemetry.store.verification.verify import verify_aggregates
from tests.bands import check_bands
from tests.consumption import (
    EPOCH,
    Replacement,
    Site,
    expect_figures,
    read,
    read_figures,
    register,
    replace_register,
)
from tests.integration.store.test_consumption import MINUTE, PLACES, changes, meters, series
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)

# No value above what a meter of a modulus can show: such an edit is refused.
edits = st.just(VOID) | st.integers(0, 499_999).map(
    lambda ten_thousandths: Change(value=Decimal(ten_thousandths) / 10_000)
)

# As the ingest pool stores them: by the account of their own time, and not what is voided.
PUT = """
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)
SELECT r.time, now(), coalesce(p.account_id, d.account_id), d.gateway_id, d.id, r.value, ''
FROM unnest(%(times)s::timestamptz[], %(values)s::numeric[]) AS r (time, value)
JOIN device d ON d.id = %(device)s
LEFT JOIN assignment_period p ON p.gateway_id = d.gateway_id AND r.time > p.since
    AND r.time <= p.until
WHERE NOT EXISTS (
    SELECT FROM edited_reading e
    WHERE e.device_id = d.id AND e.time = r.time AND e.is_current AND e.after IS NULL)
ON CONFLICT DO NOTHING RETURNING device_id, time
"""


class Story(Struct):
    """A device: its meter and readings, changes of its meter, edits by the instant of the reading
    (the change, whether it is undone), and from when on it is the account's of `new`."""

    old: Site
    new: Site
    readings: list[Value]
    changes: list[Replacement]
    edits: dict[datetime, tuple[Change, bool]]
    moved_at: datetime | None

    @property
    def counted(self) -> list[Value]:
        """The readings that count in the end."""
        found = []
        for one in self.readings:
            change, is_undone = self.edits.get(one.at, (None, True))
            if change is None or is_undone:
                found.append(one)
            elif change.value is not None:
                found.append(Value(one.at, change.value))
        return found

    def is_old(self, at: datetime) -> bool:
        """Whether it was still the old account's."""
        return self.moved_at is None or at <= self.moved_at

    def is_new(self, at: datetime) -> bool:
        """Whether it is the new account's."""
        return not self.is_old(at)


def draw_story(data: Any, connection: Connection, number: int) -> Story:
    zone, start, billing_day = PLACES[number]
    there, _, other_day = PLACES[data.draw(st.integers(0, len(PLACES) - 1))]
    is_spread = data.draw(st.booleans())
    old = register(
        connection, data.draw(meters), zone=zone, billing_day=billing_day, is_spread=is_spread
    )
    new = register(connection, old.meter, zone=there, billing_day=other_day, is_spread=is_spread)
    found = [Value(start + at * MINUTE, one) for at, one in data.draw(series).items()]
    edited = data.draw(st.lists(st.sampled_from(found), max_size=3, unique=True)) if found else []
    hour = data.draw(st.none() | st.integers(0, 48))
    return Story(
        old,
        structs.replace(new, device_id=old.device_id, gateway_id=old.gateway_id),
        found,
        [Replacement(start + at * MINUTE, *one) for at, one in data.draw(changes).items()],
        {one.at: data.draw(st.tuples(edits, st.booleans())) for one in edited},
        None if hour is None else start + hour * HOUR,
    )


def put(connection: Connection, story: Story, found: list[Value]) -> None:
    columns = {"times": [one.at for one in found], "values": [one.value for one in found]}
    with connection.transaction():
        stored: Any = connection.execute(PUT, {**columns, "device": story.old.device_id}).fetchall()
        insert_dirty_hours(connection, [
            (device_id, (at - EPOCH) // timedelta(microseconds=1)) for device_id, at in stored
        ])  # fmt: skip


def move(connection: Connection, story: Story) -> None:
    """As `move_gateway` does it."""
    if story.moved_at is None:
        return
    with connection.transaction():
        connection.execute(
            "UPDATE gateway SET account_id = %s WHERE id = %s",
            [story.new.account_id, story.old.gateway_id],
        )
        connection.execute(
            "UPDATE assignment SET since = %s WHERE gateway_id = %s AND since IS NOT NULL",
            [story.moved_at, story.old.gateway_id],
        )


def edit(connection: Connection, story: Story, at: datetime) -> bool:
    """Edit a reading, if it is stored; and undo it, if the story says so. Whether it was stored."""
    rows = read(
        connection, "SELECT account_id FROM reading WHERE device_id = %s AND time = %s",
        story.old.device_id, at,
    )  # fmt: skip
    if not rows:
        return False
    change, is_undone = story.edits[at]
    made = request_edit(
        Account.objects.get(pk=rows[0][0]), device=Device.objects.get(pk=story.old.device_id),
        since=at, until=at, change=change, reason="drawn", user=None,
    )  # fmt: skip
    if is_undone:
        undo_edit(made, user=None, reason="drawn")
    return True


def list_different(found: dict[str, Any], expected: dict[str, Any]) -> list[Any]:
    """What is not as it should be, in what was found and in what was expected."""
    return [
        (name, bucket, found[name].get(bucket), expected[name].get(bucket))
        for name in expected
        for bucket in found[name].keys() | expected[name].keys()
        if found[name].get(bucket) != expected[name].get(bucket)
    ]


@random_cases(8)
@given(data=st.data())
def test_it_comes_to_the_same_whatever_happens_in_any_order(
    connection: Connection, data: Any
) -> None:
    stories = [draw_story(data, connection, number) for number in range(len(PLACES))]
    random = data.draw(st.randoms(use_true_random=False))
    steps = data.draw(st.integers(1, 3))
    for story in stories:
        arrivals = [*story.readings, *random.sample(story.readings, len(story.readings) // 4)]
        random.shuffle(arrivals)
        events: list[Any] = [("move", None), *(("change", one) for one in story.changes)]
        random.shuffle(events)
        waiting = set(story.edits)
        for step in range(steps):
            put(connection, story, arrivals[step::steps])
            for kind, one in events[step::steps]:
                if kind == "move":
                    move(connection, story)
                else:
                    replace_register(connection, story.old, one)
            some = random.sample(sorted(waiting), len(waiting) // 2)
            waiting -= {at for at in some if edit(connection, story, at)}
            put(connection, story, random.sample(arrivals, len(arrivals) // 3))
            refresh_aggregates(connection)
        put(connection, story, arrivals)  # all of it once more
        for at in sorted(waiting):
            edit(connection, story, at)
    refresh_aggregates(connection)
    for story in stories:
        for site, owns in ((story.old, story.is_old), (story.new, story.is_new)):
            found = read_figures(connection, site, account_id=site.account_id)
            expected = expect_figures(site, story.counted, story.changes, owns=owns)
            if wrong := list_different(found, expected):
                pytest.fail(f"{wrong}\n{story}")
            check_bands(connection, site, story.counted, story.changes, owns=owns)
    assert read(connection, "SELECT count(*) FROM dirty_hour") == [(0,)]
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)
