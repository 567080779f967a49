-- Run once, when the data folder is new, by the superuser that exists only inside the container.
-- The product's role owns its database and is no superuser.
\getenv password TDS_PASSWORD
CREATE ROLE tds LOGIN PASSWORD :'password';
ALTER DATABASE tds OWNER TO tds;
REVOKE CONNECT, TEMPORARY ON DATABASE tds FROM PUBLIC;
