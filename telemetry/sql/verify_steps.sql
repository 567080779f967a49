-- Readings from %(start)s to %(end)s with what was consumed since the one before, in the order of
-- time over the whole device. The rules are written out a second time here, on purpose: what proves
-- the refresh must not call it.
WITH steps AS (
    SELECT r.device_id, r.account_id, r.received_at, r.time, r.value, d.measurement, d.modulus, d.interval_s,
        d.is_replaced,
        coalesce(lag(r.value) OVER by_time, b.value) AS before,
        coalesce(lag(r.time) OVER by_time, b.time) AS before_at
    FROM reading r
    JOIN verified_device d ON d.id = r.device_id
    LEFT JOIN value_before b ON b.device_id = r.device_id
    WHERE r.time >= %(start)s AND r.time < %(end)s
    WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
), shifted AS (
    SELECT *, CASE WHEN is_replaced THEN (
        SELECT sum(p.old_value) - sum(p.new_value) FROM meter_replacement p
        WHERE p.device_id = steps.device_id AND p.at > steps.before_at AND p.at <= steps.time
    ) END AS shift
    FROM steps
), counted AS (
    SELECT *, CASE measurement
        WHEN 'delta' THEN value
        WHEN 'cumulative' THEN CASE
            WHEN before IS NULL THEN 0
            WHEN shift IS NOT NULL THEN value - before + shift
            WHEN value >= least(before, before * 0.9) THEN value - before
            ELSE value + coalesce(modulus - before, 0)
        END
    END AS consumed
    FROM shifted
)
