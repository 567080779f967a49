"""Reports: the same values on the page, in files and in e-mails, and nobody else's."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.core import mail
from django.db import transaction
from django.test import Client, override_settings

from telemetry.accounts.tokens import issue_token
from telemetry.core.consumption import Meter, Value
from telemetry.core.numbers import write_number
from telemetry.models import (
    Account,
    Device,
    Installation,
    Membership,
    ReportDelivery,
    ReportSchedule,
    User,
)
from telemetry.reporting.files import count_digits
from telemetry.reporting.sending import find_due_month, send_due_reports, wait_after
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.billing.monthly_report import (
    Grouping,
    ReportQuestion,
    read_page,
    read_page_and_sums,
    read_sums,
    stream_rows,
)
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, register
from tests.integration.web.mails import Mails

pytestmark = pytest.mark.integration

D = Decimal
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
MONTHS = "first=2026-11-01&last=2026-12-01"


def at(day: int, *, month: int = 11, year: int = 2026) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """Two kWh devices in groups, one m³ device and a gauge; November closed, then adjusted."""
    first = register(connection, Meter("delta"), zone="America/Sao_Paulo")
    sites = [first, *(register(connection, Meter("delta"), beside=first) for _ in range(2))]
    sites.append(register(connection, Meter("gauge"), beside=first))
    units = ("kWh", "kWh", "m³", "°C")
    names = ("=1+1", "<b>bold</b>", "", "")
    for site, unit, name, group in zip(sites, units, names, ("East", "West", "", ""), strict=True):
        Device.objects.filter(pk=site.device_id).update(unit=unit, name=name, group=group)
    put(connection, [(site, Value(at(3), D("10.1234"))) for site in sites])
    put(connection, [(sites[0], Value(at(5, month=12), D(7)))])
    refresh_aggregates(connection)
    close_month(first.account_id, month=NOVEMBER, user_id=None, now=at(6, month=12))
    put(connection, [(sites[0], Value(at(4), D("0.5")))])
    refresh_aggregates(connection)
    return sites


@pytest.fixture
def client(sites: list[Site]) -> Client:
    return sign_in(sites, "admin")


def sign_in(sites: list[Site], role: str) -> Client:
    user = User.objects.create_user(f"a-{role}", email=f"{role}@example.com")
    Membership.objects.create(user=user, account_id=sites[0].account_id, role=role)
    client = Client()
    client.force_login(user)
    return client


def address(sites: list[Site], end: str = "", query: str = MONTHS) -> str:
    return f"/accounts/{sites[0].account_id}/reports/{end}?{query}"


def read_csv(client: Client, url: str) -> list[dict[str, str]]:
    text = b"".join(client.get(url)).decode("utf-8-sig")  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(text)))


def test_it_shows_billed_totals_adjustments_and_what_they_come_to(
    sites: list[Site], client: Client
) -> None:
    question = ReportQuestion(sites[0].account_id, NOVEMBER, date(2027, 1, 1))
    rows = read_page(question, offset=0, limit=99)
    shown = [(row.month, row.unit, row.total, row.adjustments, row.billed_total, row.state)
             for row in rows]  # fmt: skip
    assert shown == [
        (NOVEMBER, "kWh", D("10.1234"), 0, D("10.1234"), "closed"),
        (NOVEMBER, "kWh", D("10.1234"), 0, D("10.1234"), "closed"),
        (NOVEMBER, "m³", D("10.1234"), 0, D("10.1234"), "closed"),
        (DECEMBER, "kWh", 7, D("0.5"), D("7.5"), "open"),
    ]
    page = client.get(address(sites)).content.decode()
    assert "7.5" in page
    assert "&lt;b&gt;bold" in page
    assert "<b>bold" not in page


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("group", [("(no group)", "m³", "10.1234"), ("East", "kWh", "10.1234"),
                   ("West", "kWh", "10.1234"), ("East", "kWh", "7")]),
        ("account", [("A", "kWh", "20.2468"), ("A", "m³", "10.1234"), ("A", "kWh", "7")]),
        ("kind", [("sensor", "kWh", "20.2468"), ("sensor", "m³", "10.1234"),
                  ("sensor", "kWh", "7")]),
    ],
)  # fmt: skip
def test_it_adds_up_by_what_was_chosen_and_never_across_units(
    sites: list[Site], client: Client, lines: str, expected: list[tuple[str, ...]]
) -> None:
    found = read_csv(client, address(sites, "consumption.csv", f"{MONTHS}&lines={lines}"))
    title = {"group": "Group", "account": "Account", "kind": "Kind"}[lines]
    name = Account.objects.get(pk=sites[0].account_id).name
    assert [
        ("A" if row[title] == name else row[title], row["Unit"], trim(row["Consumption"]))
        for row in found
    ] == expected


@pytest.mark.parametrize("grouping", list(Grouping))
def test_it_comes_to_the_same_sums_from_the_rows(sites: list[Site], grouping: Grouping) -> None:
    question = ReportQuestion(sites[0].account_id, NOVEMBER, date(2027, 1, 1), grouping)
    with transaction.atomic():  # coverage of a month under way falls from one moment to the next
        rows, sums = read_page_and_sums(question, offset=0, limit=99)
        assert (rows, sums) == (read_page(question, offset=0, limit=99), read_sums(question))
        assert read_page_and_sums(question, offset=1, limit=2) == (rows[1:3], sums)
    assert sum(row.billed_total for row in rows) == sum(one.billed_total for one in sums)
    assert [(one.unit, one.total, one.adjustments, one.billed_total) for one in sums] == [
        ("kWh", D("27.2468"), D("0.5"), D("27.7468")),
        ("m³", D("10.1234"), 0, D("10.1234")),
    ]


def trim(text: str) -> str:
    return format(D(text).normalize(), "f")


def test_it_writes_the_same_values_in_every_form(sites: list[Site], client: Client) -> None:
    rows = list(stream_rows(ReportQuestion(sites[0].account_id, NOVEMBER, date(2027, 1, 1))))
    in_csv = read_csv(client, address(sites, "consumption.csv"))
    answer: Any = client.get(address(sites, "consumption.xlsx"))
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content))).worksheets[0]
    in_xlsx = list(sheet.iter_rows(min_row=2, values_only=True))
    printed = client.get(address(sites, "print/")).content.decode()
    _token, text = issue_token(User.objects.latest("pk"), name="t", scopes=["read"])
    items = client.get(
        f"/api/v1/accounts/{sites[0].account_id}/months?first={NOVEMBER}&until=2027-01-01",
        headers={"Authorization": f"Bearer {text}"},
    ).json()["items"]
    in_api = {(item["device_id"], item["month"]): item for item in items}
    assert len(rows) == len(in_csv) == len(in_xlsx) == 4
    for row, one, cells in zip(rows, in_csv, in_xlsx, strict=True):
        for column, value in (("Consumption", row.total), ("Adjustments", row.adjustments),
                              ("Billed", row.billed_total), ("Daily mean", row.daily_mean),
                              ("Coverage", row.coverage)):  # fmt: skip
            # The coverage of a month under way falls from one moment to the next.
            if column == "Coverage":
                assert abs(D(one[column]) - value) <= D("1e-4")
            else:
                assert one[column] == write_number(value)
        assert [write_number(D(str(cells[column]))) for column in (5, 6, 7, 8)] == [
            one[column] for column in ("Consumption", "Adjustments", "Billed", "Daily mean")
        ]
        of = in_api[int(row.key), row.month.isoformat()]
        assert (of["total"], of["adjustment"], of["daily_mean"]) == (
            one["Consumption"], one["Adjustments"], one["Daily mean"],
        )  # fmt: skip
        assert cells[0].date() == row.month
        assert cells[1].date() == row.last_day == date.fromisoformat(one["Month until"])
        assert format(row.billed_total.normalize(), "f") in printed
    assert in_csv[0]["Month until"] == "2026-11-30"
    assert re.search(r'filename="?consumption-a\d+-2026-12-01\.xlsx', answer["Content-Disposition"])


def test_it_lets_no_name_become_a_formula(sites: list[Site], client: Client) -> None:
    device = Device.objects.filter(pk=sites[0].device_id)
    device.update(group="a;=HYPERLINK(1)")
    Installation.objects.filter(device__in=device).update(unit="@SUM")
    for decimals in ("point", "comma"):
        query = f"{MONTHS}&lines=group&decimals={decimals}"
        text = b"".join(
            client.get(address(sites, "consumption.csv", query)).streaming_content  # type: ignore[attr-defined]
        ).decode()
        assert "a;'=HYPERLINK(1)" in text
        assert "'@SUM" in text
        assert ";=" not in text
    answer: Any = client.get(address(sites, "consumption.xlsx", f"{MONTHS}&lines=group"))
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content))).worksheets[0]
    cells = [cell for line in sheet.iter_rows() for cell in line if cell.value == "@SUM"]
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}
    assert all(cell.data_type != "f" for line in sheet.iter_rows() for cell in line)


def test_it_keeps_every_digit_that_a_spreadsheet_would_round(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    big = D("99999999999.9999")
    put(connection, [(sites[1], Value(at(6, month=12) + step * timedelta(hours=1), big))
                     for step in range(3)])  # fmt: skip
    refresh_aggregates(connection)
    exact = 3 * big
    assert count_digits(exact) == 16
    assert D(read_csv(client, address(sites, "consumption.csv"))[-1]["Consumption"]) == exact
    answer: Any = client.get(address(sites, "consumption.xlsx"))
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content))).worksheets[0]
    assert str(exact) in [row[5] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_it_writes_decimal_commas_for_those_who_ask(sites: list[Site], client: Client) -> None:
    answer: Any = client.get(address(sites, "consumption.csv", f"{MONTHS}&decimals=comma"))
    lines = b"".join(answer).decode("utf-8-sig").splitlines()
    assert ";10,1234;0;10,1234;" in lines[1]
    assert ";7;0,5;7,5;" in lines[4]


@pytest.mark.parametrize(
    ("path", "language", "commas"),
    [
        ("reports/", "en", [False, True]), ("reports/", "pt-br", [True, False]),
        ("virtual-meters/", "pt-br", [True, False]), ("bands/", "en", [False, True]),
        ("statements/", "pt-br", [True, False]),
    ],
)  # fmt: skip
def test_it_offers_files_with_points_and_with_commas(
    sites: list[Site], client: Client, path: str, language: str, commas: list[bool]
) -> None:
    page = client.get(
        f"/accounts/{sites[0].account_id}/{path}", headers={"accept-language": language}
    ).content.decode()
    hrefs = re.findall(r'href="([^"]+\.csv[^"]*)" download>CSV', page)
    assert ["decimals=comma" in href for href in hrefs] == commas
    assert [client.get(href.replace("&amp;", "&")).status_code for href in hrefs] == [200, 200]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("first=yesterday", "is not a date"),
        ("first=9999-12-31", "is not a date"),
        ("first=2026-12-01&last=2026-11-01", "is before the first"),
        ("first=2010-01-01&last=2026-11-01", "At most sixty months"),
        ("lines=colour", "Unknown choice"),
        ("page=x", "is not a number"),
        ("gateway=99999999999999999999", "is not a number"),
    ],
)
def test_it_says_what_is_wrong_with_an_address(
    sites: list[Site], client: Client, query: str, words: str
) -> None:
    for end in ("", "print/", "consumption.csv"):
        answer = client.get(address(sites, end, query))
        assert answer.status_code == 400
        assert words in answer.content.decode()


def test_it_takes_whatever_else_an_address_holds(sites: list[Site], client: Client) -> None:
    for query in ("group=%00", "group=nobody", "gateway=77", "page=99", f"{MONTHS}&x=1"):
        assert client.get(address(sites, "", query)).status_code == 200
    assert "No consumption in these months" in client.get(
        address(sites, "", "first=2020-01-01&last=2020-01-01")
    ).content.decode()  # fmt: skip


def test_it_keeps_to_the_billing_day(connection: Connection) -> None:
    site = register(connection, Meter("delta"), billing_day=15)
    put(connection, [(site, Value(at(day), D(1))) for day in (14, 15)])
    refresh_aggregates(connection)
    client = sign_in([site], "viewer")
    found = read_csv(client, address([site], "consumption.csv", "first=2026-10-20&last=2026-11-15"))
    assert [(row["Month from"], row["Month until"]) for row in found] == [
        ("2026-10-15", "2026-11-14"), ("2026-11-15", "2026-12-14"),
    ]  # fmt: skip


def test_it_names_nothing_of_a_device_that_is_another_accounts_now(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    heir = register(connection, Meter("delta"))
    connection.execute(
        "UPDATE gateway SET account_id = %s, name = 'Secret' WHERE id = %s",
        [heir.account_id, sites[0].gateway_id],
    )
    connection.execute("UPDATE device SET name = 'Hidden' WHERE id = %s", [sites[0].device_id])
    for lines in Grouping:
        page = client.get(address(sites, "", f"{MONTHS}&lines={lines}")).content.decode()
        assert "10.1234" in page or "20.2468" in page
        assert "Secret" not in page
        assert "Hidden" not in page


def test_it_bills_what_changed_of_a_device_that_moved_away(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    """The second device is another account's in December; a late reading of November changes what
    is billed with December, before that is closed and then."""
    heir = register(connection, Meter("delta"))
    connection.execute("UPDATE gateway SET account_id = %s WHERE id = %s",
                       [heir.account_id, sites[1].gateway_id])  # fmt: skip
    connection.execute(
        "UPDATE assignment SET since = %s WHERE since IS NOT NULL", [at(1, month=12)]
    )
    put(connection, [(sites[1], Value(at(4), D(5)))])
    refresh_aggregates(connection)
    connection.execute("UPDATE device SET name = 'Hidden' WHERE id = %s", [sites[1].device_id])

    def read() -> list[Any]:
        found = read_csv(client, address(sites, "consumption.csv"))
        return [
            (row["Adjustments"], row["Billed"], row["Unit"], row["Month until"])
            for row in found
            if f"#{sites[1].device_id}" in row.values() and row["Month from"] == "2026-12-01"
        ]

    assert read() == [("5", "5", "kWh", "2026-12-31")]
    close_month(sites[0].account_id, month=DECEMBER, user_id=None, now=at(6, month=1, year=2027))
    assert read() == [("5", "5", "kWh", "2026-12-31")]


def test_it_asks_a_bounded_number_of_questions(
    sites: list[Site], client: Client, django_assert_max_num_queries: Any
) -> None:
    client.get(address(sites))
    with django_assert_max_num_queries(12):
        client.get(address(sites))


@pytest.fixture
def schedule(sites: list[Site], client: Client) -> Iterator[ReportSchedule]:
    with override_settings(EMAIL_BACKEND=LOCMEM):
        people = User.objects.filter(memberships__account_id=sites[0].account_id)
        fields = {
            "name": "Monthly", "grouping": "device", "format": "xlsx", "days_after": "2",
            "language": "en", "recipients": [person.pk for person in people],
        }  # fmt: skip
        assert client.post(address(sites, "schedules/", ""), fields).status_code == 302
        found = ReportSchedule.objects.get()
        ReportSchedule.objects.update(created_at=at(20))
        found.refresh_from_db()
        yield found


def test_it_sends_a_month_once_when_it_is_over(sites: list[Site], schedule: ReportSchedule) -> None:
    early, due = datetime(2026, 12, 3, 2, tzinfo=UTC), datetime(2026, 12, 3, 4, tzinfo=UTC)
    assert send_due_reports(now=early).sent == 0  # in Sao Paulo it is still the second
    assert send_due_reports(now=due).sent == 1
    assert send_due_reports(now=due + timedelta(days=9)).sent == 0
    [email] = mail.outbox
    assert email.to == ["admin@example.com"]
    assert "kWh: 20.2468\n" in str(email.body)
    [(name, content, _)] = email.attachments
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]  # type: ignore[arg-type]
    assert sheet.max_row == 4
    assert str(name).endswith("2026-11-01.xlsx")
    assert ReportDelivery.objects.get().sent_to == ["a-admin"]
    assert send_due_reports(now=datetime(2027, 1, 3, 4, tzinfo=UTC)).sent == 1


def test_it_sends_nothing_to_those_who_left(sites: list[Site], schedule: ReportSchedule) -> None:
    Membership.objects.all().delete()
    assert send_due_reports(now=at(5, month=12)).sent == 1
    assert mail.outbox == []
    assert "no recipient" in ReportDelivery.objects.get().error


def test_it_tries_again_later_and_sends_nobody_twice(
    sites: list[Site], schedule: ReportSchedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(sites, "viewer")
    schedule.recipients.set(User.objects.all())
    from telemetry.reporting import sending

    send, people = sending.send_report, []

    def fail_once(*given: Any, to: User) -> None:
        people.append(to.username)
        if len(people) == 2:
            raise OSError("mailbox unavailable")
        send(*given, to=to)

    monkeypatch.setattr(sending, "send_report", fail_once)
    now = at(5, month=12)
    assert send_due_reports(now=now).failed == 1
    assert "mailbox unavailable" in ReportDelivery.objects.get().error
    assert send_due_reports(now=now + timedelta(minutes=14)).waiting == 1
    assert send_due_reports(now=now + timedelta(minutes=15)).sent == 1
    assert people == ["a-admin", "a-viewer", "a-viewer"]
    assert len(mail.outbox) == 2
    assert [wait_after(tries) for tries in (1, 2, 99)] == [
        timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=12),
    ]  # fmt: skip


def test_it_sends_no_month_that_was_over_when_the_schedule_was_made(sites: list[Site]) -> None:
    account = Account.objects.get(pk=sites[0].account_id)
    made = at(5, month=12)
    given: Any = {"days_after": 1, "since": made}
    assert find_due_month(account, now=made, **given) is None
    assert find_due_month(account, now=datetime(2027, 1, 2, 4, tzinfo=UTC), **given) == DECEMBER


def test_it_pauses_sends_on_demand_and_deletes(
    sites: list[Site], schedule: ReportSchedule, client: Client, mails: Mails
) -> None:
    base = address(sites, f"schedules/{schedule.pk}/", "").removesuffix("?")
    client.post(f"{base}switch/")
    assert send_due_reports(now=at(5, month=12)).sent == 0
    page = client.post(f"{base}send/", follow=True).content.decode()
    assert "is being sent to admin@example.com" in page
    [email] = mails.deliver()
    assert email.to == ["admin@example.com"]
    assert not ReportDelivery.objects.exists()
    assert "will not be sent any more" in client.get(f"{base}delete/").content.decode()
    client.post(f"{base}delete/")
    assert not ReportSchedule.objects.exists()


def test_it_sends_reports_to_members_alone(
    connection: Connection, sites: list[Site], client: Client
) -> None:
    sign_in([register(connection, Meter("delta"))], "owner")
    foreign = User.objects.get(username="a-owner")
    fields = {
        "name": "x", "grouping": "device", "format": "csv", "days_after": "1", "language": "en",
        "recipients": [foreign.pk],
    }  # fmt: skip
    page = client.post(address(sites, "schedules/"), fields)
    assert page.status_code == 400
    assert "is not one of the available choices" in page.content.decode()
