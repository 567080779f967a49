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

-- From when on it is whose: what comes later is the account's of its own time.
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
CREATE TRIGGER assignment_followed AFTER INSERT OR UPDATE OR DELETE
    ON assignment FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION follow_assignment();

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
