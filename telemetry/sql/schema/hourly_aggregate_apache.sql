-- Apache edition: a table, of which refresh_hourly (store/aggregates/hours.sql) computes the affected hours again.
-- `last_at`: of the last reading; null where an older release computed the hour.
CREATE TABLE hourly_aggregate (
    device_id bigint NOT NULL,
    account_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    total numeric NOT NULL,
    mean numeric NOT NULL,
    minimum numeric(15, 4) NOT NULL,
    maximum numeric(15, 4) NOT NULL,
    first numeric(15, 4) NOT NULL,
    last numeric(15, 4) NOT NULL,
    last_at timestamptz,
    readings_count bigint NOT NULL,
    PRIMARY KEY (device_id, hour)
);
