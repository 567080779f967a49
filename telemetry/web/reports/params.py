"""The parameters of a report page."""

from datetime import date, timedelta

from django.http import QueryDict
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.consumption import month_of, next_month
from telemetry.models import Account
from telemetry.store.billing.monthly_report import LONGEST, Grouping, ReportQuestion

MONTHS = 60
SHOWN_FIRST = 3
LARGEST_ID = 2**63 - 1


class ParamsError(ValueError):
    """A parameter of the address is wrong. `field` is its name, the text is for people."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class ReportParams(Struct, frozen=True):
    """Billing months `first` to `last`, both included, and how they are shown."""

    first: date
    last: date
    grouping: Grouping
    gateways: tuple[int, ...]
    groups: tuple[str, ...]
    page: int

    def make_question(self, account: Account) -> ReportQuestion:
        """The same for the store."""
        return ReportQuestion(
            account.pk,
            self.first,
            self.last + timedelta(days=1),
            self.grouping,
            gateway_ids=self.gateways or None,
            groups=self.groups or None,
        )


def list_months(account: Account, *, today: date) -> list[date]:
    """The last sixty billing months by their first days, newest first."""
    months = [month_of(today, account.billing)]
    while len(months) < MONTHS:
        months.append(month_of(months[-1] - timedelta(days=1), account.billing))
    return months


def make_default(account: Account, *, today: date) -> ReportParams:
    """This month and the two before, by device."""
    months = list_months(account, today=today)
    return ReportParams(months[SHOWN_FIRST - 1], months[0], Grouping.DEVICE, (), (), 1)


def parse(query: QueryDict, *, account: Account, today: date) -> ReportParams:
    """Read an address. Raises `ParamsError`."""
    default = make_default(account, today=today)
    first = parse_month(query, "first", default.first, account=account)
    last = parse_month(query, "last", max(default.last, first), account=account)
    if last < first:
        raise ParamsError("last", _("The last month is before the first."))
    if next_month(last, account.billing) - first > LONGEST:
        raise ParamsError("last", _("At most sixty months can be shown at once."))
    try:
        grouping = Grouping(query.get("lines") or Grouping.DEVICE)
    except ValueError as error:
        raise ParamsError(
            "lines", _("Unknown choice: expected one of %(all)s.") % {"all": ", ".join(Grouping)}
        ) from error
    return ReportParams(
        first,
        last,
        grouping,
        tuple(_parse_number(text, "gateway") for text in query.getlist("gateway") if text),
        tuple(text.replace("\0", "") for text in query.getlist("group")),
        max(1, _parse_number(query.get("page") or "1", "page")),
    )


def parse_month(query: QueryDict, name: str, default: date, *, account: Account) -> date:
    text = query.get(name, "")
    if not text:
        return default
    try:
        day = date.fromisoformat(text)
        if not date(1970, 1, 1) <= day <= date(2999, 12, 31):
            raise ValueError
    except ValueError as error:
        raise ParamsError(
            name, _("%(text)s is not a date: expected YYYY-MM-DD.") % {"text": text[:40]}
        ) from error
    return month_of(day, account.billing)


def _parse_number(text: str, name: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_ID:
        return int(text)
    raise ParamsError(name, _("%(text)s is not a number.") % {"text": text[:40]})
