-- name: whole_hours_together
-- What some devices consumed together in UTC hours that lie in one span each, by the steps that end in
-- them; without gaps.
SELECT p.label, sum(c.consumption - CASE WHEN c.is_gap THEN c.step ELSE 0 END)
FROM hourly_consumption c
JOIN unnest(%(hours)s::timestamptz[], %(labels)s::text[]) AS p (hour, label) ON p.hour = c.hour
WHERE c.device_id = ANY(%(devices)s::bigint[]) AND c.account_id = %(account)s
  AND c.hour >= %(since)s AND c.hour < %(until)s
GROUP BY p.label
