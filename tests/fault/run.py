#!/usr/bin/env python3
"""Fault tests: a killed engine, a full disk, clients that vanish."""
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # noqa: E402
import runner  # noqa: E402
from case import EngineCase  # noqa: E402


class KilledEngine(EngineCase):
    def again(self):
        self.engine.kill()
        self.engine.start()

    def test_running_containers_are_adopted(self):
        cid = self.start('busybox', 'sh', '-c', 'i=0; while true; do i=$((i+1)); echo $i; sleep 0.05; done')
        pid = self.engine.get(f'/containers/{cid}/json')['State']['Pid']
        time.sleep(0.3)
        self.again()
        state = self.engine.get(f'/containers/{cid}/json')['State']
        self.assertEqual((state['Running'], state['Pid']), (True, pid))
        time.sleep(0.5)
        self.ok('kill', cid)
        self.assertEqual(self.ok('wait', cid), '137')
        numbers = [int(x) for x in self.docker('logs', cid).stdout.split()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_exit_while_the_engine_is_away(self):
        cid = self.start('busybox', 'sh', '-c', 'sleep 1; exit 6')
        self.engine.kill()
        time.sleep(1.5)
        self.engine.start()
        self.assertEqual(self.ok('wait', cid), '6')

    def test_killed_while_containers_start(self):
        for delay in (0.001, 0.01, 0.03, 0.1):
            def many():
                for _ in range(20):
                    try:
                        self.docker('run', '-d', '--network', 'none', 'busybox', 'sleep', '60', timeout=10)
                    except Exception:  # the engine is being killed: any end will do
                        return
            thread = threading.Thread(target=many)
            thread.start()
            time.sleep(0.3 + delay)
            self.again()
            thread.join()
            for c in self.engine.get('/containers/json?all=1'):
                self.assertEqual(self.engine.http('DELETE', f'/containers/{c["Id"]}?force=1')[0], 204)

    def test_killed_while_loading(self):
        data = harness.save_tar('late:1', [harness.busybox_layer()] * 3)
        for delay in (0.005, 0.03, 0.1):
            def load():
                try:
                    self.engine.load(data)
                except OSError:
                    return
            thread = threading.Thread(target=load)
            thread.start()
            time.sleep(delay)
            self.again()
            thread.join()
            self.assertEqual(os.listdir(self.engine.data + '/tmp'), [])
        self.assertEqual(self.engine.load(data)[0], 200)


class VanishingClients(EngineCase):
    def test_in_the_middle_of_everything(self):
        body = harness.save_tar('half:1', [harness.busybox_layer()])
        for cut in (0, 100, 600, len(body) // 2):
            s = self.engine.connect()
            s.sendall(b'POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n' % len(body) + body[:cut])
            s.close()
        cid = self.start('busybox', 'sh', '-c', 'while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done')
        for path in (f'/containers/{cid}/logs?follow=1&stdout=1', '/events'):
            s = self.engine.connect()
            s.sendall(f'GET {path} HTTP/1.1\r\nHost: d\r\n\r\n'.encode())
            s.recv(100)
            s.close()
        began = time.monotonic()
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)
        self.assertLess(time.monotonic() - began, 1)


class FullDisk(unittest.TestCase):
    def test_load_on_a_full_disk(self):
        engine = harness.Engine(data_mount='size=4m')
        self.addCleanup(engine.destroy)
        engine.start()
        status, body, _ = engine.load(harness.save_tar('big:1', [harness.busybox_layer() * 5]))
        self.assertTrue(status >= 400 or b'error' in body, (status, body))
        self.assertIn(b'no space left', body.lower())
        self.assertEqual(engine.http('GET', '/_ping')[0], 200)


if __name__ == '__main__':
    runner.run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules['__main__']))
