-- A device with readings or with months is kept: months outlive readings, and are billed.
CREATE OR REPLACE FUNCTION keep_device_with_readings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM monthly_total WHERE device_id = OLD.id)
        OR EXISTS (SELECT FROM reading WHERE device_id = OLD.id)
    THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            'device %s (code %s) has readings: deactivate it instead of deleting it',
            OLD.id, OLD.code);
    END IF;
    RETURN OLD;
END $$;
