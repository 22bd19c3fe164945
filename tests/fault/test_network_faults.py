"""kill -9 of engine and net worker in the middle of joining, publishing, connecting: what is counted before is counted
after."""
import os
import random
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))
import harness  # noqa: E402
from network_case import NetworkCase  # noqa: E402


class NetworkFaultTest(NetworkCase):
    def worker_pid(self):
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as f:
                    words = f.read().split(b'\0')
                with open(f'/proc/{pid}/stat') as f:
                    parent = int(f.read().rsplit(')', 1)[1].split()[1])
            except OSError:
                continue
            if words[1:3] == [b'worker', b'net'] and parent == self.engine.process.pid:
                return int(pid)
        return None

    def load(self, seconds_over):
        """Clients that run, connect, disconnect and remove until the engine is gone."""
        def work(number):
            body = {'Image': 'busybox', 'Cmd': ['sleep', '1000'], 'HostConfig': {
                'NetworkMode': random.choice(['bridge', 'fault']),
                'PortBindings': {'80/tcp': [{'HostPort': str(20000 + number)}]}}}
            try:
                while not seconds_over.is_set():
                    status, answer, _ = self.engine.http('POST', '/containers/create', body, timeout=20)
                    if status != 201:
                        continue
                    cid = harness.json.loads(answer)['Id']
                    self.engine.http('POST', f'/containers/{cid}/start', timeout=20)
                    other = 'bridge' if body['HostConfig']['NetworkMode'] == 'fault' else 'fault'
                    self.engine.http('POST', f'/networks/{other}/connect', {'Container': cid}, timeout=20)
                    self.engine.http('POST', f'/networks/{other}/disconnect', {'Container': cid}, timeout=20)
                    if random.random() < 0.7:
                        self.engine.http('DELETE', f'/containers/{cid}?force=1', timeout=20)
            except (OSError, ValueError, harness.http.client.HTTPException):
                return
        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        return threads

    def remove_all(self):
        for c in self.engine.get('/containers/json?all=1'):
            self.engine.http('DELETE', f'/containers/{c["Id"]}?force=1')

    def veths(self):
        return [name for name in self.links() if name.startswith('veth')]

    def test_engine_killed_under_load(self):
        self.network('fault')
        before = self.links()
        for _ in range(4):
            over = threading.Event()
            threads = self.load(over)
            over.wait(random.uniform(0.2, 1.5))
            self.engine.kill()
            over.set()
            for thread in threads:
                thread.join()
            self.engine.start()
            running = self.engine.get('/containers/json')
            ports = sum(1 for c in running for p in c['Ports'] if p.get('PublicPort'))
            self.assertEqual(self.elements(), ports, 'rules and containers agree')
            wanted = sum(len(c['NetworkSettings']['Networks']) for c in running)
            harness.until(lambda: len(self.veths()) <= wanted, what='links of dead containers are gone')
        self.remove_all()
        harness.until(lambda: self.links() == before, what='links as before')
        harness.until(lambda: self.elements() == 0, what='no rules left')
        address = self.address(self.start('busybox', 'sleep', '1000'))
        self.assertTrue(address.startswith('172.17.'))

    def test_worker_killed(self):
        before = self.links()
        self.start('busybox', 'sleep', '1000')
        os.kill(self.worker_pid(), signal.SIGKILL)
        harness.until(lambda: self.worker_pid() is None, what='the worker is gone')
        cid = self.start('-p', '80', 'busybox', 'sleep', '1000')   # another one is started
        self.assertTrue(self.address(cid))
        self.assertEqual(self.elements(), 1)
        self.remove_all()
        harness.until(lambda: self.links() == before, what='links as before')

    def test_rules_flushed_by_somebody(self):
        first = self.serve('here', '-p', '8600:80')
        self.host.run('nft', 'flush', 'ruleset')
        harness.until(lambda: self.elements() == 1, what='the rules are there again')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8600), 'here')
        for chain in ('postrouting', 'forward'):
            table = self.host.run('nft', 'list', 'tables').stdout.split()[2]
            self.host.run('nft', 'flush', 'chain', 'inet', table, chain)
            harness.until(lambda: 'masquerade' in self.rules() and 'drop' in self.rules(), what='its rules are back')
        self.start('-p', '8601:80', 'busybox', 'sleep', '1000')
        self.assertEqual(self.elements(), 2)
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8600), 'here')
        self.ok('rm', '-f', first)


if __name__ == '__main__':
    import unittest
    unittest.main()
