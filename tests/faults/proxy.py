"""A TCP proxy between smalls and its server that counts the statements, and does harm at one of them.

It reads the framing of both protocols and no more: PostgreSQL's messages
(https://www.postgresql.org/docs/current/protocol-message-formats.html) and MySQL's packets
(https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html). All else passes as it is.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tests.databases import Database
from tests.servers import Server

MOMENTS = ("before", "sent", "replied")
_QUERY = {"postgres": b"Q", "mysql": b"\x03"}
_PLAIN = {"postgres": "sslmode=disable", "mysql": "ssl_disabled=true"}
_READY = b"Z"
_REQUEST_CODES = range(80877102, 80877105)  # cancel, TLS and GSSAPI, each sent without a type


@dataclass(frozen=True)
class Fault:
    """What is done at a statement: before it is sent, after that, or after its reply came back."""

    at: int
    moment: str
    act: Callable[["Link"], None]


class Proxy:
    """Listens on a port of its own, and passes everything on to a server."""

    def __init__(self, server: Server, family: str) -> None:
        self.server, self.family = server, family
        self.sent: list[str] = []
        self.struck = False
        self.stalled = threading.Event()
        self._lifted = threading.Event()
        self._fault: Fault | None = None
        self._mutex = threading.Lock()
        self._links: set[Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.lift()

    def url(self, database: Database) -> str:
        """Give the database's URL by way of this proxy, which cannot count what is encrypted."""
        url = database.url.replace(f":{self.server.port}/", f":{self._listener.getsockname()[1]}/")
        return f"{url}?{_PLAIN[self.family]}"

    def arm(self, fault: Fault | None = None) -> None:
        """Count from nothing, and do this harm once."""
        with self._mutex:
            self.sent, self._fault, self.struck = [], fault, False

    def cut(self, link: "Link | None" = None) -> None:
        """Reset one connection, or all."""
        for each in [link] if link else list(self._links):
            each.reset()

    def stall(self) -> None:
        """Pass nothing on any more, in either direction; nobody is told."""
        self._lifted.clear()
        self.stalled.set()

    def lift(self) -> None:
        """End a stall: both sides hear that the connections are gone."""
        self.stalled.clear()
        self._lifted.set()
        self.cut()

    def wait_while_stalled(self) -> None:
        """Wait for the end of a stall."""
        if self.stalled.is_set():
            self._lifted.wait()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                link = Link(self, client)
                self._links.add(link)
                threading.Thread(target=link.run, daemon=True).start()

    def gone(self, link: "Link") -> None:
        """Forget a connection."""
        self._links.discard(link)

    def fault_at(self, sql: str) -> Fault | None:
        """Count a statement, and give the harm that is due at it."""
        with self._mutex:
            self.sent.append(sql)
            due = self._fault and self._fault.at == len(self.sent) - 1
            self.struck = self.struck or bool(due)
            return self._fault if due else None


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = socket.socket()
        self._started = False  # PostgreSQL: past the one message that has no type
        self._up, self._down = b"", b""
        self._awaited: Fault | None = None

    def run(self) -> None:
        """Pass on until one side is gone."""
        with contextlib.suppress(OSError, ValueError):
            self._server.connect((self._proxy.server.host, self._proxy.server.port))
            for each in (self._client, self._server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._pass_on():
                pass
        self._proxy.wait_while_stalled()
        self._client.close()
        self._server.close()
        self._proxy.gone(self)

    def reset(self) -> None:
        """End both connections at once, without a farewell."""
        for each in (self._client, self._server):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)

    def _pass_on(self) -> bool:
        ready, _, _ = select.select([self._client, self._server], [], [])
        self._proxy.wait_while_stalled()
        if self._client in ready:
            read = self._client.recv(1 << 16)
            self._up += read
            while (message := self._next()) is not None:
                self._send(message)
            return bool(read)
        read = self._server.recv(1 << 16)
        self._client.sendall(read)
        if self._awaited and self._is_whole(read):
            fault, self._awaited = self._awaited, None
            fault.act(self)
        return bool(read)

    def _send(self, message: bytes) -> None:
        fault = None
        if (sql := self._statement(message)) is not None:
            fault = self._proxy.fault_at(sql)
        if fault and fault.moment == "before":
            fault.act(self)
            self._proxy.wait_while_stalled()
        self._server.sendall(message)
        if fault and fault.moment == "sent":
            fault.act(self)
        elif fault and fault.moment == "replied":
            self._awaited, self._down = fault, b""

    def _next(self) -> bytes | None:
        """Take the next whole message of the client."""
        if self._proxy.family == "mysql":
            size = int.from_bytes(self._up[:3], "little") + 4 if len(self._up) >= 4 else None
        elif self._started:
            size = int.from_bytes(self._up[1:5], "big") + 1 if len(self._up) >= 5 else None
        else:
            size = int.from_bytes(self._up[:4], "big") if len(self._up) >= 8 else None
            if size and len(self._up) >= size:
                self._started = int.from_bytes(self._up[4:8], "big") not in _REQUEST_CODES
        if size is None or len(self._up) < size:
            return None
        message, self._up = self._up[:size], self._up[size:]
        return message

    def _statement(self, message: bytes) -> str | None:
        """Give the text of a message that is a statement."""
        query = _QUERY[self._proxy.family]
        if self._proxy.family == "mysql":
            is_command = message[3] == 0 and message[4:5] == query
            return message[5:].decode(errors="replace") if is_command else None
        return message[5:-1].decode(errors="replace") if message[:1] == query else None

    def _is_whole(self, read: bytes) -> bool:
        """Tell whether the reply is all there; of MySQL's its beginning says that the statement is over."""
        if self._proxy.family == "mysql":
            return True
        self._down += read
        while len(self._down) >= 5:
            kind, size = self._down[:1], int.from_bytes(self._down[1:5], "big") + 1
            if kind == _READY:
                return True
            self._down = self._down[size:]
        return False


def pause(seconds: float) -> Callable[[Link], None]:
    """Give the harm that is only a delay."""
    return lambda _: time.sleep(seconds)
