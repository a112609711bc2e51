"""A small HTTP/1.1 client: it costs little, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 10.0
NO_ANSWER = 0


@dataclass(frozen=True)
class Request:
    """A request; ``kind`` names the group that its latency is counted in."""

    kind: str
    target: str
    body: object = None

    def head(self, host: str, headers: dict[str, str]) -> bytes:
        """Return the request's bytes; a body is sent as JSON with POST."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{'POST' if body else 'GET'} {self.target} HTTP/1.1", f"Host: {host}"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` is 0 where nothing did within the limit of time."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client:
    """Connections to one server on this machine. Each carries one request at a time."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port
        self.idle: list[Connection] = []

    async def ask(self, request: Request, headers: dict[str, str] | None = None) -> Answer:
        """Return the answer to a request; it never raises."""
        head = request.head(f"{self.host}:{self.port}", headers or {})
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self.exchange(head)
        except (OSError, EOFError, KeyError, ValueError, asyncio.LimitOverrunError):
            return Answer(NO_ANSWER)

    async def exchange(self, head: bytes) -> Answer:
        """Send a request on a connection that is idle, or on a new one, and read the answer."""
        while self.idle:
            connection = self.idle.pop()
            try:
                return await self.use(connection, head)
            except (ConnectionError, EOFError):
                continue  # the server had closed it meanwhile: as browsers do, try another
        return await self.use(await connect(self.host, self.port), head)

    async def use(self, connection: Connection, head: bytes) -> Answer:
        """Send a request on a connection, and keep that for the next one if the server does."""
        reusable = False
        try:
            connection.writer.write(head)
            answer = await read_answer(connection.reader)
            reusable = answer.headers.get("connection", "").lower() != "close"
            return answer
        finally:
            if reusable:
                self.idle.append(connection)
            else:
                connection.writer.close()

    def close(self) -> None:
        """Close the connections that are idle."""
        for connection in self.idle:
            connection.writer.close()
        self.idle.clear()


@dataclass(frozen=True)
class Connection:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def connect(host: str, port: int) -> Connection:
    """Open a connection."""
    return Connection(*await asyncio.open_connection(host, port))


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer; EOFError where the server closes before it is whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    status = int(first.split(" ", 2)[1])
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if status in (204, 304):
        return Answer(status, headers)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, await read_chunks(reader))
    return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a body that comes in chunks."""
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)
