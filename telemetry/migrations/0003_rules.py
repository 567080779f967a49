"""What Django's models cannot say: functions, triggers, views, an index by an expression."""

from django.db import migrations

FLEET = """\
-- What holds for gateways and devices beside Django's models.

-- Presence is written all the time: room on the page keeps those updates in place.
ALTER TABLE gateway SET (fillfactor = 70);

-- A device belongs to its gateway's account, whoever writes.
CREATE FUNCTION set_device_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT account_id INTO NEW.account_id FROM gateway WHERE id = NEW.gateway_id;
    RETURN NEW;
END $$;
CREATE TRIGGER device_account BEFORE INSERT OR UPDATE OF gateway_id, account_id
    ON device FOR EACH ROW EXECUTE FUNCTION set_device_account();

CREATE FUNCTION move_devices_with_gateway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET account_id = NEW.account_id WHERE gateway_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER gateway_account AFTER UPDATE OF account_id
    ON gateway FOR EACH ROW WHEN (OLD.account_id <> NEW.account_id)
    EXECUTE FUNCTION move_devices_with_gateway();

-- A device with readings or with months is kept. Readings carry no foreign key, so this stands in
-- for one; months outlive readings, and are billed.
CREATE FUNCTION keep_device_with_readings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM monthly_total WHERE device_id = OLD.id)
        OR EXISTS (SELECT FROM reading WHERE device_id = OLD.id)
    THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            'device %s (code %s) has readings: deactivate it instead of deleting it',
            OLD.id, OLD.code);
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER device_kept BEFORE DELETE
    ON device FOR EACH ROW EXECUTE FUNCTION keep_device_with_readings();
"""

REGISTRY_CHANGE = """\
-- Notes of changes of the fleet, which the workers look at every few seconds. The transaction's
-- id tells a worker which notes it cannot have seen yet; see changed_gateways in store/ingest/fleet_cache.sql.
CREATE TABLE registry_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway_id bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX registry_change_xid ON registry_change (xid);

CREATE FUNCTION note_gateway_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_change (gateway_id)
    VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END);
    RETURN NULL;
END $$;
-- Not for is_online and last_seen, which the workers write all the time.
CREATE TRIGGER gateway_change AFTER INSERT OR DELETE OR UPDATE OF account_id, mac, is_active
    ON gateway FOR EACH ROW EXECUTE FUNCTION note_gateway_change();

CREATE FUNCTION note_device_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO registry_change (gateway_id) VALUES (OLD.gateway_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO registry_change (gateway_id) VALUES (NEW.gateway_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER device_change AFTER INSERT OR DELETE OR UPDATE
    ON device FOR EACH ROW EXECUTE FUNCTION note_device_change();

CREATE FUNCTION note_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_change (gateway_id) SELECT id FROM gateway WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER account_change AFTER UPDATE OF is_active
    ON account FOR EACH ROW EXECUTE FUNCTION note_account_change();
"""

BATCHES = """\
-- The delivery report finds the parts of a split batch by what their ids have in common.
CREATE INDEX batch_stem ON batch (split_part(id, '.', 1));
"""

CONSUMPTION = """\
-- The rules of consumption, in one place. telemetry/core/consumption.py says the same in Python;
-- tests hold the two against each other.

-- What a register counted between two readings. `before` is null for the first reading ever;
-- `replaced` is what replaced_between says, null without a replacement between them.
-- A fall of up to a tenth is noise and evens out; a greater one is a rollover where the modulus is
-- known, a new cycle from zero elsewhere. Source: Home Assistant, sensor/recorder.py,
-- reset_detected, and its developers' documentation of the state class total_increasing.
CREATE FUNCTION register_increment(modulus numeric, before numeric, after numeric, replaced numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN before IS NULL THEN 0
        WHEN replaced IS NOT NULL THEN after - before + replaced
        WHEN after >= before OR after >= 0.9 * before THEN after - before
        WHEN modulus IS NOT NULL THEN modulus - before + after
        ELSE after
    END
$$;

-- The replacements of a register in (before_at, after_at], telescoped: (old - before) + ... +
-- (after - new) is after - before + the sum of (old - new). Null when there are none.
CREATE FUNCTION replaced_between(device bigint, before_at timestamptz, after_at timestamptz)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT sum(old_value - new_value) FROM meter_replacement
    WHERE device_id = device AND at > before_at AND at <= after_at
$$;

-- Readings that an hour can count for: one, or as many as the device's interval has in an hour.
CREATE FUNCTION intervals_an_hour(interval_s integer) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(1, 3600::numeric / coalesce(interval_s, 3600))
$$;

-- The first instant of a local day. A midnight that comes twice (Atlantic/Azores) starts the day
-- the first time; one that is left out (Chile) is the instant of the change.
CREATE FUNCTION local_day_start(day date, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN ((later - interval '1 hour') AT TIME ZONE zone)::date >= day
        THEN later - interval '1 hour' ELSE later END
    FROM (SELECT day::timestamp AT TIME ZONE zone AS later) AS midnight
$$;

-- Whether a local day begins and ends on whole UTC hours.
CREATE FUNCTION is_day_of_whole_hours(day date, zone text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT extract(minute FROM local_day_start(day, zone) AT TIME ZONE 'UTC') = 0
       AND extract(minute FROM local_day_start(day + 1, zone) AT TIME ZONE 'UTC') = 0
$$;

-- Whether an hour can not be computed again: its raw readings were dropped, or some of those of its
-- local day were, where the day has to be read whole from raw readings.
CREATE FUNCTION is_hour_dropped(hour timestamptz, zone text, dropped_before timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT hour < dropped_before
        OR hour < dropped_before + interval '2 days'
            AND NOT is_day_of_whole_hours((hour AT TIME ZONE zone)::date, zone)
            AND local_day_start((hour AT TIME ZONE zone)::date, zone) < dropped_before
$$;

-- The first day of the billing month that a day belongs to. Billing days go up to 28.
CREATE FUNCTION billing_month(day date, billing_day integer) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT date_trunc('month', (day - (billing_day - 1))::timestamp)::date + (billing_day - 1)
$$;

CREATE FUNCTION next_billing_month(month date) RETURNS date
LANGUAGE sql IMMUTABLE AS $$ SELECT (month + interval '1 month')::date $$;
"""

DIRTY_HOURS = """\
-- Changes of the registry that change consumption note what must be computed again. What lies before
-- the raw horizon keeps its figures: there are no readings to compute it from.
CREATE FUNCTION note_device_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT hour, ARRAY[NEW.id]
    FROM (
        SELECT hour FROM hourly_aggregate WHERE device_id = NEW.id
        -- An hour that a refresh is writing for the first time is not seen yet; its note still is.
        UNION
        SELECT hour FROM dirty_hour WHERE NEW.id = ANY (device_ids)
    ) known
    WHERE hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity');
    RETURN NULL;
END $$;
CREATE TRIGGER device_consumption AFTER UPDATE OF measurement, register_modulus, interval_s
    ON device FOR EACH ROW
    WHEN ((OLD.measurement, OLD.register_modulus, OLD.interval_s)
        IS DISTINCT FROM (NEW.measurement, NEW.register_modulus, NEW.interval_s))
    EXECUTE FUNCTION note_device_hours();

CREATE FUNCTION note_replacement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO dirty_hour (hour, device_ids)
        VALUES (date_trunc('hour', OLD.at, 'UTC'), ARRAY[OLD.device_id]);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO dirty_hour (hour, device_ids)
        VALUES (date_trunc('hour', NEW.at, 'UTC'), ARRAY[NEW.device_id]);
    END IF;
    RETURN NULL;
END $$;
-- A restore loads the notes themselves.
CREATE TRIGGER replacement_noted AFTER INSERT OR UPDATE OR DELETE
    ON meter_replacement FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION note_replacement();
"""

CALENDARS = """\
-- An account's calendar is its time zone and its billing day: when they may change, and what follows.

-- It stays while one of the account's months is closed. The locks: nobody closes a month meanwhile, and
-- nobody drops readings between the look at the horizon and the insert.
CREATE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz;
    old_day date;
BEGIN
    LOCK TABLE closed_month IN SHARE MODE;
    LOCK TABLE dirty_account IN ROW EXCLUSIVE MODE;
    SELECT coalesce(max(dropped_before), '-infinity') INTO horizon FROM raw_horizon;
    IF EXISTS (SELECT FROM closed_month WHERE account_id = NEW.id) THEN
        RAISE check_violation USING CONSTRAINT = 'account_calendar_closed', MESSAGE = format(
            'account %s has closed months: its time zone and billing day stay; reopen them first',
            NEW.name);
    END IF;
    IF NEW.time_zone <> OLD.time_zone THEN
        SELECT min(day) INTO old_day FROM daily_aggregate WHERE account_id = NEW.id;
        IF EXISTS (
            SELECT FROM generate_series(old_day, (horizon AT TIME ZONE 'UTC')::date, '1 day') AS d
            WHERE isfinite(horizon) AND NOT is_day_of_whole_hours(d::date, NEW.time_zone)
        ) THEN
            RAISE check_violation USING CONSTRAINT = 'account_calendar_dropped', MESSAGE = format(
                'account %s has days whose readings were dropped: expected a time zone of whole '
                'hours, %s is none', NEW.name, NEW.time_zone);
        END IF;
    END IF;
    INSERT INTO dirty_account (account_id, cut_days)
    VALUES (NEW.id, NEW.time_zone <> OLD.time_zone);
    RETURN NULL;
END $$;
CREATE TRIGGER account_calendar AFTER UPDATE OF time_zone, billing_day
    ON account FOR EACH ROW
    WHEN (OLD.time_zone <> NEW.time_zone OR OLD.billing_day <> NEW.billing_day)
    EXECUTE FUNCTION change_calendar();

-- Months outlive the days that they were made of. Where days were dropped, an account's months cannot
-- be computed again, so its calendar stays. The lock: nobody drops days between the look at what was
-- dropped and the insert.
CREATE FUNCTION keep_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE dirty_account IN ROW EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM monthly_total m WHERE m.account_id = NEW.id AND m.month < (
            SELECT max(range_end) AT TIME ZONE 'UTC' FROM dropped_range
            WHERE relation = 'daily_aggregate')
    ) THEN
        RAISE check_violation USING CONSTRAINT = 'account_calendar_kept', MESSAGE = format(
            'account %s has months whose days were dropped: its time zone and billing day stay',
            NEW.name);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_calendar_kept BEFORE UPDATE OF time_zone, billing_day
    ON account FOR EACH ROW
    WHEN (OLD.time_zone <> NEW.time_zone OR OLD.billing_day <> NEW.billing_day)
    EXECUTE FUNCTION keep_calendar();

-- A zone that only Python knows (its data can be newer) would stop every refresh.
CREATE FUNCTION check_time_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM now() AT TIME ZONE NEW.time_zone;
    RETURN NEW;
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE check_violation USING CONSTRAINT = 'account_time_zone', MESSAGE = format(
        'account %s: the database server knows no time zone %s', NEW.name, NEW.time_zone);
END $$;
CREATE TRIGGER account_time_zone BEFORE INSERT OR UPDATE OF time_zone
    ON account FOR EACH ROW EXECUTE FUNCTION check_time_zone();
"""

MONTHLY_CONSUMPTION = """\
-- Consumption as it is billed: the closed total where the month is closed, else the live one.
-- `month_end` is the first day of the next billing month. A closed month whose readings all went to
-- another account has none, and a mean of 0.
CREATE VIEW monthly_consumption AS
SELECT m.device_id || '.' || m.month || '.' || m.account_id AS id,
    m.account_id, m.device_id, m.month, calendar.month_end,
    billed.total,
    billed.total / calendar.days_elapsed AS daily_mean,
    coalesce(m.reading_sum / nullif(m.readings_count, 0), 0) AS reading_mean,
    m.reading_sum, m.readings_count,
    least(1, m.intervals_seen / nullif(
        calendar.hours_elapsed * 3600 / coalesce(d.interval_s, 3600), 0)) AS coverage,
    m.first_register, m.last_register, m.minimum, m.maximum,
    CASE WHEN c.id IS NULL THEN 'open'
        WHEN coalesce(adjusted.difference, 0) <> 0 THEN 'adjusted'
        ELSE 'closed' END AS state
FROM monthly_total m
JOIN account a ON a.id = m.account_id
JOIN device d ON d.id = m.device_id
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
LEFT JOIN LATERAL (
    SELECT sum(difference) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND month = m.month AND account_id = m.account_id
      AND c.id IS NOT NULL
) adjusted ON true
CROSS JOIN LATERAL (
    SELECT next_billing_month(m.month) AS month_end,
        greatest(1, least(next_billing_month(m.month), (now() AT TIME ZONE a.time_zone)::date + 1)
            - m.month) AS days_elapsed,
        greatest(0, extract(epoch FROM
            least(now(), local_day_start(next_billing_month(m.month), a.time_zone))
            - local_day_start(m.month, a.time_zone)) / 3600) AS hours_elapsed
) calendar
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.total ELSE m.closed_total END AS total
) billed;
"""

LISTINGS = """\
-- What the admin lists: a text key in front of a pair, because Django's admin has no composite keys.
-- Filters on device, account and time reach the indexes and chunks through these views.
CREATE VIEW reading_listing AS
SELECT device_id || '.' || (extract(epoch FROM time) * 1000000)::bigint AS id,
    time, received_at, account_id, gateway_id, device_id, value, unit, raw
FROM reading;

CREATE VIEW hourly_listing AS
SELECT device_id || '.' || (extract(epoch FROM hour) * 1000000)::bigint AS id,
    device_id, account_id, hour, total, mean, minimum, maximum, first, last, readings_count
FROM hourly_aggregate;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_readings_and_aggregates")]
    replaces = [
        ("telemetry", "0003_listings"),
        ("telemetry", "0004_consumption"),
        ("telemetry", "0006_kept_devices"),
        ("telemetry", "0007_account_in_keys"),
    ]
    operations = [
        migrations.RunSQL(FLEET),
        migrations.RunSQL(REGISTRY_CHANGE),
        migrations.RunSQL(BATCHES),
        migrations.RunSQL(CONSUMPTION),
        migrations.RunSQL(DIRTY_HOURS),
        migrations.RunSQL(CALENDARS),
        migrations.RunSQL(MONTHLY_CONSUMPTION),
        migrations.RunSQL(LISTINGS),
    ]
