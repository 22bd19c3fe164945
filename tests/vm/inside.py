#!/usr/bin/env python3
"""Inside the machine that run.py boots: cgroup v2, another kernel. Unit tests of the keeper, an engine end to end."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests/e2e'))
os.environ.setdefault('DOCKERCD', os.path.join(ROOT, 'build/release/bin/dockercd'))
tempfile.tempdir = '/var/lib'  # where an overlay can stand
import harness  # noqa: E402
import runner  # noqa: E402
from case import EngineCase  # noqa: E402
from test_stacked_links import RefusalsTest, VlanTest  # noqa: E402,F401

CGROUPS = '/sys/fs/cgroup'


class Units(unittest.TestCase):
    def run_binary(self, name):
        path = os.path.join(ROOT, 'build/release/bin', name)
        r = subprocess.run([path, '--gtest_brief=1'], capture_output=True, text=True, timeout=200)
        self.assertEqual(r.returncode, 0, r.stdout[-3000:] + r.stderr[-1000:])

    def test_linux_units(self):
        self.run_binary('linux_units_test')

    def test_keeper(self):
        self.run_binary('linux_keeper_test')

    def test_keeper_exec(self):
        self.run_binary('keeper_exec_test')

    def test_reactor(self):
        self.run_binary('reactor_loop_test')


class Kernel(unittest.TestCase):
    def test_a_disabled_io_uring_is_told(self):
        switch = '/proc/sys/kernel/io_uring_disabled'
        if not os.path.exists(switch):
            self.skipTest('this kernel has no such switch')
        with open(switch, 'w') as f:
            f.write('2')
        try:
            with tempfile.TemporaryDirectory() as d:
                r = subprocess.run([*harness.engine_command(), '--data-root', d + '/data', '--exec-root', d + '/run',
                                    '-H', f'unix://{d}/sock', '--bridge', 'none'], capture_output=True, text=True,
                                   timeout=60)
                self.assertEqual(os.listdir(d), [], 'nothing was made')
        finally:
            with open(switch, 'w') as f:
                f.write('0')
        self.assertEqual(r.returncode, 1)
        self.assertIn('io_uring is disabled on this host (sysctl kernel.io_uring_disabled=2)', r.stderr)
        self.assertIn('sysctl -w kernel.io_uring_disabled=0', r.stderr)


class WithoutNftables(unittest.TestCase):
    """Bridges and names work; ports, which are translated by rules, are refused."""

    def test_names_and_ports(self):
        namespace = harness.Namespace()
        self.addCleanup(namespace.close)
        engine = harness.Engine(namespace=namespace)
        self.addCleanup(engine.destroy)
        engine.start()
        if 'No address translation' not in engine.log():
            self.skipTest('this kernel has nf_tables')

        def ok(*args):
            r = engine.docker(*args)
            self.assertEqual(r.returncode, 0, (args, r.stdout, r.stderr, engine.log()[-500:]))
            return r.stdout.strip()
        engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))
        ok('network', 'create', 'apart')
        one = ok('run', '-d', '--name', 'one', '--network', 'apart', 'busybox', 'sleep', '1000')
        ok('run', '-d', '--name', 'two', '--network', 'apart', 'busybox', 'sleep', '1000')
        address = engine.get(f'/containers/{one}/json')['NetworkSettings']['Networks']['apart']['IPAddress']
        self.assertIn(address, ok('exec', 'two', 'nslookup', 'one'))
        self.assertIn('bytes from ' + address, ok('exec', 'two', 'ping', '-c', '1', 'one'))
        engine.kill()
        engine.start()
        self.assertIn(address, ok('exec', 'two', 'nslookup', 'one'))
        refused = engine.docker('run', '--rm', '-p', '80', 'busybox', 'true')
        self.assertIn('nf_tables', refused.stderr)
        self.assertTrue(any('No address translation' in w for w in engine.get('/info')['Warnings']))


class Version2(EngineCase):
    def value(self, cid, name):
        with open(f'{CGROUPS}/docker/{cid}/{name}') as f:
            return f.read().strip()

    def leftovers(self):
        parent = CGROUPS + '/docker'
        return [d for d in os.listdir(parent) if os.path.isdir(os.path.join(parent, d))]

    def test_it_is_version_2(self):
        self.assertEqual(self.engine.get('/info')['CgroupVersion'], '2')

    def test_limits(self):
        cid = self.start('-m', '32m', '--memory-swap', '48m', '--cpu-shares', '512', '--cpu-quota', '20000',
                         '--cpu-period', '50000', '--pids-limit', '40', 'busybox', 'sleep', '100')
        self.assertEqual(self.value(cid, 'memory.max'), str(32 << 20))
        if os.path.exists(f'{CGROUPS}/docker/{cid}/memory.swap.max'):
            self.assertEqual(self.value(cid, 'memory.swap.max'), str(16 << 20))
        self.assertEqual(self.value(cid, 'cpu.weight'), '20')
        self.assertEqual(self.value(cid, 'cpu.max'), '20000 50000')
        self.assertEqual(self.value(cid, 'pids.max'), '40')
        self.assertEqual(len(self.value(cid, 'cgroup.procs').split()), 1)
        self.assertIn('memory', self.value(cid, 'cgroup.controllers'))

    def test_out_of_memory(self):
        r = self.docker('run', '--name', 'oom', '--network', 'none', '-m', '16m', '--memory-swap', '16m', 'busybox',
                        'sh', '-c', 'a=x; while true; do a=$a$a; done', timeout=100)
        self.addCleanup(self.docker, 'rm', '-f', 'oom')
        self.assertEqual(r.returncode, 137, r.stderr)
        query = f'since=1h&until={time.time():.9f}&filters={{"container":["oom"]}}'
        status, body, _ = self.engine.http('GET', '/events?' + query)
        self.assertEqual([json.loads(line)['Action'] for line in body.splitlines()],
                         ['create', 'attach', 'start', 'oom', 'die'])

    def test_pids_limit(self):
        out = self.run_('--pids-limit', '5', 'busybox', 'sh', '-c', 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; true')
        self.assertIn("can't fork", out.stderr)

    def test_inside(self):
        out = self.sh('cat /proc/self/cgroup; ls /sys/fs/cgroup; cat /sys/fs/cgroup/memory.max; '
                      'mkdir /sys/fs/cgroup/x 2>&1 || true; echo 1 2>&1 >/sys/fs/cgroup/pids.max || true', '-m', '32m')
        self.assertIn('0::/\n', out)
        self.assertIn('memory.max', out)
        self.assertIn(str(32 << 20), out)
        self.assertIn('Read-only', out)

    def test_exit_codes_and_stop(self):
        for script, code in (('exit 7', 7), ('nonesuch', 127), ('/etc/passwd', 126)):
            self.assertEqual(self.run_('busybox', 'sh', '-c', script).returncode, code, script)
        self.assertEqual(self.run_('busybox', 'nonesuch').returncode, 127)
        cid = self.start('busybox', 'sleep', '1000')  # pid 1 without a handler: TERM does nothing
        self.ok('stop', '-t', '1', cid)
        self.assertEqual(self.ok('wait', cid), '137')
        cid = self.trapping('exit 5', 'TERM')
        self.ok('stop', cid)
        self.assertEqual(self.ok('wait', cid), '5')

    def test_exec(self):
        cid = self.start('-m', '64m', 'busybox', 'sleep', '1000')
        self.assertEqual(self.docker('exec', cid, 'sh', '-c', 'exit 5').returncode, 5)
        self.assertEqual(self.ok('exec', '-u', 'user', cid, 'id', '-u'), '1000')
        self.assertEqual(self.ok('exec', cid, 'cat', '/proc/self/cgroup'), '0::/')
        self.ok('exec', '-d', cid, 'sleep', '1000')
        self.assertEqual(len(self.value(cid, 'cgroup.procs').split()), 2)
        self.ok('kill', cid)
        harness.until(lambda: cid not in self.leftovers(), what='the control group is gone')

    def test_exec_where_the_init_manages_groups(self):
        """Its group's controllers are on for children: nobody may be in the group itself."""
        cid = self.start('--privileged', 'busybox', 'sh', '-c',
                         'cd /sys/fs/cgroup && mkdir init && echo 1 > init/cgroup.procs && '
                         'echo +pids > cgroup.subtree_control && echo done; sleep 1000')
        harness.until(lambda: 'done' in self.docker('logs', cid).stdout)
        self.assertEqual(self.ok('exec', cid, 'cat', '/proc/self/cgroup'), '0::/init')

    def test_stats(self):
        cid = self.start('-m', '32m', '--pids-limit', '40', '--cpus', '0.2', 'busybox', 'sh', '-c',
                         'while true; do :; done')
        time.sleep(0.5)
        got = json.loads(self.engine.http('GET', f'/containers/{cid}/stats?stream=0')[1])
        cpu, before = got['cpu_stats'], got['precpu_stats']
        self.assertGreater(cpu['cpu_usage']['total_usage'], before['cpu_usage']['total_usage'])
        self.assertNotIn('percpu_usage', cpu['cpu_usage'])
        self.assertGreater(cpu['throttling_data']['throttled_time'], 0)
        self.assertEqual(got['pids_stats'], {'current': 1, 'limit': 40})
        memory = got['memory_stats']
        self.assertEqual(memory['limit'], 32 << 20)
        self.assertTrue(0 < memory['usage'] < 32 << 20, memory)
        self.assertGreater(memory['stats']['anon'] + memory['stats']['file'] + memory['stats']['slab'], 0)
        self.assertNotIn('max_usage', memory)
        self.assertIsNone(got['blkio_stats']['io_serviced_recursive'])
        row = json.loads(self.ok('stats', '--no-stream', '--format', '{{json .}}', cid))
        self.assertEqual(row['PIDs'], '1')
        self.assertTrue(row['MemUsage'].endswith('/ 32MiB'), row)

    def test_started_again_and_again(self):
        cid = self.start('busybox', 'sleep', '1000')
        for _ in range(5):
            self.ok('kill', cid)
            self.ok('start', cid)
        self.ok('rm', '-f', cid)
        harness.until(lambda: cid not in self.leftovers(), what='the control group is gone')

    def test_many_at_once(self):
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(self.run_('busybox', 'true').returncode))
                   for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(codes, [0] * 8)

    def test_taken_over(self):
        cid = self.start('busybox', 'sh', '-c', 'sleep 1; exit 6')
        other = self.start('busybox', 'sleep', '1000')
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.ok('wait', cid), '6')
        self.ok('rm', '-f', other, cid)
        harness.until(lambda: not {cid, other} & set(self.leftovers()), what='the control groups are gone')


if __name__ == '__main__':
    runner.run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules['__main__']))
