"""Why a closed month has an adjustment, also where it is neither an edit nor a change of the meter."""

import django.contrib.postgres.fields
from django.db import migrations, models

SQL = """\
CREATE OR REPLACE FUNCTION mark_gaps_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids, cause)
    SELECT c.hour, array_agg(c.device_id), 'gaps'
    FROM device d
    JOIN installation_period p ON p.device_id = d.id
    JOIN hourly_consumption c ON c.device_id = d.id AND c.step_to > p.since AND c.step_to <= p.until
    WHERE d.account_id = NEW.id AND c.step_to - c.step_from > longest_step(p.interval_s)
      AND c.hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity')
    GROUP BY c.hour;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION follow_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
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
        INSERT INTO dirty_hour (hour, device_ids, moved_at)
        SELECT hour, array_agg(device_id), %2$L::timestamptz
        FROM (SELECT * FROM moved UNION SELECT * FROM changed) m
        GROUP BY hour
        $query$, gateway, start);
    UPDATE edited_reading r SET account_id = p.account_id
    FROM device d JOIN assignment_period p ON p.gateway_id = d.gateway_id
    WHERE d.gateway_id = gateway AND r.device_id = d.id AND r.time > start
      AND r.time > p.since AND r.time <= p.until AND r.account_id <> p.account_id;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0057_zones_of_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="dirtyhour",
            name="cause",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=10, verbose_name="cause"
            ),
        ),
        migrations.AddField(
            model_name="dirtyhour",
            name="moved_at",
            field=models.DateTimeField(null=True, verbose_name="gateway moved at"),
        ),
        migrations.AddField(
            model_name="monthadjustment",
            name="causes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("readings", "late readings"),
                        ("gaps", "how gaps are counted was changed"),
                        ("repair", "repair by the verification"),
                    ],
                    max_length=10,
                ),
                db_default=[],
                default=list,
                size=None,
                verbose_name="causes",
            ),
        ),
        migrations.AddField(
            model_name="monthadjustment",
            name="moved_at",
            field=models.DateTimeField(null=True, verbose_name="gateway moved at"),
        ),
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
