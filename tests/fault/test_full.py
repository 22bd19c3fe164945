"""No space on the disk, no file descriptors: clear errors, nothing half-made, and all well again afterwards."""
import os
import time
import unittest

import harness
from fault_case import FaultCase


class FullDisk(FaultCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = harness.Engine(data_mount='size=24m')
        cls.addClassCleanup(cls.engine.destroy)
        cls.engine.start()
        cls.engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))

    def fill(self):
        path = self.engine.data + '/filler'
        with open(path, 'wb', buffering=0) as f:
            for size in (1 << 16, 1 << 12):
                try:
                    while True:
                        f.write(b'x' * size)
                except OSError:
                    continue

    def free(self):
        path = self.engine.data + '/filler'
        if os.path.exists(path):
            os.unlink(path)

    def setUp(self):
        harness.until(lambda: os.listdir(self.engine.data + '/tmp') == [], what='what the last test left is deleted')
        self.addCleanup(self.free)

    def api(self, method, path, body=None):
        status, answer, _ = self.engine.http(method, path, body)
        return status, answer

    def test_load(self):
        status, body = self.post_tar(harness.save_tar('big:1', [self.random_layer(30 << 20)]))
        self.assertTrue(status >= 400 or b'error' in body, (status, body))
        self.assertIn(b'no space left', body.lower())
        self.assertEqual(self.engine.http('GET', '/images/big:1/json')[0], 404)
        self.check_invariants()
        self.assertEqual(self.engine.load(harness.save_tar('small:1', [self.random_layer(1 << 16)]))[0], 200)

    def post_tar(self, data):
        """The engine may answer before it has read everything, and then reads no more."""
        s = self.engine.connect()
        s.sendall(b'POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n' % len(data))
        try:
            s.sendall(data)
        except BrokenPipeError:
            pass
        answer = s.recv(65536)
        s.close()
        return int(answer.split()[1]), answer

    def random_layer(self, size):
        out = harness.io.BytesIO()
        with harness.tarfile.open(fileobj=out, mode='w') as tar:
            harness.add(tar, 'blob', os.urandom(size))
        return out.getvalue()

    def test_create_and_start(self):
        old = self.ok('create', '--network', 'none', 'busybox', 'sh', '-c', 'echo hello; exit 4')
        self.addCleanup(self.docker, 'rm', '-f', old)
        before = self.listed()
        self.fill()
        failures = 0
        for _ in range(300):   # the state's own file has some room yet
            status, body = self.api('POST', '/containers/create', {'Image': 'busybox', 'Cmd': ['true']})
            if status != 201:
                failures += 1
                self.assertEqual(status, 500)
                self.assertRegex(body.lower(), b'no space left|full')
            if failures == 3:
                break
        self.assertEqual(failures, 3)
        status, body = self.api('POST', f'/containers/{old}/start')
        self.assertIn(status, (204, 500), body)
        self.assertEqual(self.api('GET', '/_ping')[0], 200)
        self.free()
        for cid in self.listed() - before:
            self.assertEqual(self.api('DELETE', f'/containers/{cid}?force=1')[0], 204)
        self.check_invariants(before)
        self.assertEqual(self.docker('start', '-a', old).returncode, 4)

    def test_a_removal_that_fails_is_told_to_those_who_wait(self):
        cid = self.ok('create', '--network', 'none', 'busybox', 'true')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        waits = {version: self.engine.connect() for version in ('1.33', '1.34')}
        for version, s in waits.items():
            s.sendall(b'POST /v%s/containers/%s/wait?condition=removed HTTP/1.1\r\nHost: d\r\n'
                      b'Connection: close\r\n\r\n' % (version.encode(), cid.encode()))
            self.assertIn(b' 200 OK', s.recv(4096))
        self.fill()
        for _ in range(300):
            if self.api('POST', '/containers/create', {'Image': 'busybox', 'Cmd': ['true']})[0] != 201:
                break
        status, body = self.api('DELETE', f'/containers/{cid}')
        if status == 204:
            self.skipTest('the database found room for the removal')
        told = {}
        for version, s in waits.items():
            told[version] = b''
            while piece := s.recv(4096):
                told[version] += piece
            s.close()
        self.assertIn(b'"Error":{"Message":', told['1.34'])
        self.assertEqual(told['1.33'], b'0\r\n\r\n')
        self.free()
        self.assertEqual(self.api('DELETE', f'/containers/{cid}')[0], 204)
        self.remove_all()

    def test_logs(self):
        cid = self.start('busybox', 'sh', '-c', 'while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxx; sleep 0.01; done')
        time.sleep(0.2)
        self.fill()
        time.sleep(1)
        self.assertTrue(self.state(cid)['Running'])
        self.free()
        lines = len(self.logged(cid))
        harness.until(lambda: len(self.logged(cid)) > lines, what='lines are written again')
        self.ok('rm', '-f', cid)
        self.check_invariants()

    def test_restart_on_a_full_disk(self):
        cid = self.start('busybox', 'sleep', '1000')
        self.fill()
        self.engine.kill()
        self.engine.start()
        self.assertTrue(self.state(cid)['Running'])
        self.free()
        self.ok('rm', '-f', cid)


class FewDescriptors(FaultCase):
    limit = 120

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(os.environ.__setitem__ if 'DOCKERCD' in os.environ else os.environ.pop, 'DOCKERCD',
                            os.environ.get('DOCKERCD'))
        command = ' '.join(harness.engine_command())
        os.environ['DOCKERCD'] = f'/usr/bin/prlimit --nofile={cls.limit}:{cls.limit} {command}'
        super().setUpClass()

    def test_too_many_clients(self):
        clients = []
        try:
            for _ in range(self.limit + 20):
                clients.append(self.engine.connect())
            time.sleep(0.3)
            self.assertTrue(self.engine.alive())
            clients[0].sendall(b'GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n')
            self.assertIn(b' 200 OK', clients[0].recv(1000))
        finally:
            for client in clients:
                client.close()
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)
        self.assertEqual(self.run_('busybox', 'true').returncode, 0)

    def test_too_many_containers(self):
        failed = None
        for _ in range(self.limit):
            r = self.docker('run', '-d', '--network', 'none', 'busybox', 'sleep', '1000')
            if r.returncode != 0:
                failed = r.stderr
                break
        self.assertIsNotNone(failed)
        self.assertIn('too many open files', failed.lower())
        self.remove_all()
        self.check_invariants()
        self.assertEqual(self.run_('busybox', 'true').returncode, 0)


if __name__ == '__main__':
    unittest.main()
