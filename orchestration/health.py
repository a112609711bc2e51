"""Health check of a part of Airflow: `health.py metadatabase|scheduler|dag_processor`.

Asks the API server, which knows the heartbeat of every part. Exits 1 unless the part is healthy.
"""

import json
import sys
from urllib.request import urlopen

URL = "http://airflow-apiserver:8080/api/v2/monitor/health"

if __name__ == "__main__":
    with urlopen(URL, timeout=5) as answer:
        status = json.load(answer)[sys.argv[1]]["status"]
    sys.exit(status != "healthy")
