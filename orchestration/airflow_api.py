"""Airflow's REST API, as the programs in Airflow's image ask it."""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from typing import Any

API = os.environ.get("AIRFLOW_API", "http://airflow-apiserver:8080")
# The file of the authority whose certificate an https address has; none means the system's.
CA = os.environ.get("AIRFLOW_API_CA")


class Airflow:
    """Airflow's REST API, logged in."""

    def __init__(self, user: str, password: str) -> None:
        self.token = ""
        self.tls = ssl.create_default_context(cafile=CA)
        credentials = {"username": user, "password": password}
        self.token = self.call("POST", "/auth/token", credentials)["access_token"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer to a call; an error answer is a urllib.error.HTTPError."""
        request = urllib.request.Request(API + path, method=method)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30, context=self.tls) as response:
            return json.load(response)
