-- The oldest note of an account whose calendar changed, and its next devices: those that it has, and
-- those that it had. A newer note of the account that asks for as much makes an older one superfluous.
WITH superfluous AS (
    DELETE FROM dirty_account o
    WHERE EXISTS (SELECT FROM dirty_account n
                  WHERE n.account_id = o.account_id AND n.id > o.id AND n.cut_days >= o.cut_days)
    RETURNING id
), note AS (
    SELECT id, account_id, cut_days, cut_to FROM dirty_account
    WHERE id NOT IN (SELECT id FROM superfluous)
    ORDER BY id LIMIT 1
)
SELECT id, account_id, cut_days, ARRAY(
    SELECT device_id FROM (
        SELECT d.id AS device_id FROM device d WHERE d.account_id = note.account_id
        UNION
        SELECT m.device_id FROM monthly_total m WHERE m.account_id = note.account_id
    ) known
    WHERE device_id > note.cut_to ORDER BY device_id LIMIT %(devices)s
), (SELECT count(*) FROM superfluous)
FROM note
