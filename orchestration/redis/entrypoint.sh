#!/bin/sh
# Starts Redis with the password of REDISCLI_AUTH, by which redis-cli knows it too. Redis reads it from its standard
# input: it stands on no command line and in no file.
set -eu
if [ -z "${REDISCLI_AUTH:-}" ]; then
    echo "error: the queue has no password: CLUSTER_REDIS_PASSWORD is missing, run make env" >&2
    exit 78
fi
exec redis-server /etc/redis/redis.conf - << END
requirepass "$REDISCLI_AUTH"
END
