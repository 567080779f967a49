"""The queue without a server, as the tests of the queue have it."""

from tests.unit.queue.conftest import celery, queue, redis  # noqa: F401 - fixtures
