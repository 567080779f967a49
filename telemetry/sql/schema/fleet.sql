-- What holds for gateways and devices beside Django's models.

-- Presence is written all the time: room on the page keeps those updates in place.
ALTER TABLE gateway SET (fillfactor = 70);

-- A device belongs to its gateway's account, whoever writes.
CREATE FUNCTION set_device_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT account_id INTO NEW.account_id FROM gateway WHERE id = NEW.gateway_id;
    RETURN NEW;
END $$;
CREATE TRIGGER device_account BEFORE INSERT OR UPDATE OF gateway_id, account_id
    ON device FOR EACH ROW EXECUTE FUNCTION set_device_account();

CREATE FUNCTION move_devices_with_gateway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET account_id = NEW.account_id WHERE gateway_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER gateway_account AFTER UPDATE OF account_id
    ON gateway FOR EACH ROW WHEN (OLD.account_id <> NEW.account_id)
    EXECUTE FUNCTION move_devices_with_gateway();

-- A device with readings or with months is kept. Readings carry no foreign key, so this stands in
-- for one; months outlive readings, and are billed.
CREATE FUNCTION keep_device_with_readings() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER device_kept BEFORE DELETE
    ON device FOR EACH ROW EXECUTE FUNCTION keep_device_with_readings();
