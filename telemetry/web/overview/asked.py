"""What the address of the overview asks for, and the addresses of its links."""

from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.models import Account
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.filters import Filters, parse_filters
from telemetry.web.charts.period import Errors, Period, Span, parse_period
from telemetry.web.pages import AccountRequest

LONGEST = timedelta(days=91)
MONTHS_OFFERED = 24
SPAN_WORDS = {
    Span.DAY: _("24 h"), Span.WEEK: _("7 days"), Span.DAYS: _("30 days"), Span.MONTH: _("Month"),
}  # fmt: skip


class Choice(Struct, frozen=True):
    """A link that chooses, and whether it is what is shown."""

    words: Promise | str
    href: str
    is_chosen: bool


class Asked(Struct, frozen=True):
    """The parameters, understood. `show` is the quantity's key; `errors` are by field."""

    calendar: Calendar
    now: datetime
    period: Period
    filters: Filters
    show: str
    errors: Errors

    def href(self, **changed: str) -> str:
        """The address with another `show`, or another period: its parameters, by name."""
        if "show" in changed:
            period = list(self.period.query.items())
        else:
            period, changed = list(changed.items()), {"show": self.show} if self.show else {}
        pairs = [*period, *self.filters.query(), *changed.items()]
        return f"?{urlencode(pairs)}"

    def href_without_filters(self) -> str:
        """The address that shows every device."""
        return f"?{urlencode(self.period.query)}"

    @property
    def last_day(self) -> date:
        """The last local day that is shown."""
        return self.period.end - DAY

    def list_spans(self) -> list[Choice]:
        """The periods that need no more than their name."""
        return [
            Choice(words, self.href(period=span), self.period.span is span)
            for span, words in SPAN_WORDS.items()
        ]

    def list_months(self) -> list[date]:
        """The billing months that are offered, newest first."""
        month = self.calendar.month_of(self.calendar.day_of(self.now))
        months = []
        for _number in range(MONTHS_OFFERED):
            months.append(month)
            month = self.calendar.month_before(month)
        return months


def read_calendar(account: Account) -> Calendar:
    """The account's calendar."""
    return Calendar(ZoneInfo(account.time_zone), account.billing_day)


def read_asked(request: AccountRequest) -> Asked:
    """What a request to the overview asks for."""
    calendar, now = read_calendar(request.account), timezone.now()
    period, errors = parse_period(request.GET.dict(), calendar=calendar, now=now, longest=LONGEST)
    filters, filter_errors = parse_filters(dict(request.GET.lists()))
    return Asked(
        calendar, now, period, filters, request.GET.get("show", ""), errors | filter_errors
    )
