"""`python -m ingest_bridge`: start, retire or check a bridge."""

import argparse
import dataclasses
import signal
import sys
import time
from typing import TYPE_CHECKING

import structlog

from config.env import SettingError, list_settings, read_options
from config.logs import configure_logging
from config.options import BridgeOptions, QueueOptions
from ingest_bridge.errors import EXIT_SETTING, BridgeError
from ingest_bridge.health import check_health

if TYPE_CHECKING:
    from redis import Redis

    from ingest_bridge.lease import Lease


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parsed = _build_parser().parse_args(arguments)
    given = {"BRIDGE_CLIENT_ID": parsed.client_id} if parsed.client_id else {}
    try:
        options = read_options(BridgeOptions, given=given)
        if parsed.check:
            is_healthy, words = check_health(options.health_file, now=time.time())
            print(words)
            return 0 if is_healthy else 1
        return _serve(options, parsed)
    except (SettingError, BridgeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", EXIT_SETTING)


def _serve(options: BridgeOptions, parsed: argparse.Namespace) -> int:
    # Celery and paho are imported only when they are needed: --help and --check stay quick.
    from config.queue import build_celery_app, connect_redis
    from ingest_bridge.bridge import Bridge
    from ingest_bridge.lease import list_sessions
    from telemetry.queue.batches import BatchQueue

    configure_logging(options.log)
    redis = connect_redis(options.redis)
    if parsed.list_sessions:
        for client_id in list_sessions(redis):
            print(client_id)
        return 0
    app = build_celery_app(read_options(QueueOptions))
    numbered = None
    if options.is_numbered:
        numbered = _take_number(redis, options.client_id)
        options = dataclasses.replace(options, client_id=numbered.client_id)
    queue = BatchQueue(redis, app, wait_replicas=options.redis.wait_replicas)
    bridge = Bridge(options, queue, redis, retire=parsed.retire, numbered=numbered)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bridge.stop())
    bridge.run()
    return 0


def _take_number(redis: "Redis", template: str) -> "Lease":
    """As soon as Redis answers."""
    from redis import RedisError

    from ingest_bridge.lease import take_number

    while True:
        try:
            return take_number(redis, template)
        except RedisError as error:
            structlog.get_logger("ingest_bridge").warning("redis_unavailable", error=str(error))
            time.sleep(1)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest_bridge",
        description="Take telemetry from the MQTT broker to the queue in Redis. A message is "
        "acknowledged to the broker when Redis has it on disk.",
        epilog=_describe_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--client-id", metavar="ID", help="MQTT client id; goes before BRIDGE_CLIENT_ID"
    )
    parser.add_argument(
        "--check", action="store_true", help="say whether the running bridge is healthy, and end"
    )
    parser.add_argument(
        "--list-sessions",
        action="store_true",
        help="print the client ids that may hold a session at the broker, and end",
    )
    parser.add_argument(
        "--retire",
        action="store_true",
        help="end the broker session of a bridge that left for good: unsubscribe, bring what "
        "waits there to the queue, delete the session",
    )
    return parser


def _describe_settings() -> str:
    lines = ["settings (environment; secrets also from the file named by NAME_FILE):"]
    for described, _, default in list_settings(BridgeOptions):
        shown = "required" if default is dataclasses.MISSING else f"default {default!r}"
        unit = f" [{described.unit}]" if described.unit else ""
        lines.append(f"  {described.name}\n      {described.help}{unit}; {shown}")
    lines.append("exit codes: 0 stopped, 2 a setting is wrong, 3 the client id was taken over")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
