"""Reports that are sent by themselves: each month of a schedule once.

A row for the pair of schedule and month is locked while its e-mails are written; they are sent
again only when sending failed, later each time. Recipients are members of the account at that
moment: what is the account's leaves to nobody else.
"""

import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.consumption import month_of, next_month
from telemetry.core.zones import name_zones
from telemetry.models import Account, ReportDelivery, ReportSchedule, User
from telemetry.reporting.columns import Header
from telemetry.reporting.files import write_csv, write_xlsx
from telemetry.store.billing.monthly_report import Grouping, ReportQuestion, read_sums, stream_rows

MOST_BYTES = 10_000_000  # mail servers refuse larger e-mails; then the e-mail has only a link
FIRST_RETRY = timedelta(minutes=15)
LAST_RETRY = timedelta(hours=12)
ERROR_CHARACTERS = 1_000
DAY = timedelta(days=1)


class Sent(Struct):
    """What a run did."""

    sent: int = 0
    failed: int = 0
    waiting: int = 0


def send_due_reports(*, now: datetime) -> Sent:
    """Send what is due at `now`. Repeating it is safe; two at once send nothing twice."""
    done = Sent()
    schedules = ReportSchedule.objects.filter(is_active=True, account__is_active=True)
    for schedule in schedules.select_related("account").order_by("pk"):
        month = find_due_month(
            schedule.account, days_after=schedule.days_after, since=schedule.created_at, now=now
        )
        if month is not None:
            _deliver(schedule, month, done, now=now)
    return done


def find_due_month(
    account: Account, *, days_after: int, since: datetime, now: datetime
) -> date | None:
    """The latest billing month that is over for that many days and was not over already when the
    schedule was made; None when there is none yet."""
    zone = ZoneInfo(account.time_zone)
    today = now.astimezone(zone).date()
    month = month_of(today - days_after * DAY, account.billing)
    last = month_of(month - DAY, account.billing)  # the one that was over by then
    made = since.astimezone(zone).date()
    return last if month > made else None


def _deliver(schedule: ReportSchedule, month: date, done: Sent, *, now: datetime) -> None:
    ReportDelivery.objects.get_or_create(schedule=schedule, month=month)
    with transaction.atomic():
        delivery = (
            ReportDelivery.objects.select_for_update(skip_locked=True)
            .filter(schedule=schedule, month=month, sent_at=None)
            .first()
        )
        if delivery is None:
            return
        if delivery.tried_at is not None and now < delivery.tried_at + wait_after(delivery.tries):
            done.waiting += 1
            return
        delivery.tries += 1
        delivery.tried_at = now
        try:
            for person in list_recipients(schedule):
                if person.username not in delivery.sent_to:  # an earlier try came as far
                    send_report(schedule, month, to=person)
                    delivery.sent_to.append(person.username)
        except Exception as error:
            delivery.error = repr(error)[:ERROR_CHARACTERS]
            done.failed += 1
        else:
            nobody = "no recipient is a member with an e-mail address"
            delivery.error = "" if delivery.sent_to else nobody
            delivery.sent_at = now
            done.sent += 1
        delivery.save()


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many failures."""
    doublings: int = 2 ** min(max(tries, 1) - 1, 10)
    return min(LAST_RETRY, FIRST_RETRY * doublings)


def list_recipients(schedule: ReportSchedule) -> list[User]:
    """Those recipients who are active members now and have an address."""
    return list(
        schedule.recipients.filter(
            Q(is_active=True) & ~Q(email=""), memberships__account=schedule.account
        ).order_by("pk")
    )


def send_report(schedule: ReportSchedule, month: date, *, to: User) -> None:
    """Write and send one e-mail. Raises the mail server's error."""
    account, grouping = schedule.account, Grouping(schedule.grouping)
    question = ReportQuestion(account.pk, month, month + DAY, grouping)
    with (
        translation.override(schedule.language),
        timezone.override(account.time_zone),
        tempfile.TemporaryDirectory() as folder,
    ):
        header = make_header(account, first=month)
        path = Path(folder) / name_file(account, month, format=schedule.format)
        rows = stream_rows(question)
        if schedule.format == ReportSchedule.Format.XLSX:
            write_xlsx(path, rows, header=header, grouping=grouping)
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(write_csv(rows, header=header, grouping=grouping))
        is_attached = path.stat().st_size <= MOST_BYTES
        context = {
            "account": account,
            "schedule": schedule,
            "month": month,
            "last_day": next_month(month, account.billing) - DAY,
            "sums": read_sums(question),
            "is_attached": is_attached,
            "link": make_link(account, month, grouping=grouping),
        }
        subject = _("%(name)s: consumption of %(account)s, month from %(month)s") % {
            "name": schedule.name, "account": account.name, "month": month.isoformat(),
        }  # fmt: skip
        email = EmailMessage(
            " ".join(subject.split()), render_to_string("telemetry/reports/email.txt", context),
            to=[to.email],
        )  # fmt: skip
        if is_attached:
            email.attach_file(str(path))
        email.send()


def make_header(account: Account, *, first: date | None = None, last: date | None = None) -> Header:
    """The head of a report that is made now. It names the time zone of today, or those in which
    days and months from `first` to `last` begin."""
    created = timezone.now().astimezone(ZoneInfo(account.time_zone))
    name = account.time_zone if first is None else name_zones(account.zone, first, last or first)
    return Header(account.name, name, created.strftime("%Y-%m-%d %H:%M %Z"))


def name_file(account: Account, month: date, *, format: str) -> str:  # noqa: A002
    """A name of plain ASCII."""
    return f"consumption-{slugify(account.name) or account.pk}-{month}.{format}"


def make_link(account: Account, month: date, *, grouping: Grouping) -> str:
    """Where the report is on the site; empty when its address is not set."""
    site = settings.OPTIONS.mail.site_url.rstrip("/")
    path = reverse("reports", args=[account.pk])
    return f"{site}{path}?first={month}&last={month}&lines={grouping}" if site else ""
