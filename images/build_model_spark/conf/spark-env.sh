# Sourced by Spark's own scripts, in front of each of its programs.

if [[ ${SPARK_MASTER:-local} == local* ]]; then
    # On one machine nothing of Spark listens to others.
    export SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_HOSTNAME=localhost
elif [ -n "${SPARK_AUTH_SECRET:-}" ]; then
    # The application and the cluster show each other that they know it: in a file, as every user of the host reads
    # the command lines of all processes.
    own=/tmp/spark-conf
    (umask 077 && mkdir -p "$own" && cp "$SPARK_CONF_DIR"/* "$own" &&
        printf 'spark.authenticate.secret %s\n' "$SPARK_AUTH_SECRET" >> "$own/spark-defaults.conf")
    export SPARK_CONF_DIR=$own _SPARK_AUTH_SECRET=$SPARK_AUTH_SECRET
fi
# Spark gives it to its file systems, as it does AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
if [ -n "${S3_ENDPOINT:-}" ]; then export AWS_ENDPOINT_URL=$S3_ENDPOINT; fi
