-- Dead letters of a simulated run by reason: every bad payload of it holds the run's mark.
SELECT reason, count(*)
FROM dead_letter
WHERE last_seen >= %(since)s AND position(%(mark)s::bytea IN payload) > 0
GROUP BY reason
