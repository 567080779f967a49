-- The key carries what aggregates and charts ask of a device's readings. Those lie in as many pages
-- of the table as there are readings, for they come minute by minute, and side by side in the key.
-- It costs 32 bytes a reading (tests/bench/README.md).
CREATE UNIQUE INDEX reading_key_covering ON reading (device_id, time)
    INCLUDE (value, account_id, received_at);
DROP INDEX reading_key;
ALTER INDEX reading_key_covering RENAME TO reading_key;
