-- Months outlive the days that they were made of. Where days were dropped, an account's months cannot
-- be cut again, so its calendar stays.
CREATE FUNCTION keep_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM monthly_total m WHERE m.account_id = NEW.id AND m.month < (
            SELECT max(range_end) AT TIME ZONE 'UTC' FROM dropped_range
            WHERE relation = 'daily_aggregate')
    ) THEN
        RAISE check_violation USING CONSTRAINT = 'account_calendar_kept', MESSAGE = format(
            'account %s has months whose days were dropped: its time zone and billing day stay',
            NEW.name);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_calendar_kept BEFORE UPDATE OF time_zone, billing_day
    ON account FOR EACH ROW
    WHEN (OLD.time_zone <> NEW.time_zone OR OLD.billing_day <> NEW.billing_day)
    EXECUTE FUNCTION keep_calendar();
