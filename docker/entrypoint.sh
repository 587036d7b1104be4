#!/bin/sh
# What `docker run IMAGE …` runs: options and configuration files alone are redis-server's.
set -eu

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
    healthcheck)
        # Any answer will do: a server that loads its data, or asks for a password, is alive.
        port=${PYREDIS_PORT:-6379}
        answer=$(redis-cli -p "$port" ping 2>&1) || exit 1
        case "$answer" in
            PONG* | *NOAUTH* | *LOADING* | *MASTERDOWN* | *NOPERM*) exit 0 ;;
        esac
        echo "$answer"
        exit 1
        ;;
esac

# Files that hold data are nobody else's.
if [ "$(umask)" = 0022 ]; then
    umask 0077
fi

exec "$@"
