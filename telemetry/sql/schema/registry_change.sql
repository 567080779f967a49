-- Changes of the fleet, which the workers read every few seconds. The transaction's id tells a worker
-- which rows it cannot have seen yet; see changed_gateways in store/ingest/fleet_cache.sql.
CREATE TABLE registry_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway_id bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX registry_change_xid ON registry_change (xid);

CREATE FUNCTION record_gateway_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_change (gateway_id)
    VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END);
    RETURN NULL;
END $$;
-- Not for is_online and last_seen, which the workers write all the time.
CREATE TRIGGER gateway_change AFTER INSERT OR DELETE OR UPDATE OF account_id, mac, is_active
    ON gateway FOR EACH ROW EXECUTE FUNCTION record_gateway_change();

CREATE FUNCTION record_device_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO registry_change (gateway_id) VALUES (OLD.gateway_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO registry_change (gateway_id) VALUES (NEW.gateway_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER device_change AFTER INSERT OR DELETE OR UPDATE
    ON device FOR EACH ROW EXECUTE FUNCTION record_device_change();

CREATE FUNCTION record_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_change (gateway_id) SELECT id FROM gateway WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER account_change AFTER UPDATE OF is_active
    ON account FOR EACH ROW EXECUTE FUNCTION record_account_change();
