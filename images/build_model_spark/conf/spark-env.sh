# Sourced by Spark's own scripts, in front of each of its programs.

# A container without a network does not find its own name.
case ${SPARK_MASTER:-local} in
    local*) export SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_HOSTNAME=localhost ;;
esac
