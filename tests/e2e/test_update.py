"""Limits of resources: at create, changed by update."""
import json
import os

import harness
from verb_case import VerbCase


class Update(VerbCase):
    def update(self, cid, **body):
        status, text, _ = self.engine.http('POST', f'/containers/{cid}/update', body)
        return status, json.loads(text)

    def test_a_running_container(self):
        cid = self.start('-m', '64m', 'busybox', 'sleep', '1000')
        cpuset = self.host_has('cpuset', 'cpuset.cpus')
        swap = self.host_has('memory', 'memory.memsw.limit_in_bytes')
        for cli in harness.clis():
            self.ok('update', '-m', '128m', '--memory-swap', '256m', '--cpu-shares', '512', '--pids-limit', '77',
                    '--memory-reservation', '32m', *(['--cpuset-cpus', '0'] if cpuset else []), cid, cli=cli)
            self.ok('update', '-m', '32m', '--memory-swap', '64m', '--pids-limit', '55', cid, cli=cli)
            self.assertEqual(self.value('memory', cid, ['memory.limit_in_bytes', 'memory.max']), str(32 << 20))
            self.assertEqual(self.value('pids', cid, 'pids.max'), '55')
            if cpuset:
                self.assertEqual(self.value('cpuset', cid, 'cpuset.cpus'), '0')
            self.assertEqual(self.value('memory', cid, ['memory.soft_limit_in_bytes', 'memory.low']), str(32 << 20))
        self.ok('update', '--cpus', '0.5', cid)
        self.assertIn(self.value('cpu', cid, ['cpu.cfs_quota_us', 'cpu.max']), ('50000', '50000 100000'))
        self.ok('update', '--pids-limit', '-1', cid)
        self.assertEqual(self.value('pids', cid, 'pids.max'), 'max')
        host = self.engine.get(f'/containers/{cid}/json')['HostConfig']
        self.assertEqual((host['Memory'], host['MemorySwap'], host['NanoCpus'], host['CpusetCpus'], host['PidsLimit']),
                         (32 << 20, 64 << 20 if swap else -1, 500000000, '0' if cpuset else '', 0))
        self.assertEqual(self.words(cid).count('update'), 2 * len(harness.clis()) + 2)
        self.engine.stop()
        self.engine.start()
        self.assertEqual(self.engine.get(f'/containers/{cid}/json')['HostConfig']['Memory'], 32 << 20)
        self.ok('restart', '-t', '0', cid)
        self.assertEqual(self.value('memory', cid, ['memory.limit_in_bytes', 'memory.max']), str(32 << 20))

    def test_what_the_kernel_refuses_is_taken_back(self):
        if not os.path.exists('/sys/fs/cgroup/memory'):
            self.skipTest('with version 2 the kernel refuses no limit: it kills')
        script = 'head -c 20000000 /dev/zero >/dev/shm/x; echo full; sleep 1000'
        cid = self.start('-m', '256m', 'busybox', 'sh', '-c', script)
        harness.until(lambda: self.ok('logs', cid) == 'full')
        status, answer = self.update(cid, Memory=6 << 20, MemorySwap=6 << 20)
        self.assertEqual(status, 500, answer)
        self.assertTrue(answer['message'].startswith(f'Cannot update container {cid}: '), answer)
        self.assertEqual(self.value('memory', cid, 'memory.limit_in_bytes'), str(256 << 20))
        self.assertEqual(self.engine.get(f'/containers/{cid}/json')['HostConfig']['Memory'], 256 << 20)

    def test_a_stopped_container(self):
        cid = self.ok('create', '--network', 'none', 'busybox', 'sleep', '1000')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        self.assertEqual(self.update(cid, Memory=64 << 20, MemorySwap=-1), (200, {'Warnings': None}))
        self.ok('start', cid)
        self.assertEqual(self.value('memory', cid, ['memory.limit_in_bytes', 'memory.max']), str(64 << 20))

    def test_refused(self):
        cid = self.start('busybox', 'sleep', '1000')
        for body, status, message in (
                ({'Memory': 1}, 400, 'Minimum memory limit allowed is 6MB'),
                ({'Memory': -1}, 400, 'Minimum memory limit allowed is 6MB'),
                ({'Memory': 64 << 20}, 409, f'Cannot update container {cid}: Memory limit should be smaller than '
                 'already set memoryswap limit, update the memoryswap at the same time'),
                ({'CpuShares': -5}, 400, 'invalid CPU shares (-5): value must be a positive integer'),
                ({'NanoCpus': 10 ** 15}, 400, None), ({'CpuPeriod': -1}, 400, None), ({'CpuQuota': 1}, 400, None),
                ({'BlkioWeight': 5}, 400, None),
                ({'Memory': 2 ** 70}, 400, None), ({'Memory': '5'}, 400, None), ([], 400, None), ('x', 400, None),
                ({'RestartPolicy': {'Name': 'now'}}, 400, None),
                ({'RestartPolicy': {'Name': 'always', 'MaximumRetryCount': 3}}, 400, None),
                ({'RestartPolicy': 5}, 400, None)):
            got, answer = self.update(cid, **body) if isinstance(body, dict) else (None, None)
            if got is None:
                got, text, _ = self.engine.http('POST', f'/containers/{cid}/update', json.dumps(body),
                                                {'Content-Type': 'application/json'})
                answer = json.loads(text)
            self.assertEqual(got, status, (body, answer))
            if message:
                self.assertEqual(answer['message'], message)
        self.assertEqual(self.update('nobody', Memory=64 << 20)[0], 404)
        status, text, _ = self.engine.http('POST', f'/containers/{cid}/update', '{}', {'Content-Type': 'text/plain'})
        self.assertEqual(status, 400)
        self.assertIn(b'unsupported Content-Type header (text/plain)', text)


class Limits(VerbCase):
    def test_at_create(self):
        cid = self.start('--memory-reservation', '32m', '-m', '64m', '--cpuset-cpus', '0', '--cpuset-mems', '0',
                         'busybox', 'sleep', '1000')
        value = lambda *a: self.value(*a)   # noqa: E731
        self.assertEqual(self.value('cpuset', cid, 'cpuset.cpus'), '0')
        self.assertEqual(self.value('cpuset', cid, 'cpuset.mems'), '0')
        self.assertEqual(self.value('memory', cid, ['memory.soft_limit_in_bytes', 'memory.low']), str(32 << 20))
        host = self.engine.get(f'/containers/{cid}/json')['HostConfig']
        swap = self.host_has('memory', 'memory.memsw.limit_in_bytes')
        self.assertEqual((host['MemorySwap'], host['MemoryReservation']), (128 << 20 if swap else -1, 32 << 20))

    def test_version_1_only(self):
        if not os.path.exists('/sys/fs/cgroup/memory'):
            self.skipTest('version 2 has no such files')
        cid = self.start('--memory-swappiness', '7', '--oom-kill-disable', '-m', '64m', 'busybox', 'sleep', '1000')
        self.assertEqual(self.value('memory', cid, 'memory.swappiness'), '7')
        self.assertIn('oom_kill_disable 1', self.value('memory', cid, 'memory.oom_control'))
