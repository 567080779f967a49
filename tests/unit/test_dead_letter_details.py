"""Details of dead letters are said in the language of their reader; each of them is known."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import translation
from hypothesis import given

from telemetry.core.batch import RawMessage
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.core.validator import Contract, ValidatedMessage, Validator
from telemetry.dead_letters.details import FORMS, describe_detail, is_known
from tests.contract_cases import CASES, fill_in
from tests.random_cases import random_cases
from tests.unit.core.payloads import plain_texts, validate
from tests.unit.core.test_contract_cases import START, read_fleet
from workers.limits import reject_as_too_many


@pytest.fixture(autouse=True)
def portuguese() -> Iterator[None]:
    with translation.override("pt-br"):
        yield


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("no gateway has MAC 02:77:00:00:00:01", "nenhum gateway tem o MAC 02:77:00:00:00:01"),
        (
            "2026-11-03T14:32:00+00:00 has 1234.5000, the reading -2.0000",
            "2026-11-03T14:32:00+00:00 tem 1234,5000, a leitura -2,0000",
        ),
        ("leituras[12].valor: missing", "leituras[12].valor: falta"),
        (
            "Expecting ',' delimiter: line 1 column 12 (char 11)",
            "Falta ',': linha 1, coluna 12 (caractere 11)",
        ),
        (
            "device 'D01' has 'kWh', the reading 'a, the reading b'",
            "o dispositivo 'D01' tem 'kWh', a leitura 'a, the reading b'",
        ),
    ],
)
def test_it_says_a_detail_in_portuguese(detail: str, said: str) -> None:
    assert describe_detail(detail) == said
    with translation.override("en"):
        assert describe_detail(detail) == detail


def test_it_leaves_what_it_does_not_know() -> None:
    for text in ("", "Traceback (most recent call last):\n  x: missing y", "100% %(x)s %s {} <b>"):
        assert describe_detail(text) == text


def test_it_has_portuguese_for_every_form() -> None:
    for form in FORMS:
        assert translation.gettext(form) != form, form


def list_unknown(validated: ValidatedMessage) -> list[str]:
    return [one.detail for one in validated.rejections if not is_known(one.detail)]


def test_it_knows_every_detail_that_the_contract_gives() -> None:
    contract = Contract(compile_topic("tds_new"), 65_536, timedelta(minutes=5), timedelta(days=400))
    validator = Validator(contract, read_fleet(), received_at=START)
    rejected = 0
    for case in CASES:
        message = RawMessage(case["topic"], fill_in(case, START))
        validated = validator.validate(message, parse_topic(message.topic, contract.topic_pattern))
        assert list_unknown(validated) == []
        rejected += len(validated.rejections)
    assert rejected > 30
    reject_as_too_many([validated], [0])
    assert list_unknown(validated) == []


@given(plain_texts)
@random_cases(300)
def test_it_knows_the_details_of_messages_that_are_wrong_in_any_way(text: str) -> None:
    validated = validate(text.encode())
    assert list_unknown(validated) == []
    for one in validated.rejections:
        assert describe_detail(one.detail)
