"""What the stamp of a delta names: the end of its interval, or its beginning."""

from django.db import migrations, models

SQL = """\
CREATE VIEW stamp_shift WITH (security_invoker = true) AS
SELECT device_id,
    coalesce((extract(epoch FROM since) * 1000000)::bigint, -9223372036854775808) AS since_us,
    coalesce((extract(epoch FROM until) * 1000000)::bigint, 9223372036854775807) AS until_us,
    interval_s::bigint * 1000000 AS interval_us
FROM (
    SELECT device_id, since, stamp, interval_s,
        lead(since) OVER (PARTITION BY device_id ORDER BY since NULLS FIRST) AS until
    FROM installation WHERE undone_at IS NULL
) meters
WHERE stamp = 'start' AND interval_s IS NOT NULL;

CREATE OR REPLACE FUNCTION keep_stamps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before installation;
    newest timestamptz;
BEGIN
    SELECT * INTO before FROM installation
    WHERE device_id = NEW.device_id AND undone_at IS NULL AND id <> NEW.id
      AND (since IS NULL OR since < NEW.since)
    ORDER BY since DESC NULLS LAST LIMIT 1;
    IF TG_OP = 'UPDATE' AND (NEW.stamp, NEW.interval_s, NEW.since, NEW.undone_at IS NULL)
            IS NOT DISTINCT FROM (OLD.stamp, OLD.interval_s, OLD.since, OLD.undone_at IS NULL)
        OR 'start' NOT IN (NEW.stamp, coalesce(before.stamp, 'end'),
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.stamp ELSE 'end' END)
        OR TG_OP = 'INSERT'
            AND (NEW.stamp, NEW.interval_s) IS NOT DISTINCT FROM (before.stamp, before.interval_s)
    THEN
        RETURN NEW;
    END IF;
    SELECT max(time) INTO newest FROM reading
    WHERE device_id = NEW.device_id AND time > coalesce(NEW.since, '-infinity');
    IF newest IS NOT NULL THEN
        RAISE check_violation USING CONSTRAINT = 'installation_stamp_kept', MESSAGE = format(
            'device %s has readings after %s, the last one of %s: what its stamps name is told '
            'before the first reading of a meter', NEW.device_id, NEW.since, newest);
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER installation_stamp_kept BEFORE INSERT OR UPDATE
    ON installation FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION keep_stamps();

CREATE OR REPLACE FUNCTION change_installation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other installation;
    ends timestamptz;
BEGIN
    -- Workers know which devices may have values below zero, and which stamps they move.
    IF NEW.is_net OR NEW.stamp = 'start' OR TG_OP = 'UPDATE' AND (OLD.is_net OR OLD.stamp = 'start')
        OR EXISTS (SELECT FROM stamp_shift WHERE device_id = NEW.device_id)
    THEN
        INSERT INTO registry_change (gateway_id)
        SELECT gateway_id FROM device WHERE id = NEW.device_id;
    END IF;
    UPDATE device d SET measurement = n.measurement, unit = n.unit,
        register_modulus = n.register_modulus, interval_s = n.interval_s
    FROM (
        SELECT * FROM installation WHERE device_id = NEW.device_id AND undone_at IS NULL
        ORDER BY since DESC NULLS LAST LIMIT 1
    ) n
    WHERE d.id = NEW.device_id AND (d.measurement, d.unit, d.register_modulus, d.interval_s)
        IS DISTINCT FROM (n.measurement, n.unit, n.register_modulus, n.interval_s);
    IF TG_OP = 'UPDATE' AND OLD.undone_at IS NOT DISTINCT FROM NEW.undone_at THEN
        other := OLD;
    ELSE
        SELECT * INTO other FROM installation
        WHERE device_id = NEW.device_id AND undone_at IS NULL AND id <> NEW.id
          AND (since IS NULL OR since < NEW.since)
        ORDER BY since DESC NULLS LAST LIMIT 1;
    END IF;
    SELECT min(since) INTO ends FROM installation
    WHERE device_id = NEW.device_id AND undone_at IS NULL
      AND (NEW.since IS NULL OR since > NEW.since);
    INSERT INTO dirty_hour (hour, device_ids, installation_id)
    SELECT hour, ARRAY[NEW.device_id], NEW.id
    FROM (
        SELECT hour FROM hourly_aggregate WHERE device_id = NEW.device_id
        UNION
        SELECT hour FROM hourly_consumption WHERE device_id = NEW.device_id
        -- An hour that a refresh is writing for the first time is not seen yet; its dirty row is.
        UNION
        SELECT hour FROM dirty_hour WHERE NEW.device_id = ANY (device_ids)
        UNION
        SELECT date_trunc('hour', instant - interval '1 microsecond', 'UTC')
        FROM (VALUES (NEW.since), (ends)) AS instants (instant)
    ) known
    WHERE hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity')
      AND hour >= coalesce(NEW.since, '-infinity') - interval '1 hour'
      AND (hour < NEW.since
        OR (other.measurement, other.factor, other.register_modulus, other.interval_s, other.is_net,
                other.largest_rate)  -- a rate changes no hour, but what is found in it
            IS DISTINCT FROM (NEW.measurement, NEW.factor, NEW.register_modulus, NEW.interval_s,
                NEW.is_net, NEW.largest_rate)
        AND hour < coalesce(ends, 'infinity'));
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0058_causes_of_adjustments"),
    ]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="stamp",
            field=models.CharField(
                choices=[
                    ("end", "the end of its interval"),
                    ("start", "the beginning of its interval"),
                ],
                db_default="end",
                default="end",
                help_text="Of what was used since the last reading. At the beginning: a reading is stored at its stamp and one interval.",
                max_length=5,
                verbose_name="stamps name",
            ),
        ),
        migrations.RunSQL(SQL, "DROP FUNCTION keep_stamps CASCADE; DROP VIEW stamp_shift"),
    ]
