-- Hours before the raw horizon, which cannot be computed from readings any more, and refused ones.
SELECT
    (SELECT count(*) FROM hourly_aggregate h
     WHERE h.hour < (SELECT max(dropped_before) FROM raw_horizon)
       AND h.device_id IN (SELECT id FROM device WHERE account_id = coalesce(%(account_id)s, account_id))),
    (SELECT count(*) FROM refused_hour h
     WHERE h.device_id IN (SELECT id FROM device WHERE account_id = coalesce(%(account_id)s, account_id)))
