-- An account's calendar is its time zone and its billing day: when they may change, and what follows.

-- The first day after an account's closed months; -infinity when none is closed.
CREATE FUNCTION first_open_day(account bigint) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT coalesce(next_billing_month(max(c.month), a.billing_day, a.earlier_billing_days), '-infinity')
    FROM account a LEFT JOIN closed_month c ON c.account_id = a.id
    WHERE a.id = account
    GROUP BY a.id
$$;

-- A new billing day or time zone takes effect with the first month after those that are closed: what
-- applied before is kept in earlier_billing_days and in zones, which only this function writes (zones:
-- the time zone of now, then `first day=zone` for each of before, which applies until that day). Months
-- outlive the days that they were made of: where days were dropped, months that are not closed cannot
-- be computed again, so the calendar stays. The locks: nobody closes a month meanwhile, and nobody drops days between
-- the look at what was dropped and the insert of change_calendar.
CREATE FUNCTION keep_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_from date;  -- the first day after the months that are closed; null when none is
BEGIN
    NEW.earlier_billing_days := OLD.earlier_billing_days;
    NEW.zones := OLD.zones;
    IF (OLD.time_zone, OLD.billing_day) = (NEW.time_zone, NEW.billing_day) THEN
        RETURN NEW;
    END IF;
    LOCK TABLE closed_month IN SHARE MODE;
    LOCK TABLE dirty_account IN ROW EXCLUSIVE MODE;
    open_from := nullif(first_open_day(NEW.id), '-infinity');
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
    IF OLD.time_zone <> NEW.time_zone THEN
        SELECT concat_ws(' ', NEW.time_zone, string_agg(rule, ' ' ORDER BY rule)) INTO NEW.zones
        FROM (
            SELECT rule FROM unnest((string_to_array(OLD.zones, ' '))[2:]) AS rule
            WHERE split_part(rule, '=', 1)::date < open_from
            UNION ALL
            SELECT to_char(open_from, 'YYYY-MM-DD') || '=' || zone_on(open_from - 1, OLD.zones)
            WHERE zone_on(open_from - 1, OLD.zones) <> NEW.time_zone
        ) rules;
        IF local_day_start(open_from + 1, NEW.zones) <= local_day_start(open_from, NEW.zones) THEN
            RAISE check_violation USING CONSTRAINT = 'account_calendar_border', MESSAGE = format(
                'account %s: in %s the day %s would be over before it begins, as the months before it '
                'are closed in %s: choose a time zone that is less far away',
                NEW.name, NEW.time_zone, open_from, zone_on(open_from - 1, OLD.zones));
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_calendar_kept BEFORE UPDATE
    ON account FOR EACH ROW EXECUTE FUNCTION keep_calendar();

CREATE FUNCTION begin_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.zones := NEW.time_zone;
    RETURN NEW;
END $$;
CREATE TRIGGER account_calendar_begun BEFORE INSERT
    ON account FOR EACH ROW WHEN (NEW.zones = '') EXECUTE FUNCTION begin_calendar();

-- What a new calendar changes is computed again: nothing before the first day that it applies to.
CREATE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz;
    old_day date;
BEGIN
    SELECT coalesce(max(dropped_before), '-infinity') INTO horizon FROM raw_horizon;
    IF NEW.time_zone <> OLD.time_zone THEN
        SELECT min(first.day) INTO old_day
        FROM first_open_day(NEW.id) AS open (day)
        CROSS JOIN (SELECT DISTINCT device_id FROM monthly_total WHERE account_id = NEW.id) own
        CROSS JOIN LATERAL (
            SELECT g.day FROM daily_aggregate g
            WHERE g.device_id = own.device_id AND g.account_id = NEW.id AND g.day >= open.day
            ORDER BY g.day LIMIT 1
        ) first;
        IF EXISTS (
            SELECT FROM generate_series(old_day, (horizon AT TIME ZONE 'UTC')::date, '1 day') AS d
            WHERE isfinite(horizon) AND NOT is_day_of_whole_hours(d::date, NEW.zones)
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

-- A zone that only Python knows (its data can be newer) would stop every refresh.
CREATE FUNCTION check_time_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM now() AT TIME ZONE NEW.time_zone;
    RETURN NEW;
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE check_violation USING CONSTRAINT = 'account_time_zone', MESSAGE = format(
        'account %s: the database server knows no time zone %s', NEW.name, NEW.time_zone);
END $$;
CREATE TRIGGER account_time_zone BEFORE INSERT OR UPDATE OF time_zone
    ON account FOR EACH ROW EXECUTE FUNCTION check_time_zone();
