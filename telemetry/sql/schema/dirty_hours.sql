-- Changes of the registry that change consumption mark hours dirty. Hours before the raw horizon keep
-- their values: there are no readings to compute them from.
CREATE FUNCTION mark_device_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT hour, ARRAY[NEW.id]
    FROM (
        SELECT hour FROM hourly_aggregate WHERE device_id = NEW.id
        UNION
        SELECT hour FROM hourly_consumption WHERE device_id = NEW.id
        -- An hour that a refresh is writing for the first time is not seen yet; its dirty row is.
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
    EXECUTE FUNCTION mark_device_dirty();

CREATE FUNCTION mark_replacement_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO dirty_hour (hour, device_ids)
        VALUES (date_trunc('hour', OLD.at - interval '1 microsecond', 'UTC'), ARRAY[OLD.device_id]);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO dirty_hour (hour, device_ids)
        VALUES (date_trunc('hour', NEW.at - interval '1 microsecond', 'UTC'), ARRAY[NEW.device_id]);
    END IF;
    RETURN NULL;
END $$;
-- A restore loads the dirty hours themselves.
CREATE TRIGGER replacement_dirty AFTER INSERT OR UPDATE OR DELETE
    ON meter_replacement FOR EACH ROW
    WHEN (current_setting('telemetry.is_restoring', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION mark_replacement_dirty();

-- Whether an account spreads gaps concerns the hours that long steps end in.
CREATE FUNCTION mark_gaps_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT c.hour, array_agg(c.device_id)
    FROM device d
    JOIN hourly_consumption c ON c.device_id = d.id
    WHERE d.account_id = NEW.id AND c.step_to - c.step_from > longest_step(d.interval_s)
      AND c.hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity')
    GROUP BY c.hour;
    RETURN NULL;
END $$;
CREATE TRIGGER account_gaps AFTER UPDATE OF spreads_gaps
    ON account FOR EACH ROW WHEN (OLD.spreads_gaps <> NEW.spreads_gaps)
    EXECUTE FUNCTION mark_gaps_dirty();
