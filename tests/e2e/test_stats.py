"""What containers use: GET stats, docker stats, dockerc stats, docker-py."""
import http.client
import json
import os
import subprocess
import time

import harness
from case import EngineCase
from network_case import NetworkCase
from terminal import Terminal

DOCKERC = harness.built('dockerc')
ZERO_TIME = '0001-01-01T00:00:00Z'
V2 = os.path.exists('/sys/fs/cgroup/cgroup.controllers')


class Lines:
    """The lines of a streamed answer, as they come."""

    def __init__(self, engine, path):
        self.connection = http.client.HTTPConnection('localhost')
        self.connection.sock = engine.connect(timeout=10)
        self.connection.request('GET', path)
        self.answer = self.connection.getresponse()

    def next(self):
        line = self.answer.readline()
        return json.loads(line) if line else None

    def close(self):
        self.answer.close()
        self.connection.close()


class Stats(EngineCase):
    alone = True

    def stats(self, name, query='stream=0', version=''):
        status, body, _ = self.engine.http('GET', f'{version}/containers/{name}/stats?{query}')
        return status, json.loads(body)

    def busy(self, *options):
        return self.start(*options, 'busybox', 'sh', '-c', 'echo up; while true; do :; done')

    def test_two_samples_a_second_apart(self):
        cid = self.busy('-m', '64m', '--pids-limit', '33', '--name', 'busy')
        begun = time.monotonic()
        status, got = self.stats('busy')
        took = time.monotonic() - begun
        self.assertEqual(status, 200)
        self.assertTrue(0.9 < took < 3, took)
        self.assertEqual((got['name'], got['id']), ('/busy', cid))
        self.assertEqual(set(got), {'name', 'id', 'read', 'preread', 'pids_stats', 'blkio_stats', 'num_procs',
                                    'storage_stats', 'cpu_stats', 'precpu_stats', 'memory_stats'})
        self.assertGreater(got['read'], got['preread'])
        self.assertGreater(got['preread'], '2020')
        cpu, before = got['cpu_stats'], got['precpu_stats']
        used = cpu['cpu_usage']['total_usage'] - before['cpu_usage']['total_usage']
        host = cpu['system_cpu_usage'] - before['system_cpu_usage']
        self.assertGreater(used, 10 ** 8)
        self.assertGreater(host, 10 ** 9)
        self.assertLess(used, 1.1 * host)
        self.assertEqual(cpu['online_cpus'], os.cpu_count())
        self.assertEqual(set(cpu['throttling_data']), {'periods', 'throttled_periods', 'throttled_time'})
        self.assertEqual(got['pids_stats'], {'current': 1, 'limit': 33})
        memory = got['memory_stats']
        self.assertEqual(memory['limit'], 64 << 20)
        self.assertTrue(0 < memory['usage'] < 64 << 20, memory)
        self.assertIn('inactive_file' if V2 else 'total_inactive_file', memory['stats'])
        self.assertEqual('percpu_usage' in cpu['cpu_usage'], not V2)
        self.assertEqual('max_usage' in memory, not V2)
        self.assertEqual(got['blkio_stats']['io_merged_recursive'], None if V2 else [])
        self.assertEqual((got['num_procs'], got['storage_stats']), (0, {}))

    def test_one_shot(self):
        self.busy('--name', 'shot')
        begun = time.monotonic()
        status, got = self.stats('shot', 'stream=false&one-shot=true')
        self.assertEqual(status, 200)
        self.assertLess(time.monotonic() - begun, 0.8)
        self.assertEqual(got['preread'], ZERO_TIME)
        self.assertEqual(got['precpu_stats']['cpu_usage']['total_usage'], 0)
        self.assertNotIn('system_cpu_usage', got['precpu_stats'])
        self.assertGreater(got['cpu_stats']['cpu_usage']['total_usage'], 0)
        # No limit of its own: the machine's.
        self.assertEqual(got['memory_stats']['limit'], self.engine.get('/info')['MemTotal'])
        status, got = self.stats('shot', 'one-shot=1')
        self.assertEqual((status, got['message']), (400, 'cannot have stream=true and one-shot=true'))
        # Before 1.41 there is no such parameter: two samples.
        self.assertNotEqual(self.stats('shot', 'stream=0&one-shot=1', '/v1.40')[1]['preread'], ZERO_TIME)

    def test_not_running(self):
        self.ok('create', '--name', 'still', '--network', 'none', 'busybox', 'true')
        self.addCleanup(self.docker, 'rm', '-f', 'still')
        begun = time.monotonic()
        status, got = self.stats('still')
        self.assertLess(time.monotonic() - begun, 0.8)
        self.assertEqual((status, got['read'], got['preread'], got['memory_stats'], got['pids_stats']),
                         (200, ZERO_TIME, ZERO_TIME, {}, {}))
        self.assertEqual(got['cpu_stats'], got['precpu_stats'])
        self.assertEqual(got['name'], '/still')
        self.assertIsNone(got['blkio_stats']['io_service_bytes_recursive'])
        self.assertEqual(self.stats('nobody'), (404, {'message': 'No such container: nobody'}))

    def test_a_stream_through_the_container_s_life(self):
        cid = self.ok('create', '--network', 'none', 'busybox', 'sleep', '1000')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        lines = Lines(self.engine, f'/containers/{cid}/stats')
        self.addCleanup(lines.close)
        self.assertEqual(lines.next()['read'], ZERO_TIME)
        self.ok('start', cid)
        harness.until(lambda: lines.next()['read'] != ZERO_TIME, what='it is seen to run')
        first, second = lines.next(), lines.next()
        self.assertEqual(second['preread'], first['read'])
        self.assertGreater(second['read'], first['read'])
        self.ok('pause', cid)
        self.assertEqual(lines.next()['pids_stats']['current'], 1)
        self.ok('kill', cid)
        harness.until(lambda: lines.next()['read'] == ZERO_TIME, what='it is seen to have ended')
        self.ok('rm', cid)
        harness.until(lambda: lines.next() is None, what='the stream ends with the container')

    def samplers(self):
        self.engine.process.send_signal(10)   # SIGUSR1: the tree of tasks goes to the log
        time.sleep(0.2)
        return self.engine.log().rpartition('loop: ')[2].count('stats sampler')

    def test_one_sampler_for_all_and_none_for_nobody(self):
        cid = self.busy()
        listeners = [Lines(self.engine, f'/containers/{cid}/stats') for _ in range(5)]
        for one in listeners:
            one.next()
        times = {one.next()['read'] for one in listeners}
        self.assertLessEqual(len(times), 2, 'they share the samples')
        self.assertEqual(self.samplers(), 1)
        for one in listeners:
            one.close()
        harness.until(lambda: self.samplers() == 0, what='nobody listens, nothing runs')
        again = Lines(self.engine, f'/containers/{cid}/stats')
        self.assertEqual(again.next()['preread'], ZERO_TIME)
        again.close()

    def test_throttled(self):
        self.busy('--cpus', '0.1', '--name', 'slow')
        time.sleep(0.5)
        got = self.stats('slow')[1]['cpu_stats']['throttling_data']
        self.assertGreater(got['periods'], 0)
        self.assertGreater(got['throttled_periods'], 0)
        self.assertGreater(got['throttled_time'], 0)

    def test_docker_cli(self):
        cid = self.busy('-m', '64m', '--name', 'shown')
        for cli in harness.clis():
            row = json.loads(self.ok('stats', '--no-stream', '--format', '{{json .}}', 'shown', cli=cli))
            self.assertEqual((row['Name'], row['Container'], row['PIDs']), ('shown', 'shown', '1'))
            self.assertGreater(float(row['CPUPerc'].rstrip('%')), 5)
            self.assertTrue(row['MemUsage'].endswith('/ 64MiB'), row)
            table = self.ok('stats', '--no-stream', cli=cli).splitlines()
            self.assertTrue(any(cid[:12] in line and 'shown' in line for line in table[1:]), table)

    def test_dockerc(self):
        cid = self.busy('-m', '64m', '--name', 'ours')
        self.ok('create', '--name', 'ours-still', '--network', 'none', 'busybox', 'true')
        self.addCleanup(self.docker, 'rm', '-f', 'ours-still')

        def dockerc(*args):
            return subprocess.run([DOCKERC, 'stats', *args], env=self.engine.environment(), capture_output=True,
                                  text=True, timeout=30)
        table = dockerc('--no-stream', 'ours', 'ours-still').stdout.splitlines()
        self.assertEqual(table[0].split(),
                         'CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS'.split())
        self.assertIn(cid[:12], table[1])
        self.assertIn('/ 64MiB', table[1])
        self.assertEqual(table[2].split()[1:], ['ours-still', '--', '--', '--', '--', '--', '--'])
        row = json.loads(dockerc('--no-stream', '--no-trunc', '--format', 'json', 'ours').stdout)
        self.assertEqual((row['ID'], row['Container'], row['PIDs']), (cid, 'ours', '1'))
        self.assertGreater(float(row['CPUPerc'].rstrip('%')), 5)
        self.assertEqual(dockerc('--no-stream', '--format', r'{{.Name}}\t{{ .PIDs }}', 'ours').stdout, 'ours\t1\n')
        names = dockerc('--no-stream', '--format', '{{.Name}}').stdout.split()
        self.assertIn('ours', names)
        self.assertNotIn('ours-still', names)
        self.assertIn('ours-still', dockerc('-a', '--no-stream', '--format', '{{.Name}}').stdout.split())
        refused = dockerc('--format', '{{.Nothing}}')
        self.assertEqual(refused.returncode, 125)
        self.assertIn('No such container: nobody', dockerc('nobody').stderr)
        screen = Terminal([DOCKERC, 'stats'], env=self.engine.environment(), columns=150)
        self.addCleanup(screen.close)
        screen.expect('ours')
        self.start('--name', 'later', 'busybox', 'sleep', '1000')
        screen.expect('later')
        screen.process.terminate()

    def test_docker_py(self):
        self.busy('-m', '64m', '--name', 'python')
        script = r'''
import sys
import docker
c = docker.DockerClient(base_url=sys.argv[1]).containers.get('python')
one = c.stats(stream=False)
assert one['memory_stats']['limit'] == 64 << 20, one
assert one['cpu_stats']['cpu_usage']['total_usage'] > one['precpu_stats']['cpu_usage']['total_usage'] > 0, one
lines = c.stats(decode=True)
assert next(lines)['id'] == c.id and next(lines)['pids_stats']['current'] == 1
'''
        r = subprocess.run(['/usr/bin/python3', '-c', script, 'unix://' + self.engine.socket], capture_output=True,
                           text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)


class Interfaces(NetworkCase):
    def test_counts_of_each_network(self):
        self.ok('network', 'create', 'counted')
        self.ok('run', '-d', '--name', 'talks', 'busybox', 'sleep', '1000')
        self.ok('network', 'connect', 'counted', 'talks')
        self.ok('run', '-d', '--name', 'joined', '--network', 'container:talks', 'busybox', 'sleep', '1000')
        gateway = self.engine.get('/containers/talks/json')['NetworkSettings']['Networks']['bridge']['Gateway']
        self.ok('exec', 'talks', 'ping', '-c', '3', gateway)
        got = json.loads(self.engine.http('GET', '/containers/talks/stats?stream=0&one-shot=1')[1])['networks']
        self.assertEqual(set(got), {'eth0', 'eth1'})
        self.assertGreaterEqual(got['eth0']['tx_packets'], 3)
        self.assertGreaterEqual(got['eth0']['rx_bytes'], 3 * 64)
        self.assertEqual(set(got['eth1']), {'rx_bytes', 'rx_packets', 'rx_errors', 'rx_dropped', 'tx_bytes',
                                            'tx_packets', 'tx_errors', 'tx_dropped'})
        joined = json.loads(self.engine.http('GET', '/containers/joined/stats?stream=0&one-shot=1')[1])
        self.assertEqual(set(joined['networks']), {'eth0', 'eth1'})
        old = json.loads(self.engine.http('GET', '/v1.20/containers/talks/stats?stream=0')[1])
        self.assertNotIn('networks', old)
        self.assertGreaterEqual(old['network']['tx_packets'], 3)
