-- Run once, when the data folder is new, by the superuser that exists only inside the container.
\getenv owner TDS_OWNER_PASSWORD
\getenv ingest TDS_INGEST_PASSWORD
\getenv maintenance TDS_MAINTENANCE_PASSWORD
\getenv beat TDS_BEAT_PASSWORD
\getenv web TDS_WEB_PASSWORD
\ir /etc/tds/roles.sql
ALTER DATABASE tds OWNER TO tds;
