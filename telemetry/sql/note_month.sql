-- That a month was closed or reopened, with what was billed by device at that moment.
INSERT INTO month_event (account_id, month, kind, at, by_id, note, figures)
VALUES (%(account_id)s, %(month)s, %(kind)s, %(now)s, %(user_id)s, %(note)s, (
    SELECT coalesce(jsonb_object_agg(m.device_id, jsonb_build_object(
        'closed_total', m.closed_total::text,
        'adjustments', (SELECT coalesce(sum(difference), 0)::text FROM month_adjustment j
                        WHERE j.device_id = m.device_id AND j.month = m.month
                          AND j.account_id = m.account_id)
    )), '{}')
    FROM monthly_total m WHERE m.account_id = %(account_id)s AND m.month = %(month)s
))
