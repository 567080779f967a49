-- name: repair_closed_lines
-- A line of a closed month becomes again what closing wrote down; of one that was closed before lines were,
-- the total.
UPDATE closed_line l SET total = (f.expected ->> 'total')::numeric
FROM difference f
WHERE f.relation = 'closed_line' AND f.status = 'differs' AND l.device_id = f.device_id
  AND l.month = f.key::date AND l.account_id = f.account_id AND NOT f.expected ? 'device_id'

-- name: delete_wrong_lines
DELETE FROM closed_line l USING difference f
WHERE f.relation = 'closed_line' AND f.status = 'differs' AND l.device_id = f.device_id
  AND l.month = f.key::date AND l.account_id = f.account_id AND f.expected ? 'device_id'

-- name: insert_closed_lines
INSERT INTO closed_line OVERRIDING SYSTEM VALUE
SELECT line.* FROM difference f
CROSS JOIN LATERAL (
    SELECT e.lines -> f.device_id::text AS line FROM month_event e
    WHERE e.account_id = f.account_id AND e.month = f.key::date AND e.kind = 'closed'
    ORDER BY e.at DESC, e.id DESC LIMIT 1
) e
CROSS JOIN LATERAL jsonb_populate_record(NULL::closed_line, e.line) AS line
WHERE f.relation = 'closed_line' AND f.status = 'differs' AND f.expected ? 'device_id'

-- name: repair_closed_months
-- Closed months get back the closed total that closing wrote down, and the line that is missing for
-- the sum. What is left of closing on months that are not closed goes.
WITH broken AS (
    SELECT f.device_id, f.key::date AS month, f.account_id, m.total,
        coalesce((f.expected ->> 'closed_total')::numeric, m.closed_total, 0) AS closed_total,
        x.id IS NOT NULL AS is_closed,
        coalesce((f.actual ->> 'adjustments')::numeric, 0) AS adjustments
    FROM difference f
    LEFT JOIN monthly_total m ON m.device_id = f.device_id AND m.month = f.key::date
        AND m.account_id = f.account_id
    LEFT JOIN closed_month x ON x.account_id = f.account_id AND x.month = f.key::date
    WHERE f.relation = 'closed_month' AND f.status = 'differs'
), lines AS (
    INSERT INTO month_adjustment (account_id, device_id, month, difference, causes)
    SELECT account_id, device_id, month, coalesce(total, 0) - closed_total - adjustments, '{repair}'
    FROM broken
    WHERE is_closed AND coalesce(total, 0) - closed_total <> adjustments
), leftovers AS (
    DELETE FROM month_adjustment j USING broken b
    WHERE NOT b.is_closed AND j.device_id = b.device_id AND j.month = b.month
      AND j.account_id = b.account_id
)
UPDATE monthly_total m SET closed_total = CASE WHEN b.is_closed THEN b.closed_total END
FROM broken b
WHERE m.device_id = b.device_id AND m.month = b.month AND m.account_id = b.account_id
  AND (NOT b.is_closed OR m.total IS NOT NULL OR m.closed_total IS NOT NULL)
