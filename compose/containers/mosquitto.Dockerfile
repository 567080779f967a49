# The broker of the local stack: Debian's Mosquitto with our two plugins, compose/servers/keep_acknowledged.c
# and check_rights.c. They build on an interface that may change between versions, so the headers come with
# the broker, and another version than 2.1 ends the build.
ARG BROKER_IMAGE=debian:forky-slim

FROM ${BROKER_IMAGE} AS broker
RUN apt-get -q update \
    && apt-get -q -y install --no-install-recommends mosquitto mosquitto-clients \
    && rm -rf /var/lib/apt/lists/* \
    && dpkg-query --show --showformat '${Version}' mosquitto | grep '^2\.1\.' \
    && mkdir -p /usr/lib/tds /mosquitto/data \
    && ln -s "$(dpkg -L mosquitto | grep persist_sqlite.so)" /usr/lib/tds/persist_sqlite.so \
    && chown 1883:1883 /mosquitto/data

FROM broker AS plugins
RUN apt-get -q update \
    && apt-get -q -y install --no-install-recommends gcc libc6-dev mosquitto-dev libmosquitto-dev
COPY servers/keep_acknowledged.c servers/check_rights.c /tmp/
RUN for name in keep_acknowledged check_rights; do \
        cc -Wall -Werror -O2 -fPIC -shared "/tmp/$name.c" -o "/usr/lib/tds/$name.so" || exit 1; \
    done

FROM broker
COPY --from=plugins /usr/lib/tds /usr/lib/tds
USER 1883:1883
