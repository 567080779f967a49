"""The parameters that several lists share."""

from typing import Annotated

from pydantic import BaseModel, Field

from telemetry.api.paging import Paging
from telemetry.api.values import End, First, Id, Since, Until

MOST_DEVICES = 100


class OfDevices(BaseModel):
    """Of these devices, or of those behind a gateway, or of all of the account."""

    device_id: Annotated[
        list[Id], Field(max_length=MOST_DEVICES, description="may be given up to 100 times")
    ] = []
    gateway_id: Id | None = None


class OfInstants(OfDevices):
    """In a period of instants."""

    since: Since | None = None
    until: Until | None = None


class OfDays(OfDevices):
    """In a period of days."""

    first: First | None = None
    until: End | None = None


class PagesOfInstants(OfInstants, Paging):
    """Page by page."""


class PagesOfDays(OfDays, Paging):
    """Page by page."""
