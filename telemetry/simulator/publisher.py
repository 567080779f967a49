"""Publish a run: one thread, several connections, a bounded number of unanswered messages."""

import select
import time
from collections.abc import Callable, Iterator

from telemetry.simulator.mqtt_connection import Connection
from telemetry.simulator.outcomes import SimulatedMessage
from telemetry.simulator.pace import Pace
from telemetry.simulator.receipts import RunReceipts

LONGEST_WAIT_S = 0.2
KEEP_UP_EVERY_S = 0.1
FILL_AT_ONCE = 400  # messages between two reads of the sockets
STOP_WAIT_S = 5.0


class Publisher:
    """Sends messages when they are due and waits for their answers. `step` is one turn."""

    def __init__(
        self,
        messages: Iterator[SimulatedMessage],
        *,
        connections: list[Connection],
        receipts: RunReceipts,
        pace: Pace,
        patience_s: float = 0.0,
    ) -> None:
        self._messages = messages
        self._connections = connections
        self._receipts = receipts
        self._pace = pace
        self._patience_s = patience_s
        self._next = next(messages, None)  # None: all were sent
        self._stop_at_s: float | None = None
        self._keep_up_at_s = 0.0
        self._start_s: float | None = None  # when the first message was sent
        self._end_s: float | None = None
        self._is_full = False  # the next message waits for room, not for its time
        self._lag_s = 0.0  # by how much the pace was set back
        self._progress_at_s = time.monotonic()
        self._answered = 0
        self.published = 0
        self.fault = ""  # why the run was given up

    @property
    def is_stopping(self) -> bool:
        """Whether the run was told to stop before its end."""
        return self._stop_at_s is not None

    @property
    def elapsed_s(self) -> float:
        """Time since the first message, up to the end of the run."""
        if self._start_s is None:
            return 0.0
        return (self._end_s or time.monotonic()) - self._start_s

    def list_unacked(self) -> list[SimulatedMessage]:
        """Messages that were sent and never answered."""
        return [message for connection in self._connections for message in connection.unacked]

    def stop(self) -> None:
        """Publish nothing more; wait a little for the answers that are missing."""
        if self._stop_at_s is None:
            self._stop_at_s = time.monotonic() + STOP_WAIT_S

    def run(self, on_step: Callable[[], None] = lambda: None) -> None:
        """Publish until all is answered, or until nothing moves any more (`fault`).

        Raises `SimulatorError` when the broker refuses the user.
        """
        try:
            while self.step():
                on_step()
        finally:
            self._end_s = time.monotonic()
            for connection in self._connections:
                connection.close()

    def step(self) -> bool:
        """Do what can be done now, or wait for it shortly; False when the run is over."""
        self._keep_up()
        self._fill()
        if self._is_over():
            return False
        self._exchange(self._measure_wait_s())
        self._check_progress()
        return not self.fault

    def _is_over(self) -> bool:
        if not (self._next is None or self.is_stopping):
            return False
        if all(connection.is_idle for connection in self._connections):
            return True
        return self._stop_at_s is not None and time.monotonic() > self._stop_at_s

    def _keep_up(self) -> None:
        now_s = time.monotonic()
        if now_s < self._keep_up_at_s:
            return
        self._keep_up_at_s = now_s + KEEP_UP_EVERY_S
        for connection in self._connections:
            connection.keep_up()

    def _fill(self) -> None:
        for connection in self._connections:
            connection.send_again()
        if self.is_stopping:
            return
        if self._start_s is None:
            # The clock starts when the fleet is connected: what is due is due from then on.
            if not all(connection.is_ready for connection in self._connections):
                return
            self._start_s = time.monotonic()
        paced_s = self.elapsed_s - self._lag_s
        self._lag_s += self._pace.measure_lag_s(sent=self.published, elapsed_s=paced_s)
        due = self._pace.count_due(self.elapsed_s - self._lag_s) - self.published
        self._is_full = False
        for _ in range(min(due, FILL_AT_ONCE)):
            if not self._send_next():
                self._is_full = True
                break

    def _send_next(self) -> bool:
        if self._next is None:
            return False
        connection = self._connections[self._next.gateway % len(self._connections)]
        if not connection.has_room():
            return False
        connection.publish(self._next)
        self.published += 1
        self._next = next(self._messages, None)
        return True

    def _measure_wait_s(self) -> float:
        if self._next is None or self.is_stopping or self._start_s is None:
            return KEEP_UP_EVERY_S
        wait_s = self._pace.due_at_s(self.published) - self.elapsed_s + self._lag_s
        if wait_s > 0:
            return min(wait_s, LONGEST_WAIT_S)
        return KEEP_UP_EVERY_S if self._is_full else 0.0

    def _exchange(self, wait_s: float) -> None:
        poll = select.poll()
        by_number = {}
        for connection in self._connections:
            socket = connection.socket()
            if socket is None:
                continue
            if connection.wants_write():
                connection.write()
            events = select.POLLIN | (select.POLLOUT if connection.wants_write() else 0)
            socket = connection.socket()  # the write may have found it lost
            if socket is not None:
                poll.register(socket, events)
                by_number[socket.fileno()] = connection
        for number, events in poll.poll(max(wait_s, 0) * 1000):
            if events & select.POLLOUT:
                by_number[number].write()
            if events & ~select.POLLOUT:
                by_number[number].read()

    def _check_progress(self) -> None:
        now_s = time.monotonic()
        waits = any(not connection.is_idle for connection in self._connections)
        is_cut_off = not all(connection.is_ready for connection in self._connections)
        if self._receipts.answered > self._answered or not (waits or is_cut_off):
            self._answered = self._receipts.answered
            self._progress_at_s = now_s
        elif self._patience_s and now_s - self._progress_at_s > self._patience_s:
            errors = {c.last_error for c in self._connections if c.last_error} or {"no answer"}
            self.fault = (
                f"the broker has acknowledged nothing for {self._patience_s:.0f} s "
                f"({', '.join(sorted(errors))}): check MQTT_HOST and MQTT_PORT and that it runs"
            )
