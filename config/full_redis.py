"""Small writes still pass when Redis is full, so that what waits in it can be worked off.

At `maxmemory`, as nothing may be evicted, Redis refuses every command that may take memory,
also those by which a worker notes the task that it takes: nothing could drain. Only a script that
says `allow-oom` passes. So what was refused is run again in such a script, a transaction as a whole
in one. A refused command has changed nothing: running it again is safe.

What this lets grow is small: a task for each batch that is pending, and the notes of the processes.
Batches are brought in by a script of their own (`telemetry/queue/lua/put.lua`), and scripts are
never run again: each says itself whether it may run when Redis is full.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from redis.client import Pipeline
from redis.exceptions import ExecAbortError, OutOfMemoryError, ResponseError

QUEUES = ("ingest", "maintenance")
"""Of tasks."""

SCRIPT_COMMANDS = ("EVAL", "EVALSHA", "FCALL")
MAY_FILL = "#!lua flags=allow-oom\n"

# ARGV: for each command the number of its words, then these. An error ends nothing, as in MULTI.
RUN = (
    MAY_FILL
    + """\
local replies, at = {}, 1
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  replies[#replies + 1] = redis.pcall(unpack(ARGV, at + 1, last))
  at = last + 1
end
return replies
"""
)

Command = tuple[tuple[Any, ...], dict[str, Any]]  # as redis-py stacks them: words, options


class SmallWrites(redis.Redis):
    """A client whose commands and transactions pass when Redis is full.

    Not so a pipeline without a transaction: some of its commands may have been run.
    """

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py's; once more in a script when Redis is full."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except OutOfMemoryError:
            if str(args[0]).upper() in SCRIPT_COMMANDS:
                raise
        replies = super().execute_command(*pack_script([(args, options)]))  # type: ignore[no-untyped-call]
        return read_replies(self, [(args, options)], replies, raise_on_error=True)[0]

    def pipeline(
        self,
        transaction: bool = True,  # noqa: FBT001, FBT002 - as redis-py has it
        shard_hint: Any = None,
    ) -> "Transaction":
        """As redis-py's."""
        return Transaction(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class Transaction(Pipeline):
    """A pipeline whose commands run as one script when Redis is full."""

    def execute(
        self,
        raise_on_error: bool = True,  # noqa: FBT001, FBT002 - as redis-py has it
    ) -> list[Any]:
        """As redis-py's."""
        commands = list(self.command_stack)
        if self.watching and commands:
            # What is watched is forgotten with a refusal. One script is never refused.
            self.command_stack = [(pack_script(commands), {})]
            [replies] = super().execute()
            return read_replies(self, commands, replies, raise_on_error=raise_on_error)
        try:
            return super().execute(raise_on_error)
        except ResponseError as error:
            is_whole: Any = self.transaction  # a flag here, and a method of the class above
            if not (is_whole and is_refused(error)):
                raise
        client = redis.Redis(connection_pool=self.connection_pool)
        replies = client.execute_command(*pack_script(commands))  # type: ignore[no-untyped-call]
        return read_replies(self, commands, replies, raise_on_error=raise_on_error)


class WithSmallWrites:
    """What a channel of kombu's gets with the client above."""

    def _get_client(self) -> Any:
        found = super()._get_client()  # type: ignore[misc]  # the stubs leave it out, as the next
        return SmallWrites if found is redis.Redis else found

    @cached_property
    def _refresh_binding(self) -> Any:
        client: redis.Redis = self._create_client()  # type: ignore[attr-defined]
        return client.register_script(MAY_FILL + kombu_redis.REFRESH_BINDING)  # type: ignore[attr-defined]


class Channel(WithSmallWrites, kombu_redis.Channel):
    """kombu's, with the client above."""


class SentinelChannel(WithSmallWrites, kombu_redis.SentinelChannel):
    """The same, for a Redis whose address Sentinels know."""


class Poller(kombu_redis.MultiChannelPoller):
    """kombu's; only who takes tasks sends again those that nobody acknowledged.

    kombu does so wherever it waits for an answer. Web and Flower, which only ask, have no right to.
    """

    def maybe_restore_messages(self) -> None:
        if any(set(QUEUES).intersection(channel.active_queues) for channel in self._channels):  # type: ignore[attr-defined]
            super().maybe_restore_messages()


class WithPoller:
    """What a transport of kombu's gets with the poller above."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle: Any = Poller()


class Transport(WithPoller, kombu_redis.Transport):
    """Celery's way to Redis."""

    Channel = Channel
    cycle: Any


class SentinelTransport(WithPoller, kombu_redis.SentinelTransport):
    """Celery's way to the Redis that Sentinels name."""

    Channel = SentinelChannel
    cycle: Any


def is_refused(error: Exception) -> bool:
    """Whether Redis was full when a command, or the EXEC of a transaction, came."""
    if isinstance(error, ExecAbortError):
        return "OOM " in str(error)
    return isinstance(error, OutOfMemoryError)


def pack_script(commands: Sequence[Command]) -> tuple[Any, ...]:
    """The words of the command that runs all these."""
    words: list[Any] = []
    for args, _ in commands:
        words += [len(args), *args]
    return ("EVAL", RUN, 0, *words)


def read_replies(
    client: redis.Redis, commands: Sequence[Command], replies: list[Any], *, raise_on_error: bool
) -> list[Any]:
    """Raw answers as redis-py hands them out. Scripts answer in RESP2: scores come as text."""
    read = []
    for (args, options), reply in zip(commands, replies, strict=True):
        if isinstance(reply, Exception):
            if raise_on_error:
                raise reply
            read.append(reply)
            continue
        callback = client.response_callbacks.get(args[0])  # type: ignore[no-untyped-call]
        options.pop("keys", None)
        read.append(callback(reply, **options) if callback else reply)
    return read
