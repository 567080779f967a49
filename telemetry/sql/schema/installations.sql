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

-- Which stamps of a device name the beginning of an interval, in microseconds since 1970: those after
-- `since_us`, up to `until_us`. Ingestion moves them (telemetry/core/fleet_cache.py).
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

-- Readings are stored where their stamps lead: so which stamps a meter gives is told before its first
-- reading, and not changed, nor undone, after it. (A reading that came again would be another one.)
CREATE FUNCTION keep_stamps() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- What an installation changes is computed again: the hour that holds its instant, and, where another
-- one measured otherwise in its place, all hours until the instant of the next one. Hours before the
-- raw horizon keep their values: there are no readings to compute them from.
CREATE FUNCTION change_installation() RETURNS trigger LANGUAGE plpgsql AS $$
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
-- A restore loads the dirty hours themselves.
CREATE TRIGGER installation_changed AFTER INSERT OR UPDATE
    ON installation FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION change_installation();
