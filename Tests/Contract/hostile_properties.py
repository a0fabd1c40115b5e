"""AMQP message properties that pika would not encode: tables nested as deep as a frame can carry, and forged headers."""

import struct

import pika

HEADERS, DELIVERY_MODE, USER_ID = 1 << 13, 1 << 12, 1 << 4


def nested_arrays(size: int) -> bytes:
    """Returns a table whose value nests arrays up to `size` bytes."""
    depth = (size - 2) // 5
    return b"\x01x" + b"".join(b"A" + struct.pack(">I", 5 * (depth - i - 1)) for i in range(depth))


def nested_tables(size: int) -> bytes:
    """Returns a table whose value nests tables with the key `k` up to `size` bytes."""
    depth = (size - 2) // 7
    levels = (b"\x01k" if i else b"\x01x" for i in range(depth))
    return b"".join(key + b"F" + struct.pack(">I", 7 * (depth - i - 1)) for i, key in enumerate(levels))


def number(name: str, value: int) -> bytes:
    """Returns a table with one integer."""
    return bytes([len(name)]) + name.encode() + b"l" + struct.pack(">q", value)


class RawProperties(pika.BasicProperties):
    """Properties with an encoded header table."""

    def __init__(self, table: bytes, user_id: str):
        super().__init__(user_id=user_id)
        self.table = table

    def encode(self) -> list:
        user = self.user_id.encode()
        return [
            struct.pack(">H", HEADERS | DELIVERY_MODE | USER_ID),
            struct.pack(">I", len(self.table)) + self.table,
            b"\x02",
            bytes([len(user)]) + user,
        ]
