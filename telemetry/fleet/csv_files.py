"""Gateways and devices as CSV, out and in. What would change is found by doing it in a transaction
that is rolled back (django-import-export)."""

from collections.abc import Callable
from typing import Any

import tablib
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import ForeignKeyWidget, Widget
from msgspec import Struct
from tablib.exceptions import TablibException

from telemetry.core.formulas import disarm, restore
from telemetry.core.topic import read_mac
from telemetry.fleet.macs import check_mac_free
from telemetry.installations.changing import check_settings_kept
from telemetry.installations.texts import InstallationError
from telemetry.models import Account, Device, Gateway

MOST_ROWS = 5_000
MOST_CHARACTERS = 2_000_000
SHOWN_CHARACTERS = 60


class CsvError(Exception):
    """The file cannot be read, or has too many rows. The text is for people."""


class RowPlan(Struct, frozen=True):
    """What becomes of a row: `kind` is new, update, skip or error; `changes`: field, from, to."""

    number: int
    name: str
    kind: str
    changes: list[tuple[str, str, str]]
    errors: list[str]


class Plan(Struct, frozen=True):
    """What becomes of all rows. Nothing is stored unless every row is valid."""

    rows: list[RowPlan]
    new: int
    updated: int
    unchanged: int
    wrong: int


class MacWidget(Widget):  # type: ignore[misc]
    """A MAC in any form."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        """As it is stored; what is none is left for the validation to name."""
        text = str(value or "").strip()
        return read_mac(text) or text


class FleetResource(ModelResource):  # type: ignore[misc]
    """What both have in common: every row is validated whole, and nothing is half done."""

    class Meta:
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        store_instance = True
        skip_html_diff = True
        use_transactions = True

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        """Not what the package does: keys come from their sequences, which pages may not reset."""


class GatewayResource(FleetResource):
    """Gateways, found by their MAC."""

    account = Field("account", "account", ForeignKeyWidget(Account, "name"))
    mac = Field("mac", "mac", MacWidget())

    class Meta(FleetResource.Meta):
        model = Gateway
        import_id_fields = ["mac"]
        fields = ["account", "code", "mac", "name", "location", "max_devices", "is_active"]
        export_order = import_order = fields

    def validate_instance(self, instance: Any, *args: Any, **kwargs: Any) -> None:
        """With the MACs of gateways that are not to be seen."""
        super().validate_instance(instance, *args, **kwargs)
        check_mac_free(instance)


class DeviceResource(FleetResource):
    """Devices, found by the MAC of their gateway and their code."""

    gateway = Field("gateway", "gateway", ForeignKeyWidget(Gateway, "mac"))

    class Meta(FleetResource.Meta):
        model = Device
        import_id_fields = ["gateway", "code"]
        fields = [
            "gateway", "code", "name", "group", "kind", "measurement", "unit", "interval_s",
            "is_active",
        ]  # fmt: skip
        export_order = import_order = fields

    def validate_instance(self, instance: Any, *args: Any, **kwargs: Any) -> None:
        """With the account of its gateway, and its way of measuring as it is once it is read."""
        if instance.gateway_id:
            instance.account_id = instance.gateway.account_id
        super().validate_instance(instance, *args, **kwargs)
        try:
            check_settings_kept(instance)
        except InstallationError as error:
            raise ValidationError(str(error)) from error


RESOURCES: dict[str, type[FleetResource]] = {"gateway": GatewayResource, "device": DeviceResource}


def write_csv(name: str, rows: "QuerySet[Any]") -> str:
    """The rows as CSV. Members name devices: no name becomes a formula in a spreadsheet."""
    parent = "account" if name == "gateway" else "gateway"
    exported = RESOURCES[name]().export(rows.select_related(parent))
    return str(_change_cells(exported, disarm).csv)


def plan_import(name: str, text: str, *, is_dry_run: bool) -> Plan:
    """Import a CSV, or find out what it would change. Raises `CsvError`."""
    resource = RESOURCES[name]()
    dataset = _read(text, columns=list(resource._meta.fields))
    try:
        result = resource.import_data(
            dataset, dry_run=is_dry_run, raise_errors=False, rollback_on_validation_errors=True
        )
    except DatabaseError as error:  # what no validation foresaw; nothing is stored
        raise CsvError(str(error).splitlines()[0]) from error
    if result.base_errors:
        raise CsvError(str(result.base_errors[0].error)[:200])
    plans = [_plan_row(number, row, resource) for number, row in enumerate(result.rows, start=2)]
    counts = [
        sum(plan.kind == kind for plan in plans) for kind in ("new", "update", "skip", "error")
    ]
    return Plan(plans, *counts)


def _read(text: str, *, columns: list[str]) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise CsvError(_("The file is too large: expected at most 2 MB."))
    try:
        dataset = tablib.Dataset().load(text.lstrip("\ufeff"), format="csv")
    except (TablibException, ValueError) as error:
        raise CsvError(_("This is no CSV: %(error)s") % {"error": str(error)[:200]}) from error
    headers = dataset.headers or []
    unknown = sorted(set(headers) - set(columns))
    if not dataset.height or unknown:
        raise CsvError(
            _("Expected a line of these columns, and rows: %(columns)s. Unknown: %(unknown)s")
            % {"columns": ", ".join(columns), "unknown": ", ".join(unknown) or "\u2013"}
        )
    if dataset.height > MOST_ROWS:
        text = _("%(rows)d rows: expected at most %(most)d.")
        raise CsvError(text % {"rows": dataset.height, "most": MOST_ROWS})
    return _change_cells(dataset, restore)


def _change_cells(dataset: Any, change: Callable[[str], str]) -> Any:
    rows = [[change(cell) if isinstance(cell, str) else cell for cell in row] for row in dataset]
    return tablib.Dataset(*rows, headers=dataset.headers)


def _plan_row(number: int, row: Any, resource: FleetResource) -> RowPlan:
    errors = [str(error.error).splitlines()[0] for error in row.errors]
    if row.validation_error is not None:
        errors += [
            f"{field}: {text}" if field != "__all__" else str(text)
            for field, texts in row.validation_error.update_error_dict({}).items()
            for text in ValidationError(texts).messages
        ]
    name = str(row.instance) if row.instance is not None else ""
    if errors:
        return RowPlan(number, name, "error", [], errors)
    changes = []
    if row.import_type == "update":
        for field in resource.get_import_fields():
            before, after = str(field.export(row.original)), str(field.export(row.instance))
            if before != after:
                changes.append((field.column_name, _cut(before), _cut(after)))
    return RowPlan(number, name, str(row.import_type), changes, [])


def _cut(text: str) -> str:
    return text[:SHOWN_CHARACTERS] or "\u2013"
