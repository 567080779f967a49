"""Which processes of a pool are known to be dead."""

import subprocess
import sys

from telemetry.queue.batches import BatchQueue
from tests.batches import list_ready
from tests.integration.test_queue import MESSAGES
from workers.siblings import is_dead_sibling, name_owner


def rename(owner: str, *, part: int, value: str) -> str:
    parts = owner.split("|")
    parts[part] = value
    return "|".join(parts)


def end_process() -> str:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return str(process.pid)


def test_it_knows_a_process_of_its_own_pool_that_has_ended() -> None:
    me = name_owner("ingest@host")
    dead = rename(me, part=2, value=end_process())
    assert is_dead_sibling(dead, me=me)
    assert not is_dead_sibling(me, me=me)
    assert not is_dead_sibling(rename(me, part=2, value="1"), me=me), "it lives"


def test_it_judges_nobody_whom_it_cannot_see() -> None:
    me = name_owner("ingest@host")
    dead = rename(me, part=2, value=end_process())
    assert not is_dead_sibling(rename(dead, part=0, value="ingest@other"), me=me)
    assert not is_dead_sibling(rename(dead, part=1, value="another boot"), me=me)
    nowhere = rename(me, part=1, value="")
    assert not is_dead_sibling(rename(dead, part=1, value=""), me=nowhere)
    assert not is_dead_sibling("owner", me=me)


def test_it_makes_ready_what_dead_owners_held(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="b")
    queue.end_owners(lambda _: True)
    queue.claim()
    queue.end_owners(lambda owner: owner != "owner")
    queue.watch()
    assert list_ready(queue) == set()
    queue.end_owners(lambda owner: owner == "owner")
    queue.watch()
    assert list_ready(queue) == {batch_id}
