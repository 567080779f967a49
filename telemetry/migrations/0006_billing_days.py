"""Billing days up to 31, and a change that takes effect with the first month that is not closed.

Months stay as they are: of billing days up to 28, the new functions answer what the old ones did.
"""

import django.core.validators
from django.db import migrations, models

FUNCTIONS = """\
-- The day of a day's calendar month on which a billing month begins: its last, if it has no such day.
CREATE FUNCTION begin_billing_month(day date, billing_day integer) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(
        date_trunc('month', day::timestamp) + (billing_day - 1) * interval '1 day',
        date_trunc('month', day::timestamp) + interval '1 month - 1 day'
    )::date
$$;

-- The billing day that applies on a day, from when and until when (null: always). `earlier` is
-- account.earlier_billing_days: [until, billing day], in order.
CREATE FUNCTION billing_rule(day date, billing_day integer, earlier jsonb,
    OUT since date, OUT until date, OUT begins_on integer)
LANGUAGE sql IMMUTABLE AS $$
    SELECT max(r.until) FILTER (WHERE r.until <= day), min(r.until) FILTER (WHERE r.until > day),
        coalesce((array_agg(r.begins_on ORDER BY r.until) FILTER (WHERE r.until > day))[1], billing_day)
    FROM (
        SELECT (rule ->> 0)::date AS until, (rule ->> 1)::integer AS begins_on
        FROM jsonb_array_elements(earlier) AS rule
    ) r
$$;

-- The first day of the billing month that a day belongs to.
CREATE FUNCTION billing_month(day date, billing_day integer, earlier jsonb) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN earlier = '[]' THEN
        CASE WHEN begin_billing_month(day, billing_day) <= day
            THEN begin_billing_month(day, billing_day)
            ELSE begin_billing_month((day - interval '1 month')::date, billing_day) END
    ELSE (
        SELECT greatest(r.since, billing_month(day, r.begins_on, '[]'))
        FROM billing_rule(day, billing_day, earlier) AS r
    ) END
$$;

-- The first day of the billing month after the one that begins on `month`.
CREATE FUNCTION next_billing_month(month date, billing_day integer, earlier jsonb) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN earlier = '[]' THEN
        CASE WHEN begin_billing_month(month, billing_day) > month
            THEN begin_billing_month(month, billing_day)
            ELSE begin_billing_month((month + interval '1 month')::date, billing_day) END
    ELSE (
        SELECT least(r.until, next_billing_month(month, r.begins_on, '[]'))
        FROM billing_rule(month, billing_day, earlier) AS r
    ) END
$$;
"""

VIEW = """\
-- Consumption as it is billed: the closed total where the month is closed, else the live one.
-- `month_end` is the first day of the next billing month. A closed month whose readings all went to
-- another account has none, and a mean of 0.
CREATE VIEW monthly_consumption AS
SELECT m.device_id || '.' || m.month || '.' || m.account_id AS id,
    m.account_id, m.device_id, m.month, calendar.month_end,
    billed.total,
    billed.total / calendar.days_elapsed AS daily_mean,
    coalesce(m.reading_sum / nullif(m.readings_count, 0), 0) AS reading_mean,
    m.reading_sum, m.readings_count,
    least(1, m.intervals_seen / nullif(
        calendar.hours_elapsed * 3600 / coalesce(d.interval_s, 3600), 0)) AS coverage,
    m.first_register, m.last_register, m.minimum, m.maximum,
    CASE WHEN c.id IS NULL THEN 'open'
        WHEN coalesce(adjusted.difference, 0) <> 0 THEN 'adjusted'
        ELSE 'closed' END AS state
FROM monthly_total m
JOIN account a ON a.id = m.account_id
JOIN device d ON d.id = m.device_id
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
LEFT JOIN LATERAL (
    SELECT sum(difference) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND month = m.month AND account_id = m.account_id
      AND c.id IS NOT NULL
) adjusted ON true
CROSS JOIN LATERAL (
    SELECT month_end,
        greatest(1, least(month_end, (now() AT TIME ZONE a.time_zone)::date + 1) - m.month)
            AS days_elapsed,
        greatest(0, extract(epoch FROM least(now(), local_day_start(month_end, a.time_zone))
            - local_day_start(m.month, a.time_zone)) / 3600) AS hours_elapsed
    FROM next_billing_month(m.month, a.billing_day, a.earlier_billing_days) AS month_end
) calendar
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.total ELSE m.closed_total END AS total
) billed;
"""

CALENDARS = """\
-- A new billing day takes effect with the first month after those that are closed: what applied before
-- is kept in earlier_billing_days, which only this function writes. Months outlive the days that
-- they were made of: where days were dropped, months that are not closed cannot be computed again,
-- so the calendar stays. The locks: nobody closes a month meanwhile, and nobody drops days between
-- the look at what was dropped and the insert of change_calendar.
CREATE FUNCTION keep_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_from date;  -- the first day after the months that are closed; null when none is
BEGIN
    NEW.earlier_billing_days := OLD.earlier_billing_days;
    IF (OLD.time_zone, OLD.billing_day) = (NEW.time_zone, NEW.billing_day) THEN
        RETURN NEW;
    END IF;
    LOCK TABLE closed_month IN SHARE MODE;
    LOCK TABLE dirty_account IN ROW EXCLUSIVE MODE;
    SELECT next_billing_month(max(month), OLD.billing_day, OLD.earlier_billing_days) INTO open_from
    FROM closed_month WHERE account_id = NEW.id;
    IF EXISTS (
        SELECT FROM monthly_total m
        WHERE m.account_id = NEW.id AND m.month >= coalesce(open_from, '-infinity') AND m.month < (
            SELECT max(range_end) AT TIME ZONE 'UTC' FROM dropped_range
            WHERE relation = 'daily_aggregate')
    ) THEN
        RAISE check_violation USING CONSTRAINT = 'account_calendar_kept', MESSAGE = format(
            'account %s has months whose days were dropped: its time zone and billing day stay',
            NEW.name);
    END IF;
    IF OLD.billing_day <> NEW.billing_day THEN
        NEW.earlier_billing_days := (
            SELECT coalesce(jsonb_agg(rule ORDER BY until), '[]')
            FROM (
                SELECT rule, (rule ->> 0)::date AS until
                FROM jsonb_array_elements(OLD.earlier_billing_days) AS rule
                WHERE (rule ->> 0)::date < open_from
                UNION ALL
                SELECT jsonb_build_array(open_from, r.begins_on), open_from
                FROM billing_rule(open_from - 1, OLD.billing_day, OLD.earlier_billing_days) AS r
                WHERE open_from IS NOT NULL
            ) rules
        );
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_calendar_kept BEFORE UPDATE
    ON account FOR EACH ROW EXECUTE FUNCTION keep_calendar();

-- The time zone stays while one of the account's months is closed. What a new calendar changes is
-- computed again.
CREATE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz;
    old_day date;
BEGIN
    SELECT coalesce(max(dropped_before), '-infinity') INTO horizon FROM raw_horizon;
    IF NEW.time_zone <> OLD.time_zone THEN
        IF EXISTS (SELECT FROM closed_month WHERE account_id = NEW.id) THEN
            RAISE check_violation USING CONSTRAINT = 'account_calendar_closed', MESSAGE = format(
                'account %s has closed months: its time zone stays; reopen them first', NEW.name);
        END IF;
        SELECT min(day) INTO old_day FROM daily_aggregate WHERE account_id = NEW.id;
        IF EXISTS (
            SELECT FROM generate_series(old_day, (horizon AT TIME ZONE 'UTC')::date, '1 day') AS d
            WHERE isfinite(horizon) AND NOT is_day_of_whole_hours(d::date, NEW.time_zone)
        ) THEN
            RAISE check_violation USING CONSTRAINT = 'account_calendar_dropped', MESSAGE = format(
                'account %s has days whose readings were dropped: expected a time zone of whole '
                'hours, %s is none', NEW.name, NEW.time_zone);
        END IF;
    END IF;
    INSERT INTO dirty_account (account_id, new_days)
    VALUES (NEW.id, NEW.time_zone <> OLD.time_zone);
    RETURN NULL;
END $$;
CREATE TRIGGER account_calendar AFTER UPDATE OF time_zone, billing_day
    ON account FOR EACH ROW
    WHEN (OLD.time_zone <> NEW.time_zone OR OLD.billing_day <> NEW.billing_day)
    EXECUTE FUNCTION change_calendar();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0005_borders")]
    operations = [
        migrations.AddField(
            "Account",
            "earlier_billing_days",
            models.JSONField(
                db_default=[], default=list, editable=False, verbose_name="earlier billing days"
            ),
        ),
        migrations.AlterField(
            "Account",
            "billing_day",
            models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="Day on which a billing month begins, 1 to 31 (closing day 14: 15); in a "
                "month without that day, its last day. A change takes effect with the first month "
                "after those that are closed.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(31),
                ],
                verbose_name="billing day",
            ),
        ),
        migrations.RemoveConstraint("Account", "account_billing_day"),
        migrations.AddConstraint(
            "Account",
            models.CheckConstraint(
                condition=models.Q(billing_day__range=(1, 31)), name="account_billing_day"
            ),
        ),
        migrations.RunSQL("DROP VIEW monthly_consumption"),
        migrations.RunSQL(
            "DROP FUNCTION next_billing_month(date); DROP FUNCTION billing_month(date, integer)"
        ),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(VIEW),
        migrations.RunSQL(
            "DROP TRIGGER account_calendar ON account; DROP TRIGGER account_calendar_kept ON account;"
            "DROP FUNCTION change_calendar(); DROP FUNCTION keep_calendar()"
        ),
        migrations.RunSQL(CALENDARS),
    ]
