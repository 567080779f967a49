"""What administrators wait for: the admin's home, its lists and the workbench, beside many gateways
and dead letters. A request's time is that of a web process, to the last byte."""

import time
from collections.abc import Callable
from typing import Any

from compose.local.layout import StackError
from compose.local.ports import HOST
from tests.bench.admin_rows import LISTS, add_rows
from tests.bench.results import Run
from tests.bench.rig import Rig, wait_until
from tests.bench.visitor import Visitor
from tests.servers.free_ports import find_free_ports

REJECTED = """
INSERT INTO dead_letter (fingerprint, topic, payload, reason, detail, mac, device_code, gateway_id,
    account_id, first_seen, last_seen, occurrences)
SELECT sha256(n::text::bytea), 'telemetry/' || g.mac,
    convert_to('{"gateway_mac": "' || g.mac || '", "leituras": [{"dispositivo_codigo": "D1", '
        || '"valor": ' || n || '}]}', 'UTF8'),
    (ARRAY['unknown_device', 'bad_value', 'bad_timestamp', 'unit_mismatch'])[1 + n %% 4],
    'leituras[0].valor: ' || n || ' is not what was expected', g.mac, 'D1', g.id, g.account_id,
    now() - n * interval '1 second', now() - n * interval '1 second', 1
FROM generate_series(1, %(dead_letters)s) n
JOIN (SELECT row_number() OVER (ORDER BY id) AS number, * FROM gateway) g
    ON g.number = 1 + n %% 1000
"""

NOT_FOR_STAFF = ("a group", "schedules", "users", "changes", "batches")
"""What belongs to no account, and a group that may be another account's."""


def fill(gateways: str, dead_letters: str) -> dict[str, Any]:
    """Enter gateways with a device each, and dead letters of a thousand of them; who may look at
    them, and where. In a process with the application's settings."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission
    from django.db import connection

    from telemetry.models import Account, DeadLetterGroup, Device, Gateway, Membership
    from telemetry.store.operations.summaries import count_groups

    accounts = Account.objects.bulk_create(Account(name=f"Account {n}") for n in range(100))
    rows = Gateway.objects.bulk_create(
        (
            Gateway(account=accounts[n % 100], code=f"GW-{n}", mac=f"02:cc{_mac(n)}")
            for n in range(int(gateways))
        ),
        batch_size=5_000,
    )
    Device.objects.bulk_create(
        (Device(gateway=row, account_id=row.account_id, code="D1", unit="kWh") for row in rows),
        batch_size=5_000,
    )
    with connection.cursor() as cursor:
        cursor.execute(REJECTED, {"dead_letters": int(dead_letters)})
        add_rows(cursor)
        cursor.execute("VACUUM (ANALYZE)")
    count_groups()
    users = get_user_model().objects
    staff = users.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.exclude(codename="see_every_account"))
    Membership.objects.create(user=staff, account=accounts[0], role="admin")
    gateway, group = rows[0], DeadLetterGroup.objects.order_by("pk")[0]
    return {
        "session": _sign_in(users.create_superuser("administrator")),
        "staff": _sign_in(staff),
        "addresses": _list_addresses(gateway=gateway.pk, mac=gateway.mac, group=group.pk),
    }


def _sign_in(user: Any) -> str:
    from django.test import Client

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies["sessionid"].value


def run_admin(*, gateways: int, dead_letters: int, times: int, say: Callable[[str], None]) -> Run:
    """Milliseconds of each address: the median and the longest of some. Raises `StackError`."""
    with Rig(concurrency=1) as rig:
        rig.environ["WEB_SECOND_FACTOR"] = "nobody"
        started_s = time.monotonic()
        place = rig.ask("admin", str(gateways), str(dead_letters))
        say(f"all stands after {time.monotonic() - started_s:.0f} s")
        [port] = find_free_ports(1)
        rig.start("web", WEB_BIND=f"{HOST}:{port}", WEB_WORKERS="1")
        visitor = Visitor(port, session=place["session"])
        wait_until(
            lambda: visitor.get("/health").is_good, timeout_s=60, what="the web process serves"
        )
        run: Run = {}
        for name, path in place["addresses"].items():
            run |= _measure(visitor, name, path, times=times)
        visitor = Visitor(port, session=place["staff"])
        for name, path in place["addresses"].items():
            if name not in NOT_FOR_STAFF:
                run |= _measure(visitor, f"{name}, staff of an account", path, times=times)
        return run


def _measure(visitor: Visitor, name: str, path: str, *, times: int) -> Run:
    _ask(visitor, path)  # what is slower once
    found = sorted(_ask(visitor, path) for _ in range(times))
    return {f"{name}, median, ms": found[times // 2], f"{name}, longest, ms": found[-1]}


def _ask(visitor: Visitor, path: str) -> float:
    answer = visitor.get(path)
    if answer.status != 200:
        raise StackError(f"{path}: status {answer.status}, expected 200")
    return answer.ms


def _mac(number: int) -> str:
    return "".join(f":{number >> shift & 255:02x}" for shift in (24, 16, 8, 0))


def _list_addresses(*, gateway: int, mac: str, group: int) -> dict[str, str]:
    models = "/admin/telemetry"
    return {
        "home": "/admin/",
        "gateways": f"{models}/gateway/",
        "gateways, searched": f"{models}/gateway/?q=GW-777",
        "a gateway": f"{models}/gateway/{gateway}/change/",
        "devices": f"{models}/device/",
        "devices, searched": f"{models}/device/?q=GW-777",
        "accounts": f"{models}/account/",
        "dead letters": f"{models}/deadletter/",
        "dead letters, by MAC": f"{models}/deadletter/?q={mac}",
        "dead letters, a text that all have": f"{models}/deadletter/?q=expected",
        "dead letters, a text that none has": f"{models}/deadletter/?q=nowhere",
        "workbench": f"{models}/deadlettergroup/",
        "workbench, by MAC": f"{models}/deadlettergroup/?q={mac}",
        "workbench, a text that all have": f"{models}/deadlettergroup/?q=expected",
        "a group": f"{models}/deadlettergroup/{group}/open/",
        "schedules": f"{models}/taskrun/",
        **{name: f"/admin/{path}/" for name, path in LISTS.items()},
    }
