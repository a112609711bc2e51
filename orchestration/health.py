"""Health check of a part of Airflow: `health.py metadatabase|scheduler|dag_processor`.

Asks the API server, which knows the heartbeat of every part. Exits 1 unless the part is healthy.
It runs all day, every few seconds: to import Python's own HTTP client would take three times as
long as all of this takes.
"""

import json
import socket
import sys

SERVER = ("airflow-apiserver", 8080)
QUESTION = b"GET /api/v2/monitor/health HTTP/1.0\r\nHost: airflow-apiserver\r\n\r\n"

if __name__ == "__main__":
    with socket.create_connection(SERVER, timeout=5) as connection:
        connection.sendall(QUESTION)
        with connection.makefile("rb") as answer:
            _, _, body = answer.read().partition(b"\r\n\r\n")
    sys.exit(json.loads(body)[sys.argv[1]]["status"] != "healthy")
