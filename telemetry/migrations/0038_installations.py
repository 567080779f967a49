"""Installations: which meter measured at a device, from when on. Meter replacements become such.

Nothing is computed again: factors are 1, and each replacement keeps the settings of its device.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FUNCTIONS = """\
-- The meters at a device (telemetry/models/installations.py): which one measured when, and what follows
-- from a change of one. telemetry/core/installations.py says the same in Python.

-- Installations that were not undone, from when until when. A reading at the instant between two is of
-- the earlier one, unless it equals the first register of the later.
CREATE VIEW installation_period WITH (security_invoker = true) AS
SELECT device_id, coalesce(since, '-infinity') AS since,
    lead(since, 1, 'infinity') OVER (PARTITION BY device_id ORDER BY since NULLS FIRST) AS until,
    measurement, unit, factor, register_modulus, interval_s, old_register, first_register
FROM installation
WHERE undone_at IS NULL;

-- The installation by which the time after `since`, up to `until`, is measured: the last one in it that
-- counts, or else the last one.
CREATE FUNCTION installation_of(device bigint, since timestamptz, until timestamptz)
RETURNS TABLE (measurement varchar, unit varchar, factor numeric, interval_s integer)
LANGUAGE sql STABLE AS $$
    SELECT p.measurement, p.unit, p.factor, p.interval_s FROM installation_period p
    WHERE p.device_id = $1 AND p.since < $3 AND p.until > $2
    ORDER BY p.measurement = 'gauge', p.since DESC LIMIT 1
$$;

-- What a period has of a device's installations: whether one of them counts; how many intervals are
-- expected, one an hour where that is unknown; measurement and interval, where they are the same all
-- the time.
CREATE FUNCTION installations_in(device bigint, since timestamptz, until timestamptz)
RETURNS TABLE (counts boolean, intervals numeric, measurement text, interval_s integer)
LANGUAGE sql STABLE AS $$
    SELECT bool_or(p.measurement <> 'gauge'),
        sum(extract(epoch FROM least(p.until, $3) - greatest(p.since, $2))
            / coalesce(p.interval_s, 3600)),
        CASE WHEN min(p.measurement) = max(p.measurement) THEN min(p.measurement)::text END,
        CASE WHEN min(coalesce(p.interval_s, 3600)) = max(coalesce(p.interval_s, 3600))
            THEN min(coalesce(p.interval_s, 3600)) END
    FROM installation_period p
    WHERE p.device_id = $1 AND p.since < $3 AND p.until > $2 AND $2 < $3
$$;

-- A value times the factor of its meter, to four decimals.
CREATE FUNCTION scaled(value numeric, factor numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN factor = 1 THEN value ELSE round(value * factor, 4) END
$$;
"""

VIEWS = """\
CREATE OR REPLACE FUNCTION mark_gaps_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT c.hour, array_agg(c.device_id)
    FROM device d
    JOIN installation_period p ON p.device_id = d.id
    JOIN hourly_consumption c ON c.device_id = d.id AND c.step_to > p.since AND c.step_to <= p.until
    WHERE d.account_id = NEW.id AND c.step_to - c.step_from > longest_step(p.interval_s)
      AND c.hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity')
    GROUP BY c.hour;
    RETURN NULL;
END $$;

CREATE OR REPLACE VIEW monthly_consumption AS
SELECT m.device_id || '.' || m.month || '.' || m.account_id AS id,
    m.account_id, m.device_id, m.month, calendar.month_end,
    billed.total,
    billed.total / calendar.days_elapsed AS daily_mean,
    coalesce(m.reading_sum / nullif(m.readings_count, 0), 0) AS reading_mean,
    m.reading_sum, m.readings_count,
    least(1, m.intervals_seen / nullif(expected.intervals, 0)) AS coverage,
    m.first_register, m.last_register, m.minimum, m.maximum,
    CASE WHEN c.id IS NULL THEN 'open'
        WHEN coalesce(adjusted.difference, 0) <> 0 THEN 'adjusted'
        ELSE 'closed' END AS state,
    m.estimated
FROM monthly_total m
JOIN account a ON a.id = m.account_id
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
LEFT JOIN LATERAL (
    SELECT sum(difference) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND month = m.month AND account_id = m.account_id
      AND c.id IS NOT NULL
) adjusted ON true
CROSS JOIN LATERAL (
    SELECT month_end,
        greatest(1, least(month_end, (now() AT TIME ZONE a.time_zone)::date + 1) - m.month)
            AS days_elapsed,
        local_day_start(m.month, a.time_zone) AS starts_at,
        least(now(), local_day_start(month_end, a.time_zone)) AS ends_at
    FROM next_billing_month(m.month, a.billing_day, a.earlier_billing_days) AS month_end
) calendar
CROSS JOIN LATERAL installations_in(m.device_id, calendar.starts_at, calendar.ends_at) AS expected
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.total ELSE m.closed_total END AS total
) billed;

CREATE OR REPLACE VIEW billed_month AS
SELECT m.account_id, m.device_id, m.month, m.month_end, 'open' AS state,
    CASE WHEN d.account_id = m.account_id THEN g.id END AS gateway_id,
    CASE WHEN d.account_id = m.account_id THEN g.code ELSE '' END AS gateway_code,
    CASE WHEN d.account_id = m.account_id THEN g.name ELSE '' END AS gateway_name,
    CASE WHEN d.account_id = m.account_id THEN d.code ELSE '' END AS code,
    CASE WHEN d.account_id = m.account_id THEN d.name ELSE '' END AS name,
    CASE WHEN d.account_id = m.account_id THEN d."group" ELSE '' END AS "group",
    CASE WHEN d.account_id = m.account_id THEN d.kind ELSE '' END AS kind,
    i.measurement, i.unit, m.total, m.daily_mean, m.reading_mean, m.reading_sum, m.readings_count,
    m.coverage, m.estimated, m.first_register, m.last_register, m.minimum,
    m.maximum, '{}'::text[] AS quality
FROM monthly_consumption m
JOIN device d ON d.id = m.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = m.account_id
CROSS JOIN LATERAL installation_of(m.device_id, local_day_start(m.month, a.time_zone),
    local_day_start(m.month_end, a.time_zone)) AS i
WHERE m.state = 'open'
UNION ALL
SELECT account_id, device_id, month, month_end, 'closed', gateway_id, gateway_code, gateway_name, code,
    name, "group", kind, measurement, unit, total, daily_mean, reading_mean, reading_sum,
    readings_count, coverage, estimated, first_register, last_register, minimum, maximum,
    quality
FROM closed_line;
"""

FILL = """\
INSERT INTO installation (device_id, measurement, unit, register_modulus, interval_s)
SELECT id, measurement, unit, register_modulus, interval_s FROM device;
INSERT INTO installation (device_id, since, measurement, unit, register_modulus, interval_s,
    old_register, first_register, note, created_by_id, created_at)
SELECT d.id, m.at, d.measurement, d.unit, d.register_modulus, d.interval_s, m.old_value, m.new_value,
    m.note, m.created_by_id, m.created_at
FROM meter_replacement m JOIN device d ON d.id = m.device_id;
DROP TRIGGER device_consumption ON device;
DROP FUNCTION mark_device_dirty();
DROP TRIGGER replacement_dirty ON meter_replacement;
DROP FUNCTION mark_replacement_dirty();
"""

TRIGGERS = """\
-- A device shows the settings of its newest installation. Its first one comes with it.
CREATE FUNCTION install_first_meter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO installation (device_id, measurement, unit, register_modulus, interval_s)
    VALUES (NEW.id, NEW.measurement, NEW.unit, NEW.register_modulus, NEW.interval_s);
    RETURN NULL;
END $$;
CREATE TRIGGER device_first_meter AFTER INSERT
    ON device FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION install_first_meter();

-- How a device measures is changed in place only while it has no readings: after that, by another
-- installation, from an instant on.
CREATE FUNCTION keep_settings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest installation;
BEGIN
    SELECT * INTO newest FROM installation
    WHERE device_id = NEW.id AND undone_at IS NULL ORDER BY since DESC NULLS LAST LIMIT 1;
    IF (newest.measurement, newest.unit, newest.register_modulus, newest.interval_s)
        IS NOT DISTINCT FROM (NEW.measurement, NEW.unit, NEW.register_modulus, NEW.interval_s)
    THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM monthly_total WHERE device_id = NEW.id)
        OR EXISTS (SELECT FROM reading WHERE device_id = NEW.id)
    THEN
        RAISE check_violation USING CONSTRAINT = 'device_settings_kept', MESSAGE = format(
            'device %s (code %s) has readings: how it measures changes only from an instant on, by '
            'a change of its meter', NEW.id, NEW.code);
    END IF;
    UPDATE installation SET measurement = NEW.measurement, unit = NEW.unit,
        register_modulus = NEW.register_modulus, interval_s = NEW.interval_s
    WHERE id = newest.id;
    RETURN NULL;
END $$;
CREATE TRIGGER device_settings_kept AFTER UPDATE OF measurement, unit, register_modulus, interval_s
    ON device FOR EACH ROW EXECUTE FUNCTION keep_settings();

-- What an installation changes is computed again: the hour that holds its instant, and, where another
-- one measured otherwise in its place, all hours until the instant of the next one. Hours before the
-- raw horizon keep their values: there are no readings to compute them from.
CREATE FUNCTION change_installation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other installation;
    ends timestamptz;
BEGIN
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
        OR (other.measurement, other.factor, other.register_modulus, other.interval_s)
            IS DISTINCT FROM (NEW.measurement, NEW.factor, NEW.register_modulus, NEW.interval_s)
        AND hour < coalesce(ends, 'infinity'));
    RETURN NULL;
END $$;
-- A restore loads the dirty hours themselves.
CREATE TRIGGER installation_changed AFTER INSERT OR UPDATE
    ON installation FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION change_installation();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0036_sessions_and_identities")]
    operations = [
        migrations.AddField(
            model_name="dirtyhour",
            name="installation_id",
            field=models.BigIntegerField(null=True, verbose_name="installation"),
        ),
        migrations.AddField(
            model_name="monthadjustment",
            name="installation_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                db_default=[],
                default=list,
                size=None,
                verbose_name="changes of meter",
            ),
        ),
        migrations.CreateModel(
            name="Installation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField(null=True, verbose_name="from")),
                (
                    "measurement",
                    models.CharField(
                        choices=[
                            ("delta", "delta: consumption since the last reading"),
                            ("cumulative", "cumulative: a register that only grows"),
                            ("gauge", "gauge: a level"),
                        ],
                        default="delta",
                        max_length=10,
                        verbose_name="measurement",
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=10, verbose_name="unit"
                    ),
                ),
                (
                    "factor",
                    models.DecimalField(
                        db_default=1,
                        decimal_places=6,
                        default=1,
                        help_text="What is read is multiplied by it, as behind a transformer: 40 for 200/5 A.",
                        max_digits=12,
                        verbose_name="factor",
                    ),
                ),
                (
                    "register_modulus",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="A cumulative register counts from 0 to below this. Empty: never, or unknown.",
                        max_digits=15,
                        null=True,
                        verbose_name="register rolls over at",
                    ),
                ),
                (
                    "interval_s",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Expected seconds between readings. Empty: one an hour is full coverage.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="interval (s)",
                    ),
                ),
                (
                    "old_register",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=15,
                        null=True,
                        verbose_name="last of the old register",
                    ),
                ),
                (
                    "first_register",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=15,
                        null=True,
                        verbose_name="first of the new register",
                    ),
                ),
                (
                    "model",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=100, verbose_name="model"
                    ),
                ),
                (
                    "serial",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=100,
                        verbose_name="serial number",
                    ),
                ),
                (
                    "note",
                    models.TextField(
                        blank=True, db_default="", default="", max_length=500, verbose_name="note"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="entered at",
                    ),
                ),
                (
                    "undone_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="undone at"),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="entered by",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="installations",
                        to="telemetry.device",
                        verbose_name="device",
                    ),
                ),
                (
                    "undone_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="undone by",
                    ),
                ),
            ],
            options={
                "verbose_name": "installation",
                "verbose_name_plural": "installations",
                "db_table": "installation",
                "ordering": [
                    "device",
                    models.OrderBy(models.F("since"), descending=True, nulls_last=True),
                    "id",
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("undone_at", None)),
                fields=("device", "since"),
                name="installation_device_since",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(("factor__gt", 0)), name="installation_factor"
            ),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(("register_modulus__gt", 0)),
                name="installation_register_modulus",
            ),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(("interval_s__gt", 0)), name="installation_interval_s"
            ),
        ),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(VIEWS),
        migrations.RunSQL(FILL),
        migrations.RunSQL(TRIGGERS),
        migrations.DeleteModel("MeterReplacement"),
    ]
