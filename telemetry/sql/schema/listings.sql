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
