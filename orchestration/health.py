"""Health check of a part of Airflow: `health.py metadatabase|scheduler|dag_processor|worker`.

Asks the API server, which knows the heartbeat of every part; after a second word, `tls`, the one
for workers, in this very container. A worker is healthy while it holds a connection to the queue,
and the program beside it, which asks the API and the engine every minute, has had answers lately.

Exits 1 unless the part is healthy. It runs all day, every few seconds: to import Python's own HTTP
client would take three times as long as all of this takes.
"""

import json
import os
import socket
import sys
import time

SERVER = ("airflow-apiserver", 8080)
TLS_SERVER = ("localhost", 8443)
QUESTION = b"GET /api/v2/monitor/health HTTP/1.0\r\nHost: airflow-apiserver\r\n\r\n"
# Touched by sweep.py after each of its rounds.
SWEPT = "/tmp/swept"
LATELY_SECONDS = 200

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        queue = os.environ["AIRFLOW__CELERY__BROKER_URL"].rpartition(":")[2].partition("/")[0]
        with open("/proc/net/tcp") as file:
            sockets = [line.split() for line in file]
        connected = any(s[2].endswith(f":{int(queue):04X}") and s[3] == "01" for s in sockets)
        sys.exit(not connected or time.time() - os.stat(SWEPT).st_mtime > LATELY_SECONDS)
    tls = sys.argv[2:] == ["tls"]
    with socket.create_connection(TLS_SERVER if tls else SERVER, timeout=5) as connection:
        if tls:
            import ssl

            context = ssl.create_default_context(cafile="/tls/ca.crt")
            connection = context.wrap_socket(connection, server_hostname=TLS_SERVER[0])
        connection.sendall(QUESTION)
        with connection.makefile("rb") as answer:
            _, _, body = answer.read().partition(b"\r\n\r\n")
    sys.exit(json.loads(body)[sys.argv[1]]["status"] != "healthy")
