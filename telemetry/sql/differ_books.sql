-- The books of months that begin within the billing month from %(month)s on. Where a month is closed,
-- the closed total is the one that closing wrote down, 0 for a device that came later, and with the
-- adjustments it comes to the live total. Elsewhere there is neither.
WITH lines AS (
    SELECT j.device_id, j.month, j.account_id, sum(j.difference) AS adjustments
    FROM month_adjustment j JOIN verified_account a ON a.id = j.account_id
    WHERE j.month >= %(month)s AND j.month < next_billing_month(%(month)s)
    GROUP BY j.device_id, j.month, j.account_id
), totals AS (
    SELECT m.* FROM monthly_total m JOIN verified_account a ON a.id = m.account_id
    WHERE m.month >= %(month)s AND m.month < next_billing_month(%(month)s)
), closings AS (
    SELECT DISTINCT ON (e.account_id, e.month) e.account_id, e.month, e.figures
    FROM month_event e JOIN closed_month x USING (account_id, month)
    WHERE e.month >= %(month)s AND e.month < next_billing_month(%(month)s) AND e.kind = 'closed'
    ORDER BY e.account_id, e.month, e.at DESC, e.id DESC
), billed AS (
    SELECT c.account_id, c.month, figure.key::bigint AS device_id,
        (figure.value ->> 'closed_total')::numeric AS closed_total
    FROM closings c CROSS JOIN LATERAL jsonb_each(c.figures) AS figure
), books AS (
    SELECT b.device_id, b.month, b.account_id, b.total, b.closed_total, b.adjustments, a.time_zone,
        x.id IS NOT NULL AS is_closed,
        CASE WHEN c.account_id IS NOT NULL THEN coalesce(b.figure, 0) END AS billed
    FROM (
        SELECT device_id, month, account_id, t.total, t.closed_total, l.adjustments,
            f.closed_total AS figure
        FROM totals t
        FULL JOIN lines l USING (device_id, month, account_id)
        FULL JOIN billed f USING (device_id, month, account_id)
    ) b
    JOIN verified_account a ON a.id = b.account_id
    LEFT JOIN closed_month x ON x.account_id = a.id AND x.month = b.month
    LEFT JOIN closings c ON c.account_id = a.id AND c.month = b.month
)
INSERT INTO difference (relation, device_id, place, starts_at, ends_at, since, account_id, stands,
    expected)
SELECT 'closed_month', device_id, month::text, local_day_start(month, time_zone),
    local_day_start(next_billing_month(month), time_zone), 'infinity', account_id,
    jsonb_build_object('closed_total', closed_total, 'adjustments', adjustments,
        'closed_total + adjustments', coalesce(closed_total, 0) + coalesce(adjustments, 0)),
    jsonb_build_object(
        'closed_total', CASE WHEN is_closed THEN coalesce(billed, closed_total) END,
        'adjustments', CASE WHEN is_closed
            THEN coalesce(total, 0) - coalesce(billed, closed_total, 0) END,
        'closed_total + adjustments', CASE WHEN is_closed THEN coalesce(total, 0) ELSE 0 END)
FROM books
WHERE CASE WHEN is_closed
    THEN coalesce(closed_total, 0) + coalesce(adjustments, 0) <> coalesce(total, 0)
        OR coalesce(closed_total, 0) <> coalesce(billed, closed_total, 0)
        OR closed_total IS NULL AND total IS NOT NULL
    ELSE closed_total IS NOT NULL OR adjustments IS NOT NULL END
