"""Clients at a container's streams."""
import hashlib
import os
import pty
import select
import socket
import subprocess
import threading
import time
import unittest
from urllib.parse import quote

import harness
import streams
from case import EngineCase

try:
    import docker as docker_py
except ImportError:
    docker_py = None


class Attach(EngineCase):
    def create(self, command, **fields):
        body = {'Image': 'busybox', 'Cmd': command, 'HostConfig': {'NetworkMode': 'none'}, **fields}
        status, answer, _ = self.engine.http('POST', '/containers/create', body)
        self.assertEqual(status, 201, answer)
        cid = harness.json.loads(answer)['Id']
        self.addCleanup(self.engine.http, 'DELETE', f'/containers/{cid}?force=1')
        return cid

    def begin(self, cid):
        status, answer, _ = self.engine.http('POST', f'/containers/{cid}/start')
        self.assertEqual(status, 204, answer)

    def attach(self, cid, query='stream=1&stdout=1&stderr=1'):
        s, head, early = streams.upgrade(self.engine, f'/containers/{cid}/attach?{query}')
        self.addCleanup(s.close)
        self.assertIn('101 UPGRADED', head)
        return s, early

    def test_both_streams_in_frames(self):
        cid = self.create(['sh', '-c', 'echo out; echo err >&2'])
        s, early = self.attach(cid)
        self.begin(cid)
        self.assertEqual(streams.unframe(streams.read_all(s, early)), (b'out\n', b'err\n'))

    def test_stderr_alone(self):
        cid = self.create(['sh', '-c', 'echo out; echo err >&2'])
        s, early = self.attach(cid, 'stream=1&stderr=1')
        self.begin(cid)
        self.assertEqual(streams.unframe(streams.read_all(s, early)), (b'', b'err\n'))

    def test_content_types(self):
        for tty, version, upgraded in ((False, 'v1.51', 'multiplexed'), (False, 'v1.41', 'raw'),
                                       (True, 'v1.51', 'raw')):
            cid = self.create(['true'], Tty=tty)
            s, head, _ = streams.upgrade(self.engine, f'/{version}/containers/{cid}/attach?stream=1&stdout=1')
            s.close()
            self.assertIn(f'Content-Type: application/vnd.docker.{upgraded}-stream', head)

    def test_refusals(self):
        cid = self.create(['sleep', '100'])
        for path, status, words in (
                (f'/containers/{cid}/attach?stream=1&detachKeys=ctrl-1', 400, 'Invalid detach keys (ctrl-1) provided'),
                ('/containers/nosuch/attach?stream=1', 404, 'No such container: nosuch')):
            # As dockerd's: it has taken the connection by then.
            got, body, headers = self.engine.http('POST', path)
            self.assertEqual((got, body.decode(), headers['Content-Type'], headers['Api-Version']),
                             (status, words + '\r\n', 'application/vnd.docker.raw-stream', None))
            got, body, _ = self.engine.http('GET', path.replace('/attach', '/attach/ws'))
            self.assertEqual(got, status, body)
            self.assertIn(words, harness.json.loads(body)['message'])
        none = self.create(['true'], HostConfig={'LogConfig': {'Type': 'none'}, 'NetworkMode': 'none'})
        got, body, _ = self.engine.http('POST', f'/containers/{none}/attach?logs=1&stream=1&stdout=1')
        self.assertEqual((got, body), (501, b'configured logging driver does not support reading\r\n'))

    def test_logs_then_stream_without_gap_or_repetition(self):
        cid = self.create(['sh', '-c', 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done'])
        self.begin(cid)
        clients = [self.attach(cid, 'logs=1&stream=1&stdout=1') for _ in range(5)]
        expected = b''.join(b'line %d\n' % i for i in range(3000))
        for s, early in clients:
            self.assertEqual(streams.unframe(streams.read_all(s, early))[0], expected)
        # Only the log, of a container that is over.
        s, early = self.attach(cid, 'logs=1&stdout=1')
        self.assertEqual(streams.unframe(streams.read_all(s, early))[0], expected)

    def test_half_close_with_stdin_once(self):
        cid = self.create(['sh', '-c', 'cat; echo the end; sleep 0.2; echo after'], OpenStdin=True, StdinOnce=True,
                          AttachStdin=True)
        s, early = self.attach(cid, 'stream=1&stdin=1&stdout=1')
        self.begin(cid)
        s.sendall(b'typed\n')
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(streams.unframe(streams.read_all(s, early))[0], b'typed\nthe end\nafter\n')

    def test_half_close_leaves_a_shared_stdin_open(self):
        cid = self.create(['cat'], OpenStdin=True)
        self.begin(cid)
        other, early = self.attach(cid, 'stream=1&stdout=1')
        for text in (b'one\n', b'two\n'):
            s, _ = self.attach(cid, 'stream=1&stdin=1')
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(streams.read_all(s), b'')   # let go, as by dockerd
            early = streams.read_until(other, text, early)
        self.assertTrue(self.engine.get(f'/containers/{cid}/json')['State']['Running'])

    def test_many_clients_get_everything(self):
        cid = self.create(['sh', '-c', 'read x; i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done'],
                          OpenStdin=True, StdinOnce=True)
        clients = [self.attach(cid, 'stream=1&stdout=1') for _ in range(8)]
        typing, _ = self.attach(cid, 'stream=1&stdin=1')
        self.begin(cid)
        got = [None] * len(clients)

        def read(i):
            got[i] = streams.unframe(streams.read_all(*clients[i]))[0]
        threads = [threading.Thread(target=read, args=(i,)) for i in range(len(clients))]
        for t in threads:
            t.start()
        typing.sendall(b'go\n')
        for t in threads:
            t.join()
        expected = b''.join(b'%d\n' % i for i in range(20000))
        self.assertTrue(all(g == expected for g in got))

    def test_a_client_that_reads_late_loses_nothing(self):
        cid = self.create(['sh', '-c', 'head -c 8000000 /dev/zero | tr "\\0" x; echo; echo done'])
        s, early = self.attach(cid, 'stream=1&stdout=1')
        self.begin(cid)
        time.sleep(1.5)
        self.assertEqual(streams.unframe(streams.read_all(s, early))[0], b'x' * 8000000 + b'\ndone\n')

    def test_a_terminal_detach_and_attach_again(self):
        cid = self.create(['sh'], Tty=True, OpenStdin=True)
        s, early = self.attach(cid, 'stream=1&stdin=1&stdout=1')
        self.begin(cid)
        s.sendall(b'echo first-$((1+1))\n')
        streams.read_until(s, b'first-2', early)
        began = int(time.time())
        s.sendall(b'\x10\x11')
        streams.read_all(s)   # it ends
        s, early = self.attach(cid, 'stream=1&stdin=1&stdout=1&detachKeys=x,ctrl-y')
        s.sendall(b'echo second-$((1+1))\n')
        streams.read_until(s, b'second-2', early)
        s.sendall(b'x')   # the beginning of the keys is held
        s.sendall(b'\x19')
        streams.read_all(s)
        actions = [e['Action'] for e in self.events(cid, began)]
        self.assertEqual(actions.count('detach'), 2)
        self.assertTrue(self.engine.get(f'/containers/{cid}/json')['State']['Running'])

    def events(self, cid, since):
        filters = harness.json.dumps({'container': [cid]})
        path = f'/events?since={since}&until={time.time():.9f}&filters={quote(filters)}'
        status, body, _ = self.engine.http('GET', path)
        self.assertEqual(status, 200, body)
        return [harness.json.loads(line) for line in body.splitlines()]

    def test_one_gigabyte_through_stdin_and_stdout(self):
        cid = self.create(['cat'], OpenStdin=True, StdinOnce=True,
                          HostConfig={'NetworkMode': 'none', 'LogConfig': {'Type': 'none'}})
        s, early = self.attach(cid, 'stream=1&stdin=1&stdout=1')
        self.begin(cid)
        block = os.urandom(1 << 20)
        blocks = 1024
        expected = hashlib.sha256()
        for _ in range(blocks):
            expected.update(block)

        def send():
            for _ in range(blocks):
                s.sendall(block)
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        digest, data, total = hashlib.sha256(), bytearray(early), 0
        while True:
            chunk = s.recv(1 << 20)
            if not chunk:
                break
            data += chunk
            at = 0
            while len(data) - at >= 8:
                size = int.from_bytes(data[at + 4:at + 8], 'big')
                if len(data) - at < 8 + size:
                    break
                digest.update(data[at + 8:at + 8 + size])
                total += size
                at += 8 + size
            del data[:at]
        sender.join()
        self.assertEqual(total, blocks << 20)
        self.assertEqual(digest.digest(), expected.digest())

    # websockets

    def test_websocket(self):
        cid = self.create(['cat'], OpenStdin=True)
        self.begin(cid)
        w = streams.WebSocket(self.engine, f'/containers/{cid}/attach/ws?stream=1&stdin=1&stdout=1')
        self.addCleanup(w.close)
        self.assertIn('101 Switching Protocols', w.head)
        w.send(b'hello\n', op=1)
        self.assertEqual(w.until(b'\n'), b'hello\n')
        w.send(b'in ', op=2, final=False)
        w.send(b'ping', op=9)
        w.send(b'pieces\n', op=0)
        op, payload = w.frame()
        self.assertEqual((op, payload), (10, b'ping'))
        self.assertEqual(w.until(b'\n'), b'in pieces\n')
        big = os.urandom(300000).hex().encode() + b'\n'
        w.send(big)
        self.assertEqual(w.until(b'\n'), big)
        w.send(b'\x03\xe8bye', op=8)
        self.assertEqual(w.frame(), (8, b'\x03\xe8bye'))
        self.assertRaises(EOFError, w.frame)
        self.assertTrue(self.engine.get(f'/containers/{cid}/json')['State']['Running'])

    def test_websocket_kinds_of_frames_by_version(self):
        for version, op in (('v1.27', 1), ('v1.28', 2), ('v1.51', 2)):
            cid = self.create(['sh', '-c', 'read x; echo out'], OpenStdin=True)
            self.begin(cid)
            w = streams.WebSocket(self.engine, f'/{version}/containers/{cid}/attach/ws?stream=1&stdin=1&stdout=1')
            w.send(b'\n')
            self.assertEqual(w.frame(), (op, b'out\n'))
            self.assertEqual(w.frame()[0], 8)   # the container is over
            w.close()

    def test_websocket_without_stdin_answers_pings(self):
        cid = self.create(['sleep', '100'])
        self.begin(cid)
        w = streams.WebSocket(self.engine, f'/containers/{cid}/attach/ws?stream=1&stdout=1')
        w.send(b'x', op=9)
        self.assertEqual(w.frame(), (10, b'x'))
        w.send(b'\x03\xe8', op=8)
        self.assertEqual(w.frame(), (8, b'\x03\xe8'))
        self.assertRaises(EOFError, w.frame)
        w.close()

    def test_websocket_broken_frames(self):
        cid = self.create(['cat'], OpenStdin=True)
        self.begin(cid)
        for send in (lambda w: w.send(b'x', masked=False), lambda w: w.send(b'x', op=3),
                     lambda w: w.send(b'x' * 200, op=9), lambda w: w.send(b'x', op=0)):
            w = streams.WebSocket(self.engine, f'/containers/{cid}/attach/ws?stream=1&stdin=1&stdout=1')
            send(w)
            op, payload = w.frame()
            self.assertEqual((op, payload[:2]), (8, b'\x03\xea'))
            w.close()

    def test_websocket_handshakes_that_are_none(self):
        cid = self.create(['cat'], OpenStdin=True)
        status, body, _ = self.engine.http('GET', f'/containers/{cid}/attach/ws?stream=1')
        self.assertEqual((status, harness.json.loads(body)['message']), (400, 'not websocket protocol'))

    # clients

    def test_attach_with_each_cli(self):
        for cli in harness.clis():
            cid = self.start('-i', 'busybox', 'sh', '-c', 'while read x; do echo got $x; [ $x = end ] && exit 7; done')
            p = self.engine.popen('attach', cid, cli=cli, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for word in (b'one', b'end'):
                p.stdin.write(word + b'\n')
                p.stdin.flush()
                self.assertEqual(p.stdout.readline(), b'got ' + word + b'\n')
            self.assertEqual(p.wait(20), 7)
            p.stdin.close()
            p.stdout.close()

    def test_dockerc_attach_in_a_terminal(self):
        dockerc = harness.built('dockerc')
        cid = self.start('-it', 'busybox', 'sh')
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        p = subprocess.Popen([dockerc, 'attach', '--detach-keys', 'ctrl-a,d', cid], env=self.engine.environment(),
                             stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        seen = b''

        def until(wanted):
            nonlocal seen
            deadline = time.monotonic() + 20
            while wanted not in seen:
                self.assertLess(time.monotonic(), deadline, seen)
                if select.select([master], [], [], 0.2)[0]:
                    seen += os.read(master, 4096)
        os.write(master, b'echo sum-$((40+2))\n')
        until(b'sum-42')
        os.write(master, b'\x01d')
        until(b'read escape sequence')
        self.assertEqual(p.wait(20), 1)
        self.assertTrue(self.engine.get(f'/containers/{cid}/json')['State']['Running'])

    def test_dockerc_attach_without_stdin_and_signals(self):
        dockerc = harness.built('dockerc')
        cid = self.start('-i', 'busybox', 'sh', '-c',
                         'trap "echo got; exit 9" TERM; while true; do echo .; sleep 0.1; done')
        p = self.engine.popen('attach', '--no-stdin', cid, cli=dockerc, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
        p.stdout.readline()
        p.terminate()
        self.assertEqual(p.wait(20), 9)
        self.assertIn(b'got\n', p.stdout.read())
        p.stdout.close()
        cid = self.start('busybox', 'sh', '-c', 'trap "exit 9" TERM; while true; do echo .; sleep 0.1; done')
        p = self.engine.popen('attach', '--sig-proxy=false', cid, cli=dockerc, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
        p.stdout.readline()
        p.terminate()
        p.wait(20)
        p.stdout.close()
        self.assertTrue(self.engine.get(f'/containers/{cid}/json')['State']['Running'])

    @unittest.skipIf(docker_py is None, 'python3-docker is not there')
    def test_docker_py(self):
        client = docker_py.APIClient(base_url='unix://' + self.engine.socket)
        self.addCleanup(client.close)
        cid = self.create(['sh', '-c', 'echo out; echo err >&2'])
        stream = client.attach(cid, stream=True, demux=True)
        self.begin(cid)
        parts = list(stream)
        self.assertEqual(b''.join(o for o, _ in parts if o), b'out\n')
        self.assertEqual(b''.join(e for _, e in parts if e), b'err\n')
        cid = self.create(['cat'], OpenStdin=True, StdinOnce=True)
        s = client.attach_socket(cid, params={'stdin': 1, 'stdout': 1, 'stream': 1})
        self.begin(cid)
        s._sock.sendall(b'typed\n')
        s._sock.shutdown(socket.SHUT_WR)
        self.assertEqual(streams.unframe(streams.read_all(s._sock))[0], b'typed\n')
        s.close()


if __name__ == '__main__':
    unittest.main()
