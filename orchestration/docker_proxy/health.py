"""Health check of docker-proxy: whether the Docker engine answers through it.

It is run by the engine, so the engine is up. Where the proxy can't reach it all the same, the
socket is that of an engine which is gone: one that was restarted and kept its containers
(live-restore) listens at a new file, while the mount still is the old one. Then the proxy is told
to end; the engine starts it again, and mounts the new one.

It runs all day: without Python's own HTTP client, whose import takes longer than the rest.
"""

import os
import signal
import socket
import sys

if __name__ == "__main__":
    with socket.create_connection(("127.0.0.1", 2375), timeout=5) as connection:
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as answer:
            status = answer.readline().split()[1]
    if status == b"503":
        os.kill(1, signal.SIGUSR1)
    sys.exit(status != b"200")
