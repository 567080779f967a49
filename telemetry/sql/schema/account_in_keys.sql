-- Days and months are an account's: a device that changed accounts has rows of both. What was computed
-- of such devices is noted, to be computed again.
ALTER TABLE daily_aggregate DROP CONSTRAINT daily_aggregate_pkey,
    ADD PRIMARY KEY (device_id, day, account_id);
ALTER TABLE monthly_total DROP CONSTRAINT monthly_total_pkey,
    ADD PRIMARY KEY (device_id, month, account_id);

-- How far an account's days have been cut again: devices by id.
ALTER TABLE dirty_account ADD COLUMN cut_to bigint NOT NULL DEFAULT 0;

INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, array_agg(device_id ORDER BY device_id) FROM hourly_aggregate
WHERE hour >= coalesce((SELECT max(dropped_before) FROM raw_horizon), '-infinity')
  AND device_id IN (
    SELECT h.device_id FROM hourly_aggregate h JOIN device d ON d.id = h.device_id
    WHERE h.account_id <> d.account_id)
GROUP BY hour;
