"""Gateways and devices out as CSV and in again, with a dry run."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from telemetry.fleet.csv_files import CsvError, plan_import
from telemetry.models import Device, Gateway
from telemetry.store.db.connection import Connection
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

GATEWAYS, DEVICES = "/admin/telemetry/gateway/", "/admin/telemetry/device/"
MAC = "aa:bb:cc:dd:ee:ff"


@pytest.fixture
def client(environ: dict[str, str], connection: Connection, fleet: None) -> Client:
    user = get_user_model().objects.create_user("root", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client


def export(client: Client, address: str) -> str:
    return client.get(f"{address}export-csv/").content.decode()


def test_it_brings_out_and_in_what_was_changed_in_between(client: Client) -> None:
    Gateway.objects.filter(mac=MAC).update(name="=HYPERLINK(1)", location="'quoted'")
    text = export(client, GATEWAYS)
    assert ",'=HYPERLINK(1),'quoted'," in text
    head = text.splitlines()[0]
    assert head == "account,code,mac,name,location,max_devices,is_active"
    unchanged = client.post(f"{GATEWAYS}import-csv/", {"text": text}).content.decode()
    assert "0 new, 0 changed" in unchanged
    count = Gateway.objects.count()
    account = Gateway.objects.get(mac=MAC).account.name
    rows = "\n".join(
        (
            head,
            f"{account},RENAMED,AA-BB-CC-DD-EE-FF,,Hall 3,8,1",
            f"{account},NEW,02770000000A,,,8,1",
        )
    )
    dry = client.post(f"{GATEWAYS}import-csv/", {"text": rows}).content.decode()
    assert "1 new, 1 changed" in dry
    assert "→ <b>Hall 3</b>" in dry
    assert Gateway.objects.count() == count
    assert client.post(f"{GATEWAYS}import-csv/", {"text": rows, "import": "1"}).status_code == 302
    assert Gateway.objects.get(mac=MAC).location == "Hall 3"
    assert Gateway.objects.get(code="NEW").mac == "02:77:00:00:00:0a"
    assert "Import CSV" in client.get(GATEWAYS).content.decode()


def test_it_imports_nothing_until_every_row_is_right(
    client: Client, connection: Connection
) -> None:
    store(connection, make_message())
    head = export(client, DEVICES).splitlines()[0]
    assert head.startswith("gateway,code,name")
    good = f"{MAC},N1,New,,meter,delta,kWh,,1"
    wrong = (
        f"{MAC},D01,,,meter,cumulative,kWh,,1",  # it has readings
        f"{MAC},N2,,,nothing,delta,kWh,,1",
        "02:00:00:00:00:77,N3,,,meter,delta,kWh,,1",
    )
    text = "\n".join((head, good, *wrong))
    page = client.post(f"{DEVICES}import-csv/", {"text": text, "import": "1"}).content.decode()
    assert "3 wrong" in page
    assert not Device.objects.filter(code="N1").exists()
    plan = plan_import("device", text, is_dry_run=True)
    assert [row.number for row in plan.rows if row.errors] == [3, 4, 5]
    assert all(row.errors[0] for row in plan.rows if row.kind == "error")
    plan_import("device", f"{head}\n{good}", is_dry_run=False)
    made = Device.objects.get(code="N1")
    assert made.account == made.gateway.account


@pytest.mark.parametrize("text", ["", "mac", "mac,nonsense\n1,2", '"'])
def test_it_says_what_is_wrong_with_a_file(client: Client, text: str) -> None:
    with pytest.raises(CsvError, match=r"Expected|no CSV"):
        plan_import("gateway", text, is_dry_run=True)
    answer: Any = client.post(f"{GATEWAYS}import-csv/", {"text": text})
    assert 'role="alert"' in answer.content.decode()


def test_it_brings_out_no_formula_and_takes_the_name_back_as_it_was(client: Client) -> None:
    """Members name their gateways, and staff open the file."""
    name = "=HYPERLINK(A1)"
    Gateway.objects.filter(mac=MAC).update(name=name)
    text = export(client, GATEWAYS)
    assert f",'{name}," in text
    same = client.post(f"{GATEWAYS}import-csv/", {"text": text})
    assert "0 new, 0 changed" in same.content.decode()
    again = {"text": text.replace("HYPERLINK", "SUM"), "import": "1"}
    assert client.post(f"{GATEWAYS}import-csv/", again).status_code == 302
    assert Gateway.objects.get(mac=MAC).name == "=SUM(A1)"


def test_it_keeps_no_file_that_is_too_large(client: Client) -> None:
    """Whoever sends one, to whichever page: it is not written to the disk of the web process."""
    file = SimpleUploadedFile("x.csv", b"x" * 3_000_000)
    answer: Any = client.post(f"{GATEWAYS}import-csv/", {"file": file})
    assert 'role="alert"' in answer.content.decode()
    assert not answer.wsgi_request.FILES
