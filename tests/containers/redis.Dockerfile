# Stands in for redis:*-alpine where only Debian's packages are at hand.
ARG SERVERS
FROM ${SERVERS}
RUN mkdir -p /data && chown redis:redis /data
