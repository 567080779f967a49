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

-- An account's calendar stands while one of its months is closed. LOCK: nobody closes one meanwhile.
CREATE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz := coalesce((SELECT dropped_before FROM raw_horizon), '-infinity');
    old_day date;
BEGIN
    LOCK TABLE closed_month IN SHARE MODE;
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

-- What stands when this is installed: days of every account, hours of cumulative devices.
INSERT INTO dirty_account (account_id, cut_days) SELECT id, true FROM account;
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, array_agg(device_id ORDER BY device_id) FROM hourly_aggregate
WHERE device_id IN (SELECT id FROM device WHERE measurement = 'cumulative')
GROUP BY hour;
