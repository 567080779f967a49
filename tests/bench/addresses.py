"""What `bench dashboard` opens: every page of an account that shows figures or lists, and the API.

Each is filled in with an account, a gateway or a device of it, and days: `month` begins 31 days
ago, `year` a year, `until` is tomorrow. What is kept for all who look is kept by address: one with
`unique` was never asked for.
"""

import time
from datetime import date, timedelta
from types import MappingProxyType

from msgspec import Struct

_PAGE = "/accounts/{account}"
_DEVICE = f"{_PAGE}/devices/{{device}}"
_API = f"/api/v1{_PAGE}"
_OF_DEVICE = "device_id={device}"

OVERVIEW = f"{_PAGE}/"
STATE = f"{_PAGE}/live/state/"
AGGREGATES = f"{_PAGE}/live/aggregates/"
HOURS = f"{_API}/aggregates/hours?{_OF_DEVICE}"

PAGES = MappingProxyType(
    {
        "overview, 7 days": OVERVIEW,
        "overview, 24 hours": f"{OVERVIEW}?period=24h",
        "overview, 30 days": f"{OVERVIEW}?period=30d",
        "overview, a gateway": f"{OVERVIEW}?gateway={{gateway}}",
        "overview, by group, nothing kept": f"{OVERVIEW}?by=group&n={{unique}}",
        "overview, by band, nothing kept": f"{OVERVIEW}?by=band&n={{unique}}",
        "overview, nothing kept": f"{OVERVIEW}?n={{unique}}",
        "overview, live state": STATE,
        "overview, live state, nothing kept": f"{STATE}?n={{unique}}",
        "overview, live aggregates": AGGREGATES,
        "overview, live aggregates, nothing kept": f"{AGGREGATES}?n={{unique}}",
        "device, 24 hours": f"{_DEVICE}/?period=24h",
        "device, 7 days": f"{_DEVICE}/",
        "device, 30 days": f"{_DEVICE}/?period=30d",
        "device, a year": f"{_DEVICE}/?from={{year}}&to={{until}}",
        "device, live state": f"{_DEVICE}/live/state/",
        "device, live chart": f"{_DEVICE}/live/chart/",
        "devices": f"{_PAGE}/devices/",
        "gateways": f"{_PAGE}/gateways/",
        "gateway": f"{_PAGE}/gateways/{{gateway}}/",
        "alarms": f"{_PAGE}/alarms/",
        "reports, by device": f"{_PAGE}/reports/",
        "reports, by group": f"{_PAGE}/reports/?lines=group",
        "report, printed": f"{_PAGE}/reports/print/",
        "report, CSV": f"{_PAGE}/reports/consumption.csv",
        "report, XLSX": f"{_PAGE}/reports/consumption.xlsx",
        "members": f"{_PAGE}/members/",
        "accounts": "/accounts/",
    }
)
ENDPOINTS = MappingProxyType(
    {
        "me": "/api/v1/me",
        "accounts": "/api/v1/accounts",
        "account": _API,
        "gateways": f"{_API}/gateways",
        "gateway": f"{_API}/gateways/{{gateway}}",
        "devices": f"{_API}/devices",
        "devices, 1,000": f"{_API}/devices?limit=1000",
        "device": f"{_API}/devices/{{device}}",
        "readings of all": f"{_API}/readings",
        "readings of a device": f"{_API}/readings?{_OF_DEVICE}",
        "readings of a gateway": f"{_API}/readings?gateway_id={{gateway}}",
        "hours of a device": HOURS,
        "hours of all": f"{_API}/aggregates/hours",
        "days of a device": f"{_API}/aggregates/days?{_OF_DEVICE}",
        "days of all": f"{_API}/aggregates/days",
        "months of a device": f"{_API}/months?{_OF_DEVICE}",
        "months of all": f"{_API}/months",
        "totals of days": f"{_API}/totals/days?first={{month}}&until={{until}}",
        "totals of months": f"{_API}/totals/months",
        "adjustments": f"{_API}/adjustments",
        "alarms": f"{_API}/alarms",
        "dead letters": f"{_API}/dead-letters",
    }
)
LIVE = ("overview, live state", "overview, live aggregates")
"""Pages that are asked again with the tag of the last answer."""


class Place(Struct, frozen=True):
    """A device, with its gateway and account, by their ids."""

    account: int
    gateway: int
    device: int


def fill_in(address: str, *, place: Place, today: date) -> str:
    """The address for a device and its account."""
    return address.format(
        account=place.account,
        gateway=place.gateway,
        device=place.device,
        month=today - timedelta(days=31),
        year=today - timedelta(days=365),
        until=today + timedelta(days=1),
        unique=time.monotonic_ns(),
    )
