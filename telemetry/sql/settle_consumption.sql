-- The consumption of touched hours: the step from the last reading before, and what lies within.
UPDATE hourly_consumption c
SET consumption = c.within + register_increment(t.modulus, before.last, c.first,
    CASE WHEN t.has_replacements
        THEN replaced_between(c.device_id, before.last_at, c.first_at) END)
FROM touched_hour t
LEFT JOIN LATERAL (
    SELECT b.last, b.last_at FROM hourly_consumption b
    WHERE b.device_id = t.device_id AND b.hour < t.hour
    ORDER BY b.hour DESC LIMIT 1
) before ON true
WHERE c.device_id = t.device_id AND c.hour = t.hour AND t.measurement = 'cumulative'
