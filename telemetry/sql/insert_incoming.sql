-- The way for batches with keys that are stored already. Sorted, so that two workers never wait
-- for each other in opposite orders.
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit, raw)
SELECT time, received_at, account_id, gateway_id, device_id, value, unit, raw
FROM reading_incoming ORDER BY device_id, time
ON CONFLICT (device_id, time) DO NOTHING
RETURNING device_id, time
