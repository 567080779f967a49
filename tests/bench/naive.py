"""How such systems are usually written: a task for each message, an ORM query for each reading.

`python -m tests.bench.naive consume` is the subscriber, `... work` the worker. For `bench` only.
"""

import json
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from celery import Celery

from config.env import read_options
from config.options import QueueOptions

CLIENT_ID = "bridge-naive"
SUBSCRIBED = "subscribed"
TOPIC = "tds_new/devices/+/telemetry"
COUNT = "SELECT count(*) FROM reading"


def make_app() -> Celery:
    """The stock Celery on Redis, with one task."""
    app = Celery("naive", broker=read_options(QueueOptions).redis.url)
    app.conf.task_ignore_result = True
    app.task(name="naive.store")(store)
    return app


def store(topic: str, text: str) -> None:
    """Store one message: queries for the gateway and each device, an INSERT for each reading."""
    from telemetry.models import Device, Gateway, Reading

    payload = json.loads(text, parse_float=Decimal)
    gateway = Gateway.objects.select_related("account").get(mac=topic.split("/")[2])
    for reading in payload["leituras"]:
        device = Device.objects.get(gateway=gateway, code=reading["dispositivo_codigo"])
        Reading.objects.create(
            time=datetime.fromisoformat(payload["timestamp"]),
            received_at=datetime.now(UTC),
            account=gateway.account,
            gateway=gateway,
            device=device,
            value=Decimal(reading["valor"]),
            unit=reading["unidade"],
        )


def consume(app: Celery) -> None:
    """Subscribe and send a task for each message, in the callback."""
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    def on_connect(client: Client, *_: Any) -> None:
        client.subscribe(TOPIC, 1)

    def on_message(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
        app.send_task("naive.store", args=(message.topic, message.payload.decode()))

    client = Client(
        CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, protocol=MQTTProtocolVersion.MQTTv5
    )
    client.username_pw_set(os.environ["MQTT_BRIDGE_USER"], os.environ["MQTT_BRIDGE_PASSWORD"])
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: print(SUBSCRIBED, flush=True)
    client.on_message = on_message
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0xFFFFFFFF
    client.connect(
        os.environ["MQTT_HOST"],
        int(os.environ["MQTT_PORT"]),
        clean_start=False,
        properties=properties,
    )
    client.loop_forever()


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1:] == ["consume"]:
        consume(make_app())
    else:
        make_app().worker_main(
            ["worker", "--loglevel", "WARNING", "-n", "naive@bench", *sys.argv[2:]]
        )
