# Sourced by Spark's own scripts, in front of each of its programs.

# On one machine nothing of Spark listens to others.
case ${SPARK_MASTER:-local} in
    local*) export SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_HOSTNAME=localhost ;;
    # The application and the cluster show each other that they know it.
    *) if [ -n "${SPARK_AUTH_SECRET:-}" ]; then export _SPARK_AUTH_SECRET=$SPARK_AUTH_SECRET; fi ;;
esac
# Spark gives it to its file systems, as it does AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
if [ -n "${S3_ENDPOINT:-}" ]; then export AWS_ENDPOINT_URL=$S3_ENDPOINT; fi
