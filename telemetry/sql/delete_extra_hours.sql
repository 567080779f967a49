-- The same for hours (Apache edition).
DELETE FROM hourly_aggregate h USING difference f
WHERE f.relation = 'hourly_aggregate' AND f.verdict = 'differs' AND f.expected IS NULL
  AND h.device_id = f.device_id AND h.hour = f.starts_at
