"""HTTP/1.1 with the standard library."""

import http.client
from dataclasses import dataclass

from waiting import LIMIT_S


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes


def get(system, path: str, headers=None, method="GET", port=None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port or system.http_port, timeout=LIMIT_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()
