"""The batches that a file of Redis tells of are found, with their bodies."""

from tests.chaos.corruption import MULTI, find_puts

EXEC = b"*1\r\n$4\r\nEXEC\r\n"


def command(*words: bytes) -> bytes:
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    return b"*%d\r\n" % len(words) + parts


def put(batch_id: bytes, body: bytes, messages: int = 2) -> bytes:
    fields = (b"source", b"bridge-1", b"messages", b"%d" % messages, b"body", body)
    return (
        MULTI
        + command(b"HINCRBY", b"ingest:counters", b"received_batches", b"1")
        + command(b"HSET", b"ingest:batch:" + batch_id, *fields)
        + command(b"ZADD", b"ingest:pending", b"1", batch_id)
        + EXEC
    )


def test_it_finds_each_batch_with_its_body_and_where_its_transaction_is() -> None:
    claim = command(b"HSET", b"ingest:batch:one", b"claimed_at", b"1")
    first = put(b"one", b"body\r\n*of one")
    content = first + claim + put(b"two", b"", messages=7) + command(b"DEL", b"ingest:batch:one")
    puts = list(find_puts(content))
    assert [(batch.id, batch.messages, batch.body) for _, _, batch in puts] == [
        ("one", 2, b"body\r\n*of one"),
        ("two", 7, b""),
    ]
    assert content[puts[1][0] :].startswith(MULTI)
    assert puts[0][0] == 0
    assert puts[0][1] < len(first)
    assert puts[1][0] == len(first) + len(claim)


def test_it_finds_nothing_in_a_file_without_batches() -> None:
    assert list(find_puts(command(b"SET", b"key", b"value"))) == []
