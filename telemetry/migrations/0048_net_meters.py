"""Meters that count backwards, too, and the largest plausible consumption of one."""

from django.db import migrations, models

FUNCTION = """\
CREATE OR REPLACE FUNCTION change_installation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other installation;
    ends timestamptz;
BEGIN
    -- Workers know which devices may have values below zero.
    IF NEW.is_net OR TG_OP = 'UPDATE' AND OLD.is_net THEN
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
        ("telemetry", "0044_alarm_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="is_net",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A net meter: energy that is fed in counts below zero.",
                verbose_name="counts backwards, too",
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="largest_rate",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="With the factor. More is a finding. Empty: as its history says.",
                max_digits=15,
                null=True,
                verbose_name="largest plausible consumption an hour",
            ),
        ),
        migrations.RunSQL(FUNCTION, migrations.RunSQL.noop),
    ]
