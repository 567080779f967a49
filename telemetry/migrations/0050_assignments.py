"""From when on a gateway is which account's. What moved before has no assignment."""

import django.db.models.deletion
from django.db import migrations, models

TRIGGERS = """\
CREATE FUNCTION record_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO assignment (gateway_id, account_id, since)
    SELECT NEW.id, OLD.account_id, NULL
    WHERE NOT EXISTS (SELECT FROM assignment WHERE gateway_id = NEW.id);
    INSERT INTO assignment (gateway_id, account_id, since) VALUES (NEW.id, NEW.account_id, now())
    ON CONFLICT (gateway_id, since) DO UPDATE SET account_id = excluded.account_id;
    RETURN NULL;
END $$;
-- A restore loads the assignments themselves.
CREATE TRIGGER gateway_assigned AFTER UPDATE OF account_id
    ON gateway FOR EACH ROW WHEN (OLD.account_id <> NEW.account_id
        AND current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION record_assignment();

-- Assignments, from when until when; a gateway that never moved has none.
CREATE VIEW assignment_period WITH (security_invoker = true) AS
SELECT gateway_id, account_id, coalesce(since, '-infinity') AS since,
    lead(since, 1, 'infinity') OVER (PARTITION BY gateway_id ORDER BY since NULLS FIRST) AS until
FROM assignment;

-- What was stored of a gateway follows when an assignment is entered, moved or taken back: readings after
-- its instant are the account's of their own time. Their hours are computed again. The instant is a
-- constant, so that chunks before it are not opened.
CREATE FUNCTION follow_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gateway bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.gateway_id ELSE NEW.gateway_id END;
    start timestamptz := CASE TG_OP WHEN 'DELETE' THEN OLD.since WHEN 'INSERT' THEN NEW.since
        ELSE least(OLD.since, NEW.since) END;
BEGIN
    IF start IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format($query$
        WITH moved AS (
            UPDATE reading r SET account_id = p.account_id
            FROM device d JOIN assignment_period p ON p.gateway_id = d.gateway_id
            WHERE d.gateway_id = %1$L AND r.device_id = d.id AND r.time > %2$L
              AND r.time > p.since AND r.time <= p.until AND r.account_id <> p.account_id
            RETURNING r.device_id, date_trunc('hour', r.time - interval '1 microsecond', 'UTC') AS hour
        ), changed AS (
            UPDATE hourly_consumption c SET account_id = p.account_id
            FROM device d JOIN assignment_period p ON p.gateway_id = d.gateway_id
            WHERE d.gateway_id = %1$L AND c.device_id = d.id AND c.first IS NULL AND c.hour >= %2$L
              AND c.hour >= p.since AND c.hour < p.until AND c.account_id <> p.account_id
            RETURNING c.device_id, c.hour
        )
        INSERT INTO dirty_hour (hour, device_ids)
        SELECT hour, array_agg(device_id) FROM (SELECT * FROM moved UNION SELECT * FROM changed) m
        GROUP BY hour
        $query$, gateway, start);
    UPDATE edited_reading r SET account_id = p.account_id
    FROM device d JOIN assignment_period p ON p.gateway_id = d.gateway_id
    WHERE d.gateway_id = gateway AND r.device_id = d.id AND r.time > start
      AND r.time > p.since AND r.time <= p.until AND r.account_id <> p.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER assignment_followed AFTER INSERT OR UPDATE OR DELETE
    ON assignment FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION follow_assignment();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0049_notes_views_screens"),
    ]

    operations = [
        migrations.CreateModel(
            name="Assignment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField(null=True, verbose_name="from")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="assignments",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="assignments",
                        to="telemetry.gateway",
                        verbose_name="gateway",
                    ),
                ),
            ],
            options={
                "verbose_name": "assignment",
                "verbose_name_plural": "assignments",
                "db_table": "assignment",
                "ordering": [
                    "gateway",
                    models.OrderBy(models.F("since"), descending=True, nulls_last=True),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("gateway", "since"), name="assignment_once", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.RunSQL(
            TRIGGERS,
            "DROP FUNCTION record_assignment CASCADE; DROP FUNCTION follow_assignment CASCADE;"
            " DROP VIEW assignment_period",
        ),
    ]
