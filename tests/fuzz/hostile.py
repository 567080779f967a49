"""Hostile messages, made of the contract's cases, and what must hold of each."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from telemetry.core.batch import RawMessage
from telemetry.core.topic import parse_topic
from telemetry.core.validator import ValidatedMessage
from tests.unit.core.payloads import CONTRACT, MAC, TOPIC, VALIDATOR, message

MOST_S = 0.020
CASES = Path(__file__).parents[1] / "contract" / "messages.jsonl"
TOPICS = (
    *(TOPIC, TOPIC, TOPIC, TOPIC, f"{TOPIC}/", TOPIC.upper(), "tds_new", "tds_new//" * 4_000),
    *("tds_new/devices/\x00/telemetry", f"tds_new/devices/{'a' * 60_000}/telemetry", "\ud7ff" * 9),
)
TOKENS = (
    *(b"NaN", b"-Infinity", b"1e999999999", b"-1e-999999999", b"0" * 5_000, b"9" * 5_000, b"\x00"),
    *(
        b"\\u0000",
        b"\\ud800",
        b"\\ud83d\\ude00",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"null",
    ),
    *(
        b"[" * 300,
        b"{" * 300,
        b'{"a":' * 300,
        b"]" * 300,
        b'"' * 99,
        b"\\" * 999,
        b"1.5e+3",
        b"true",
    ),
    *(
        b',"leituras":[]',
        b',"timestamp":"2026-02-18T11:00:00Z"',
        b"\xe2\x80\xae",
        b"=cmd|' /C x'!A0",
    ),
)


class DifferenceError(AssertionError):
    """The fast path and the full validation came to different ends."""


def check(topic: str, payload: bytes) -> float:
    """Validate a message both ways; the longest that one took, in seconds of CPU time. Raises
    whatever the validator raises, and `DifferenceError`."""
    raw, mac = RawMessage(topic, payload), parse_topic(topic, CONTRACT.topic_pattern)
    took_s, ends = 0.0, []
    for validate in (VALIDATOR.validate, VALIDATOR.validate_fully):
        started_s = time.thread_time()
        ends.append(_as_parts(validate(raw, mac)))
        took_s = max(took_s, time.thread_time() - started_s)
    if ends[0] != ends[1]:
        raise DifferenceError(f"{ends[0]} and {ends[1]}")
    return took_s


def make_hostile(count: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many messages, the same for the same seed."""
    chance = random.Random(seed)
    seeds = list_seeds()
    for _ in range(count):
        payload = chance.choice(seeds)
        for _ in range(chance.randint(1, 4)):
            payload = chance.choice(MUTATIONS)(payload, chance)
        yield chance.choice(TOPICS), payload[:1_048_576]


def list_seeds() -> list[bytes]:
    """Payloads of the contract's cases, and large ones."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line).get("payload") for line in lines]
    reading = {"dispositivo_codigo": "D01", "valor": 1, "unidade": "kWh"}
    return [
        *(text.encode("utf-8", "surrogatepass") for text in texts if isinstance(text, str)),
        message(),
        message(leituras=[reading] * 800),
        message(padding="x" * 60_000),
        message(extra={"a": [{"b": [1, 2, {"c": None}]}] * 500}),
    ]


def _flip(payload: bytes, chance: random.Random) -> bytes:
    found = bytearray(payload or b"{")
    for _ in range(chance.randint(1, 8)):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def _cut(payload: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(payload) + 1) for _ in range(2))
    return payload[:start] + payload[end:]


def _repeat(payload: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(payload) + 1) for _ in range(2))
    times = min(chance.choice((2, 20, 2_000)), 1 + 200_000 // (end - start + 1))
    return payload[:start] + payload[start:end] * times + payload[end:]


def _insert(payload: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(payload) + 1)
    return payload[:at] + chance.choice(TOKENS) + payload[at:]


def _replace_value(payload: bytes, chance: random.Random) -> bytes:
    marks = [at for at, byte in enumerate(payload[:4_000]) if byte in b":["]
    if not marks:
        return payload
    at = chance.choice(marks) + 1
    return payload[:at] + chance.choice(TOKENS) + payload[at + chance.randint(0, 9) :]


Mutation = Callable[[bytes, random.Random], bytes]
MUTATIONS: tuple[Mutation, ...] = (_flip, _cut, _repeat, _insert, _replace_value)


def _as_parts(validated_message: ValidatedMessage) -> tuple[object, ...]:
    *parts, rejections = msgspec.structs.astuple(
        msgspec.structs.replace(validated_message, indexes=[])
    )
    places = list(validated_message.indexes)[: len(validated_message.good)]
    return *parts, places, [msgspec.structs.astuple(other) for other in rejections]


assert parse_topic(TOPIC, CONTRACT.topic_pattern) == MAC
