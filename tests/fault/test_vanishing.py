"""Clients that go away at every stage: nothing waits for them afterwards, nobody else notices."""
import json
import time

import harness
from fault_case import FaultCase


class VanishingClients(FaultCase):
    def resources(self):
        info = self.engine.get('/info')
        return info['NFd'], info['NGoroutines']

    def request(self, text, body=b''):
        s = self.engine.connect()
        s.sendall(text.encode() + b'\r\nHost: d\r\n' + (b'' if b'\r\n\r\n' in body else b'\r\n') + body)
        return s

    def test_in_the_middle_of_everything(self):
        cid = self.start('busybox', 'sh', '-c', 'while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done')
        quiet = self.start('-i', 'busybox', 'cat')
        self.resources()
        before = self.resources()
        body = harness.save_tar('half:1', [harness.busybox_layer()])
        create = json.dumps({'Image': 'busybox', 'Cmd': ['true']}).encode()
        for cut in (0, 100, 600, len(body) // 2):
            s = self.request('POST /images/load HTTP/1.1\r\nContent-Length: %d' % len(body))
            s.sendall(body[:cut])
            s.close()
        s = self.request('POST /containers/create HTTP/1.1\r\nContent-Type: application/json\r\n'
                         'Content-Length: %d' % len(create))
        s.sendall(create[:10])
        s.close()
        upgrade = '\r\nUpgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 0'
        for line in (f'GET /containers/{cid}/logs?follow=1&stdout=1 HTTP/1.1', 'GET /events HTTP/1.1',
                     f'POST /containers/{quiet}/wait HTTP/1.1',
                     f'POST /containers/{quiet}/wait?condition=removed HTTP/1.1',
                     f'POST /containers/{cid}/attach?stream=1&stdout=1 HTTP/1.1' + upgrade,
                     f'POST /containers/{quiet}/attach?stream=1&stdout=1&stdin=1 HTTP/1.1' + upgrade,
                     f'POST /containers/{quiet}/stop?t=1 HTTP/1.1'):
            s = self.request(line)
            time.sleep(0.05)
            if 'stop' not in line:
                s.recv(100)
            s.close()
        began = time.monotonic()
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)
        self.assertLess(time.monotonic() - began, 1)
        self.ok('wait', quiet)   # the stop that nobody waits for is carried out
        self.ok('start', quiet)
        harness.until(lambda: self.resources() <= before, what=f'descriptors and tasks as before: {before}')

    def test_a_reader_that_does_not_read(self):
        """Its container goes on when it is dropped, others are served meanwhile."""
        cid = self.start('busybox', 'sh', '-c', 'while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done')
        s = self.request(f'GET /containers/{cid}/logs?follow=1&stdout=1 HTTP/1.1')
        time.sleep(1)
        began = time.monotonic()
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)
        self.assertLess(time.monotonic() - began, 1)
        s.close()
