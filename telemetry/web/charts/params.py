"""The parameters of a page with a chart: the period, and links to other periods."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.models import Account
from telemetry.web.account_page import AccountRequest
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.navigation import find_neighbours
from telemetry.web.charts.period import Errors, Period, Span, parse_period
from telemetry.web.charts.period_names import name_month
from telemetry.web.long_select import render_options

MONTHS_OFFERED = 24
SPAN_TEXTS = {
    Span.DAY: _("24 h"), Span.WEEK: _("7 days"), Span.DAYS: _("30 days"), Span.MONTH: _("Month"),
}  # fmt: skip

Pairs = Sequence[tuple[str, str]]


class Choice(Struct, frozen=True):
    """A link to another choice; `is_chosen`: the one that is shown."""

    text: Promise | str
    href: str
    is_chosen: bool


class ChartParams(Struct, frozen=True):
    """Parsed parameters. `show`: which quantity is shown; `other_pairs`: all but the period;
    `lasting`: what every link and form of the page keeps.

    `errors` are messages by field.
    """

    calendar: Calendar
    now: datetime
    longest: timedelta
    period: Period
    show: str
    other_pairs: Pairs
    errors: Errors
    lasting: Pairs = ()

    def href(
        self,
        *,
        period: dict[str, str] | None = None,
        show: str | None = None,
        lasting: Pairs | None = None,
    ) -> str:
        """The address with another period, another quantity, or something else to keep."""
        chosen = self.show if show is None else show
        pairs = [*(self.period.query if period is None else period).items(), *self.other_pairs]
        if chosen:
            pairs.append(("show", chosen))
        pairs += self.lasting if lasting is None else lasting
        return f"?{urlencode(pairs)}"

    @property
    def period_pairs(self) -> Pairs:
        """Hidden fields of a form that leaves the period as it is."""
        return [*self.period.query.items(), *self._show_pairs]

    @property
    def pairs_without_period(self) -> Pairs:
        """Hidden fields of a form that chooses another period."""
        return [*self.other_pairs, *self._show_pairs]

    @property
    def pairs_to_compare(self) -> Pairs:
        """Hidden fields of a form that chooses another comparison."""
        return [*self.period.query.items(), *self._show_pairs]

    @property
    def pairs_of_reset(self) -> Pairs:
        """What is left of an address when its period and its devices are not chosen."""
        return self._show_pairs

    @property
    def _show_pairs(self) -> Pairs:
        return [("show", self.show), *self.lasting] if self.show else list(self.lasting)

    @property
    def last_day(self) -> date:
        """The last local day that is shown."""
        return self.period.end - DAY

    def list_spans(self) -> list[Choice]:
        """The periods that need no more than their name."""
        return [
            Choice(text, self.href(period={"period": span}), self.period.span is span)
            for span, text in SPAN_TEXTS.items()
        ]

    def render_months(self) -> SafeString:
        """The billing months that are offered as options, newest first."""
        month = self.calendar.month_of(self.calendar.day_of(self.now))
        pairs = []
        for _number in range(MONTHS_OFFERED):
            pairs.append((self.calendar.name_month(month), name_month(month)))
            month = self.calendar.month_before(month)
        is_month = self.period.span is Span.MONTH
        return render_options(
            pairs, chosen=[self.calendar.name_month(self.period.first)] if is_month else []
        )


def read_calendar(account: Account) -> Calendar:
    """The account's calendar."""
    return Calendar(account.zone, account.billing)


def read_params(
    request: AccountRequest, *, longest: timedelta, other_pairs: Pairs = ()
) -> ChartParams:
    """The parameters of a request; periods of at most `longest`."""
    calendar, now = read_calendar(request.account), timezone.now()
    period, errors = parse_period(request.GET.dict(), calendar=calendar, now=now, longest=longest)
    show = request.GET.get("show", "")
    return ChartParams(calendar, now, longest, period, show, other_pairs, errors)


class Step(Struct, frozen=True):
    """A link to a period beside the one that is shown; without an address there is none."""

    name: str
    text: Promise
    href: str | None


def list_steps(params: ChartParams) -> dict[str, Step]:
    """Earlier, later, closer, wider, and back to the usual period, by name."""
    neighbours = find_neighbours(
        params.period, calendar=params.calendar, now=params.now, longest=params.longest
    )
    steps = (
        ("earlier", _("Earlier"), neighbours.earlier),
        ("later", _("Later"), neighbours.later),
        ("closer", _("Zoom in"), neighbours.closer),
        ("wider", _("Zoom out"), neighbours.wider),
    )
    reset = Step("reset", _("Reset"), f"?{urlencode(params.pairs_of_reset)}")
    found = [
        Step(name, text, params.href(period=period.query) if period else None)
        for name, text, period in steps
    ]
    return {step.name: step for step in (*found, reset)}
