"""Disks that lose or change what they were given. No promise about the data survives that; what is
checked is that whatever is gone is named by the delivery report or lay in what the disk lost.
"""

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from redis import Redis

from compose.local.layout import StackError
from telemetry.core.batch import BATCH_KEY
from tests.chaos.cause import Cause
from tests.chaos.lost import Damage, LostBatch
from tests.chaos.schedule import Kind
from tests.chaos.stack import ChaosStack, resume_tree, stop_tree

MULTI = b"*1\r\n$5\r\nMULTI\r\n"
FILLING_S = 1.5  # the broker's file holds something by then
FLIPS = 4
START_S = 15.0


def list_corruptions() -> dict[str, Cause]:
    """Both kinds, by name."""
    causes = [
        Cause(Kind("redis: truncated file", "redis"), truncate_file, start_truncated),
        Cause(Kind("mosquitto: bit flips", "mosquitto"), flip_bits, start_flipped),
    ]
    return {cause.kind.name: cause for cause in causes}


def truncate_file(stack: ChaosStack) -> None:
    """Kill Redis and cut its newest file in the middle of the last batch that it took."""
    stack.find("redis").kill()
    files = (stack.servers.data / "redis/appendonlydir").glob("*.incr.aof")
    path = max(files, key=lambda file: int(file.name.split(".")[-3]))
    content = path.read_bytes()
    puts = list(find_puts(content))
    if not puts:
        raise StackError(f"{path} holds no batch")
    begin, end, batch = puts[-1]
    with path.open("r+b") as file:
        file.truncate((begin + end) // 2)
    _damage(stack).lost_batches = [batch]


def find_puts(content: bytes) -> Iterator[tuple[int, int, LostBatch]]:
    """Start of the transaction, end, and the batch, of each that a file tells of."""
    at = 0
    while (key_at := content.find(b"\r\n" + BATCH_KEY.encode(), at)) >= 0:
        at = key_at + 2
        words, end = _read_command(content, content.rfind(b"*", 0, key_at))
        if words[0].upper() != b"HSET" or b"body" not in words:
            continue
        fields = dict(zip(words[2::2], words[3::2], strict=True))
        batch_id = words[1].decode().removeprefix(BATCH_KEY)
        begin = content.rfind(MULTI, 0, key_at)
        yield begin, end, LostBatch(batch_id, int(fields[b"messages"]), fields[b"body"])
        at = end


def _read_command(content: bytes, at: int) -> tuple[list[bytes], int]:
    """The words of the command that begins there, and where it ends."""
    line_end = content.index(b"\r\n", at)
    count, at = int(content[at + 1 : line_end]), line_end + 2
    words = []
    for _ in range(count):
        line_end = content.index(b"\r\n", at)
        size = int(content[at + 1 : line_end])
        words.append(content[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
    return words, at


def start_truncated(stack: ChaosStack) -> None:
    """It starts by itself: `aof-load-truncated yes`. Then the file is written anew, as an operator
    must: Redis 8.0 leaves the beginning of the cut transaction in it, its MULTI and counters, and
    at the next start carries that out together with what follows."""
    stack.restore_server("redis")
    with Redis.from_url(stack.environ["REDIS_URL"], socket_timeout=5) as redis:
        redis.bgrewriteaof()
        give_up_at = time.monotonic() + START_S
        while True:
            info = redis.info("persistence")
            if not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]:
                return
            if time.monotonic() > give_up_at:
                raise StackError(f"Redis's file is not written anew within {START_S:.0f} s")
            time.sleep(0.1)


def flip_bits(stack: ChaosStack) -> None:
    """Let the broker's file hold messages, kill the broker, change bits anywhere in the file."""
    bridge = stack.processes["bridge"]
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        stop_tree(bridge.pid)
    time.sleep(FILLING_S)
    stack.find("mosquitto").kill()
    _damage(stack).broker_ended_at = time.time()
    _flip(_broker_file(stack))
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        resume_tree(bridge.pid)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(FLIPS):
        bit = random.randrange(len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
    with path.open("r+b") as file:
        file.write(content)


def start_flipped(stack: ChaosStack) -> None:
    """Start the broker; when it refuses the file, put the file aside as an operator would."""
    server = stack.find("mosquitto")
    server.launch()
    try:
        server.wait_until_ready(timeout_s=START_S)
    except StackError as error:
        _damage(stack).seen = f"the broker refused its file: {str(error).splitlines()[-1]}"
    else:
        _damage(stack).seen = "the broker started"
        return
    server.kill()
    for path in _broker_file(stack).parent.glob("sessions.db*"):
        path.rename(path.with_suffix(path.suffix + ".damaged"))
    _damage(stack).is_put_aside = True
    stack.restore_server("mosquitto")


def _damage(stack: ChaosStack) -> Damage:
    if stack.damage is None:
        raise StackError("this run damages no files: --corrupt")
    return stack.damage


def _broker_file(stack: ChaosStack) -> Path:
    return stack.servers.data / "mosquitto/sessions.db"
