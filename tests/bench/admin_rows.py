"""Rows of the admin's other lists, beside gateways with a device each: one of most kinds for each
gateway, of users a tenth as many. A meter comes with each device."""

from typing import Any

ROWS = (
    """
    INSERT INTO finding (account_id, device_id, rule, since, until, evidence)
    SELECT account_id, id, 'spike', now() - id * interval '1 minute', now(), '{}' FROM device
    """,
    """
    INSERT INTO edit (account_id, device_id, kind, since, until, reason, state, requested_at)
    SELECT account_id, id, 'void', now(), now(), 'wrong', 'applied',
        now() - id * interval '1 minute' FROM device
    """,
    """
    INSERT INTO alarm (account_id, device_id, gateway_id, kind, opened_at, last_beyond_at)
    SELECT account_id, id, gateway_id, 'no_data', now() - id * interval '1 minute', now()
    FROM device
    """,
    """
    INSERT INTO certificate (serial, gateway_id, common_name, pem, issued_at, not_before, not_after,
        reason)
    SELECT id, id, mac, '', now() - id * interval '1 minute', now() - interval '1 year',
        now() + interval '1 year', '' FROM gateway
    """,
    """
    INSERT INTO gateway_event (gateway_id, kind, at)
    SELECT id, 'online', now() - id * interval '1 minute' FROM gateway
    """,
    """
    INSERT INTO auditlog_logentry (object_pk, object_id, object_repr, action, changes, changes_text,
        timestamp, content_type_id)
    SELECT g.id, g.id, g.code, 1, '{"name": ["before", "after"]}', '',
        now() - g.id * interval '1 minute', c.id
    FROM gateway g JOIN django_content_type c ON c.app_label = 'telemetry' AND c.model = 'gateway'
    """,
    """
    INSERT INTO telemetry_user (password, is_superuser, username, first_name, last_name, email,
        is_staff, is_active, date_joined)
    SELECT '', false, 'user-' || id, '', '', 'user-' || id || '@example.org', false, true, now()
    FROM gateway WHERE id % 10 = 0
    """,
    """
    INSERT INTO membership (user_id, account_id, role)
    SELECT u.id, a.id, 'viewer'
    FROM telemetry_user u JOIN account a ON a.id % 10 = u.id % 10
    """,
    """
    INSERT INTO batch (id, source, seq, received_at, stored_at, messages, messages_stored,
        messages_duplicate, messages_rejected, readings, readings_stored, readings_duplicate,
        readings_rejected, dead_letters)
    SELECT 'batch-' || id, 'bridge-1', id, at, at, 1, 1, 0, 0, 3, 3, 0, 0, 0
    FROM (SELECT id, now() - id * interval '1 minute' AS at FROM gateway) g
    """,
    # As if each sent once in five minutes.
    """
    INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)
    SELECT now() - (n + id * 7919 % 1000 / 1000.0) * interval '5 minutes', now(), account_id,
        gateway_id, id, n, 'kWh'
    FROM device, generate_series(0, 2) n
    """,
    """
    INSERT INTO monthly_total (device_id, month, account_id, total, reading_sum, readings_count,
        intervals_seen)
    SELECT id, date_trunc('month', now())::date, account_id, 1, 1, 1, 1 FROM device
    """,
)
LISTS = {
    "meters": "telemetry/installation",
    "certificates": "telemetry/certificate",
    "readings": "telemetry/readinglisting",
    "months": "telemetry/monthlyconsumption",
    "findings": "telemetry/finding",
    "edits": "telemetry/edit",
    "alarms": "telemetry/alarm",
    "gateway events": "telemetry/gatewayevent",
    "users": "telemetry/user",
    "memberships": "telemetry/membership",
    "changes": "auditlog/logentry",
    "batches": "telemetry/batch",
}
"""What the lists of these rows are called, and where they are."""


def add_rows(cursor: Any) -> None:
    """Add them all."""
    for statement in ROWS:
        cursor.execute(statement)
