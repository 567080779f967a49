# The broker with our two plugins: compose/servers/keep_acknowledged.c and check_rights.c. They build on an
# interface that may change between versions, so the headers are those of the image's own version.
ARG BROKER_IMAGE=eclipse-mosquitto:2.1.2-alpine

FROM ${BROKER_IMAGE} AS plugins
USER root
ENV SOURCE=mosquitto-2.1.2.tar.gz \
    SHA256=fd905380691ac65ea5a93779e8214941829e3d6e038d5edff9eac5fd74cbed02
RUN apk --no-cache add build-base \
    && wget -O "/tmp/$SOURCE" "https://mosquitto.org/files/source/$SOURCE" \
    && echo "$SHA256  /tmp/$SOURCE" | sha256sum -c - \
    && mkdir /tmp/mosquitto /usr/lib/tds \
    && tar --strip=1 -xf "/tmp/$SOURCE" -C /tmp/mosquitto
COPY servers/keep_acknowledged.c servers/check_rights.c /tmp/
RUN for name in keep_acknowledged check_rights; do \
        cc -Wall -O2 -fPIC -shared -I/tmp/mosquitto/include "/tmp/$name.c" -o "/usr/lib/tds/$name.so" || exit 1; \
    done

FROM ${BROKER_IMAGE}
COPY --from=plugins /usr/lib/tds /usr/lib/tds
