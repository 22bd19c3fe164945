"""Raw clients of the engine's streams: hijacked connections, frames, websockets. Standard library only."""
import base64
import os
import struct


def upgrade(engine, path, timeout=30):
    """A connection on which POST PATH was answered by 101; bytes behind the head are in .early."""
    s = engine.connect(timeout)
    s.sendall(f'POST {path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'.encode())
    head, early = read_head(s)
    return s, head, early


def read_head(s):
    data = b''
    while b'\r\n\r\n' not in data:
        chunk = s.recv(65536)
        if not chunk:
            raise AssertionError(f'closed within the head: {data!r}')
        data += chunk
    head, _, rest = data.partition(b'\r\n\r\n')
    return head.decode(), rest


def read_all(s, early=b''):
    out = [early]
    while True:
        chunk = s.recv(1 << 16)
        if not chunk:
            return b''.join(out)
        out.append(chunk)


def read_until(s, wanted, early=b''):
    data = early
    while wanted not in data:
        chunk = s.recv(65536)
        if not chunk:
            raise AssertionError(f'closed before {wanted!r}: {data[-500:]!r}')
        data += chunk
    return data


def unframe(data):
    """(stdout, stderr) of 8-byte frames; they must be whole."""
    out = {1: bytearray(), 2: bytearray()}
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from('>BxxxL', data, at)
        assert len(data) >= at + 8 + size, 'a cut frame'
        out[kind] += data[at + 8:at + 8 + size]
        at += 8 + size
    return bytes(out[1]), bytes(out[2])


class WebSocket:
    """A client as RFC 6455 has it, able to send frames a browser would not."""

    def __init__(self, engine, path):
        self.s = engine.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        self.s.sendall(f'GET {path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
                       f'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n'.encode())
        self.head, self.data = read_head(self.s)

    def send(self, payload, op=2, final=True, masked=True):
        n = len(payload)
        size = bytes([n | 0x80]) if n < 126 else b'\xfe' + struct.pack('>H', n) if n < 65536 else \
            b'\xff' + struct.pack('>Q', n)
        mask = os.urandom(4)
        if not masked:
            size = bytes([size[0] & 0x7f]) + size[1:]
            self.s.sendall(bytes([op | (0x80 if final else 0)]) + size + payload)
            return
        body = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.s.sendall(bytes([op | (0x80 if final else 0)]) + size + mask + body)

    def take(self, n):
        while len(self.data) < n:
            chunk = self.s.recv(65536)
            if not chunk:
                raise EOFError
            self.data += chunk
        out, self.data = self.data[:n], self.data[n:]
        return out

    def frame(self):
        """(op, payload) of the next frame."""
        first, second = self.take(2)
        assert not second & 0x80, 'a server does not mask'
        n = second & 0x7f
        if n == 126:
            n, = struct.unpack('>H', self.take(2))
        elif n == 127:
            n, = struct.unpack('>Q', self.take(8))
        return first & 0x0f, self.take(n)

    def until(self, wanted):
        """Payload of data frames up to the one that completes `wanted`."""
        data = b''
        while wanted not in data:
            op, payload = self.frame()
            assert op in (1, 2), (op, payload)
            data += payload
        return data

    def close(self):
        self.s.close()
