"""The loop: MQTT in, batches out, acknowledge only what Redis holds (architecture.md, 2 and 3)."""

import random
import time
from typing import Any

import structlog
from redis import Redis, RedisError

from config.options import BridgeOptions
from ingest_bridge.backpressure import Backpressure
from ingest_bridge.collector import Collector, FlushPolicy
from ingest_bridge.drops import BrokerDrops
from ingest_bridge.health import HealthFile
from ingest_bridge.lease import Lease
from ingest_bridge.presence import PresenceReport
from ingest_bridge.queue_watch import QueueWatch
from ingest_bridge.sender import Sender
from ingest_bridge.session import Session
from telemetry.core.batch import RawMessage
from telemetry.core.retry import backoff_delay_s
from telemetry.core.topic import STATUS
from telemetry.queue.batches import BatchQueue
from telemetry.queue.levels import choose_marks
from telemetry.queue.traces import open_tracer

LONGEST_WAIT_S = 0.5
CONNECT_TIMEOUT_S = 10.0
HELD_BYTES = 16_000_000
QUIET_S = 2.0
DRAIN_S = 20.0
REST_S = 0.003

log = structlog.get_logger("ingest_bridge")


class Bridge:
    """One bridge process. `step` goes round once; `run` goes round until `stop` is called."""

    def __init__(
        self,
        options: BridgeOptions,
        queue: BatchQueue,
        redis: Redis,
        *,
        retire: bool,
        numbered: Lease | None = None,
    ) -> None:
        """`retire`: end the session and nothing else. `numbered`: the lease of a number that was
        taken; such a bridge ends its session when it is stopped while others serve."""
        self._collector = Collector(
            FlushPolicy(
                messages=options.batch_messages,
                payload_bytes=options.batch_bytes,
                linger_s=options.linger_ms / 1000,
                late_linger_s=options.late_linger_ms / 1000,
            )
        )
        self._options = options
        self._session = Session(options, on_message=self._on_message)
        self._session.is_retiring = retire
        self._drops = BrokerDrops(queue, self._session, client_id=options.client_id)
        self._presence = PresenceReport(redis, prefix=options.topic.prefix)
        tracer = open_tracer(options.traces, service="tds-bridge", instance=options.client_id)
        self._sender = Sender(queue, client_id=options.client_id, tracer=tracer)
        self._lease = numbered or Lease(redis, client_id=options.client_id)
        self._is_numbered = numbered is not None
        self._backpressure = Backpressure(queue, choose_marks(options.marks))
        self._queue_watch = QueueWatch(queue)
        self._health = HealthFile(options.health_file)
        self._is_connected = self._was_ready = False
        self._has_overflowed = False
        self._connects = 0
        self._connect_at = self._ready_by = 0.0
        self._progress_at = time.time()
        self._read_at = self._message_at = time.monotonic()
        self._is_stopping = False
        self._is_retired = False

    def stop(self) -> None:
        """Ask the loop to flush and end. Safe in a signal handler."""
        self._is_stopping = True

    def run(self) -> None:
        """Serve until stopped, or until a retiring session is drained. Raises `BridgeError`."""
        if not self._acquire_lease():
            return
        try:
            while not self._is_stopping and not self._is_drained():
                self.step()
            if self._is_numbered:
                self._drain_for_good()
            self._leave()
        finally:
            try:
                self._lease.release(is_retired=self._is_retired)
            except RedisError:
                log.warning("lease_not_released", client_id=self._options.client_id)

    def step(self) -> None:
        """Go round once: wait for the socket, read, flush what is due, acknowledge."""
        now_s = time.monotonic()
        self._watch_connection()
        self._connect_when_due(now_s)
        self._rest(now_s)
        readable, writable = self._session.wait(self._choose_wait_s(now_s))
        if not self._session.is_open:
            time.sleep(0.05)
        if writable:
            self._session.write()
        if readable and self._may_read():
            self._read()
        self._session.keep_alive()
        self._watch_connection()
        self._backpressure.check(now_s=now_s)
        self._queue_watch.check(now_s=now_s)
        self._collector.storing_s = self._sender.storing_s
        self._send()
        self._report()

    def _rest(self, now_s: float) -> None:
        """While a batch lingers anyway, let messages gather: the broker writes them at once then,
        and a message costs it and the bridge a fraction."""
        wait_s = self._collector.wait_s(now_s=now_s)
        if wait_s and self._can_start():
            time.sleep(min(wait_s, REST_S))

    def _acquire_lease(self) -> bool:
        failures = 0
        while not self._is_stopping:
            try:
                self._lease.acquire()
            except RedisError as error:
                failures += 1
                delay_s = backoff_delay_s(failures, chance=random.random(), longest_s=5)
                log.warning("redis_unavailable", delay_s=round(delay_s, 2), error=str(error))
                self._report_health("waiting for redis")
                time.sleep(delay_s)
            else:
                return True
        return False

    def _connect_when_due(self, now_s: float) -> None:
        if self._session.is_open or now_s < self._connect_at or not self._may_read():
            return
        if self._has_overflowed and (self._backpressure.is_paused or self._sender.outgoing):
            return  # the same messages would come and overflow again
        self._has_overflowed = False
        self._connects += 1
        delay_s = backoff_delay_s(self._connects, chance=random.random(), longest_s=5)
        self._connect_at = now_s + delay_s
        try:
            self._session.connect()
        except OSError as error:
            log.warning("broker_unavailable", delay_s=round(delay_s, 2), error=str(error))
        else:
            self._is_connected = True
            self._ready_by = now_s + CONNECT_TIMEOUT_S

    def _choose_wait_s(self, now_s: float) -> float:
        if self._sender.outgoing is not None:
            return min(LONGEST_WAIT_S, max(0.0, self._sender.outgoing.due_at - now_s))
        wait_s = None if self._backpressure.is_paused else self._collector.wait_s(now_s=now_s)
        return LONGEST_WAIT_S if wait_s is None else min(LONGEST_WAIT_S, wait_s)

    def _may_read(self) -> bool:
        """Reading goes on while Redis is away, so that pings are answered; the broker stops at
        the receive-maximum, and very large messages stop here."""
        return self._collector.payload_bytes < HELD_BYTES

    def _read(self) -> None:
        """Read until the socket is empty or the batch is full."""
        count = -1
        while len(self._collector) != count and self._session.is_open:
            count = len(self._collector)
            self._read_at = time.monotonic()
            self._session.read()
            if self._can_start() and self._collector.is_full():
                return
            if not self._may_read():
                # Nothing can be sent: leave what is unacknowledged to the broker.
                log.warning("buffer_full", messages=len(self._collector))
                self._has_overflowed = True
                self._session.abandon()
                return

    def _on_message(self, message: RawMessage, packet_id: int) -> None:
        self._message_at = self._read_at
        if message.topic.endswith(STATUS) and self._presence.take(message):
            self._collector.add_unpacked(packet_id)
        else:
            self._collector.add(message, packet_id=packet_id, now_s=self._read_at)

    def _watch_connection(self) -> None:
        if self._is_connected and not self._session.is_open:
            self._note_end()
        is_ready = self._session.is_ready
        if is_ready and not self._was_ready:
            self._connects = 0
            log.info(
                "connected",
                client_id=self._options.client_id,
                topic=self._session.topic,
                session_present=self._session.was_present,
            )
        elif self._is_connected and not is_ready and time.monotonic() > self._ready_by:
            log.warning("broker_silent", timeout_s=CONNECT_TIMEOUT_S)
            self._session.abandon()
            self._note_end()
        self._was_ready = is_ready

    def _note_end(self) -> None:
        """A connection ended, ready or not. Packet ids belong to the socket that they were read
        from, and what was not acknowledged on it comes again: the next one is a new generation."""
        self._is_connected = False
        dropped = self._collector.start_generation()
        if self._was_ready:
            self._connect_at = time.monotonic() + 0.1
        log.warning("disconnected", was_ready=self._was_ready, unflushed_messages=dropped)

    def _can_start(self) -> bool:
        return self._sender.outgoing is None and not self._backpressure.is_paused

    def _send(self) -> None:
        now_s = time.monotonic()
        if self._can_start() and self._collector.wait_s(now_s=now_s) == 0.0:
            self._sender.start(self._collector.flush(now_s=now_s))
        sent = self._sender.step(now_s=now_s)
        if sent is None:
            self._acknowledge_unpacked()
            return
        self._progress_at = time.time()
        # Packet ids of an older connection could confirm other messages.
        if sent.generation == self._collector.generation and self._session.is_open:
            self._session.acknowledge(sent.packet_ids)

    def _acknowledge_unpacked(self) -> None:
        """What belongs in no batch, when no message that came before it waits."""
        if self._sender.outgoing is None and self._session.is_open:
            packet_ids = self._collector.take_packet_ids()
            if packet_ids:
                self._session.acknowledge(packet_ids)

    def _is_drained(self) -> bool:
        return (
            self._session.is_retiring
            and self._session.is_ready
            and not self._waiting_messages()
            and time.monotonic() - self._message_at > QUIET_S
        )

    def _waiting_messages(self) -> int:
        outgoing = self._sender.outgoing
        return len(self._collector) + (outgoing.count if outgoing else 0)

    def _drain_for_good(self) -> None:
        """Unsubscribe and bring what waits in the session to the queue, if others serve."""
        try:
            if not self._session.is_ready or not self._lease.begin_leaving():
                return
        except RedisError as error:
            log.warning("session_kept", client_id=self._options.client_id, error=str(error))
            return
        self._session.retire()
        now_s = self._message_at = time.monotonic()
        self._ready_by = now_s + CONNECT_TIMEOUT_S
        while not self._is_drained() and time.monotonic() < now_s + DRAIN_S:
            self.step()
        if not self._is_drained():
            log.error("session_not_drained", client_id=self._options.client_id, after_s=DRAIN_S)

    def _leave(self) -> None:
        """Flush and acknowledge what is here, within 10 s, then say goodbye to the broker."""
        give_up_at = time.monotonic() + 10
        while self._waiting_messages() and time.monotonic() < give_up_at:
            now_s = time.monotonic()
            if self._sender.outgoing is None:
                self._sender.start(self._collector.flush(now_s=now_s))
            self._send()
            if self._sender.outgoing is not None:
                time.sleep(0.05)
        if self._waiting_messages():
            log.warning("left_unflushed", messages=self._waiting_messages())
        self._is_retired = self._is_drained()
        if self._session.is_open:
            self._session.close(for_good=self._is_retired)
        self._sender.close()
        log.info(
            "session_ended" if self._is_retired else "stopped",
            client_id=self._options.client_id,
            sent_messages=self._sender.sent_messages,
            sent_batches=self._sender.sent_batches,
        )

    def _state(self) -> str:
        if not self._session.is_ready:
            return "connecting"
        if self._sender.outgoing is not None:
            return "waiting for redis"
        if self._backpressure.is_paused:
            return f"paused: {self._backpressure.reason}"
        return "retiring" if self._session.is_retiring else "ready"

    def _report(self) -> None:
        state = self._state()
        self._report_health(state)
        try:
            self._lease.renew(self._fields(state), now_s=time.monotonic())
            self._drops.report()
            self._presence.report()
        except RedisError as error:
            log.debug("lease_not_renewed", error=str(error))

    def _report_health(self, state: str) -> None:
        self._health.write(self._fields(state), now_s=time.monotonic())

    def _fields(self, state: str) -> dict[str, Any]:
        return {
            "state": state,
            "progress_at": self._progress_at,
            "waiting_messages": self._waiting_messages(),
            "sent_messages": self._sender.sent_messages,
            "sent_batches": self._sender.sent_batches,
        }
