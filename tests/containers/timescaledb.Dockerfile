# Stands in for timescale/timescaledb where only Debian's packages are at hand: its folders, variables
# and start, with the Apache edition.
ARG SERVERS
FROM ${SERVERS}
ENV PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin PGDATA=/var/lib/postgresql/data
RUN mkdir -p /docker-entrypoint-initdb.d
COPY timescaledb.sh /usr/local/bin/
ENTRYPOINT ["/bin/sh", "/usr/local/bin/timescaledb.sh"]
