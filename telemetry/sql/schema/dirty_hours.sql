-- Whether an account spreads gaps concerns the hours that long steps end in.
CREATE FUNCTION mark_gaps_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER account_gaps AFTER UPDATE OF spreads_gaps
    ON account FOR EACH ROW WHEN (OLD.spreads_gaps <> NEW.spreads_gaps)
    EXECUTE FUNCTION mark_gaps_dirty();
