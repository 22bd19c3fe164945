"""docker logs: drivers, options, every way to ask, and files that are not as they should be."""
import gzip
import json
import os
import re
import threading
import time
import unittest

import harness
import streams
from case import EngineCase

try:
    import docker as docker_py
except ImportError:
    docker_py = None

DRIVERS = ('json-file', 'local')


class Logs(EngineCase):
    def create(self, command, driver='json-file', options=None, **fields):
        host = {'NetworkMode': 'none', 'LogConfig': {'Type': driver, 'Config': options or {}}}
        body = {'Image': 'busybox', 'Cmd': command, 'HostConfig': host, **fields}
        status, answer, _ = self.engine.http('POST', '/containers/create', body)
        self.assertEqual(status, 201, answer)
        cid = json.loads(answer)['Id']
        self.addCleanup(self.engine.http, 'DELETE', f'/containers/{cid}?force=1')
        return cid

    def run_to_end(self, command, driver='json-file', options=None, **fields):
        cid = self.create(command, driver, options, **fields)
        self.assertEqual(self.engine.http('POST', f'/containers/{cid}/start')[0], 204)
        self.engine.http('POST', f'/containers/{cid}/wait')
        return cid

    def logs(self, cid, query='stdout=1&stderr=1'):
        status, body, _ = self.engine.http('GET', f'/containers/{cid}/logs?{query}')
        self.assertEqual(status, 200, body)
        return body

    def text(self, cid, query='stdout=1&stderr=1'):
        out, err = streams.unframe(self.logs(cid, query))
        return out + err

    def file(self, cid, driver='json-file'):
        base = f'{self.engine.data}/containers/{cid}/'
        return base + (f'{cid}-json.log' if driver == 'json-file' else 'local-logs/container.log')

    def start_and_read(self, script, path):
        """What is read right behind the start, and how long that took; the container stays."""
        cid = self.create(['sh', '-c', script])
        self.assertEqual(self.engine.http('POST', f'/containers/{cid}/start')[0], 204)
        begun = time.monotonic()
        status, body, _ = self.engine.http(*path(cid))
        self.assertEqual(status, 200, body)
        return b''.join(streams.unframe(body)), time.monotonic() - begun

    def test_the_first_line_is_waited_for(self):
        def logs(cid):
            return 'GET', f'/containers/{cid}/logs?stdout=1&stderr=1'

        def attach(cid):
            return 'POST', f'/containers/{cid}/attach?logs=1&stdout=1&stderr=1'
        for path in (logs, attach):
            for _ in range(5):
                self.assertEqual(self.start_and_read('echo first; sleep 100', path)[0], b'first\n')
                # Errors count, and the end of a container that says nothing is not waited for any longer.
                self.assertEqual(self.start_and_read('echo e >&2; sleep 100', path)[0], b'e\n')
            text, took = self.start_and_read('usleep 40000; echo late; sleep 100', path)
            self.assertIn(text, (b'late\n', b''))   # b'': on a machine too busy for 60 ms
            text, took = self.start_and_read('sleep 100', path)
            self.assertEqual(text, b'')
            self.assertLess(took, 1)

    def test_the_first_line_is_not_waited_for(self):
        cid = self.create(['sleep', '100'])
        self.assertEqual(self.text(cid), b'')   # not started
        self.assertEqual(self.engine.http('POST', f'/containers/{cid}/start')[0], 204)
        time.sleep(0.15)

        def fastest(query):
            took = []
            for _ in range(5):
                begun = time.monotonic()
                self.logs(cid, query)
                took.append(time.monotonic() - begun)
            return min(took)
        self.assertLess(fastest('stdout=1'), 0.05, 'started long ago')
        took = []
        for _ in range(3):
            self.assertEqual(self.engine.http('POST', f'/containers/{cid}/restart?t=0')[0], 204)
            took.append(fastest('stdout=1&tail=0'))
        self.assertLess(min(took), 0.05, 'none of what it prints is asked for')

    def test_streams_and_bytes(self):
        for driver in DRIVERS:
            cid = self.run_to_end(['sh', '-c', 'echo out; echo err >&2; printf "no end"'], driver)
            self.assertEqual(streams.unframe(self.logs(cid)), (b'out\nno end', b'err\n'))
            self.assertEqual(streams.unframe(self.logs(cid, 'stderr=1')), (b'', b'err\n'))
            tty = self.run_to_end(['echo', 'raw'], driver, Tty=True)
            self.assertEqual(self.logs(tty), b'raw\r\n')

    def test_bytes_that_are_not_utf8(self):
        script = ['printf', 'a\\377b\\n']
        self.assertEqual(self.text(self.run_to_end(script)), b'a\xef\xbf\xbdb\n')   # JSON has no other bytes
        self.assertEqual(self.text(self.run_to_end(script, 'local')), b'a\xffb\n')

    def test_long_lines_are_split_as_by_dockerd(self):
        for size in (16383, 16384, 16385, 40000):
            for driver in DRIVERS:
                cid = self.run_to_end(['sh', '-c', f'head -c {size} /dev/zero | tr "\\0" x; echo'], driver)
                self.assertEqual(self.text(cid), b'x' * size + b'\n')
                pieces = self.logs(cid)
                sizes = []
                while pieces:
                    n = int.from_bytes(pieces[4:8], 'big')
                    sizes.append(n)
                    pieces = pieces[8 + n:]
                whole, rest = divmod(size, 16384)
                self.assertEqual(sizes, [16384] * whole + [rest + 1], (driver, size))
        with open(self.file(self.run_to_end(['sh', '-c', 'head -c 20000 /dev/zero | tr "\\0" x; echo']))) as f:
            records = [json.loads(line) for line in f]
        self.assertEqual([len(r['log']) for r in records], [16384, 3617])
        self.assertEqual(records[0]['time'], records[1]['time'])

    def test_tail_since_until_timestamps_details(self):
        for driver in DRIVERS:
            cid = self.run_to_end(['sh', '-c', 'for i in 1 2 3; do echo a$i; done; sleep 1.1; '
                                   'for i in 4 5 6; do echo a$i; done'],
                                  driver, {'labels': 'tier', 'env': 'MODE', 'tag': '{{.Name}}'} if driver == 'json-file'
                                  else {'labels': 'tier'}, Labels={'tier': 'web one', 'other': 'x'}, Env=['MODE=a,b'])
            lines = self.text(cid, 'stdout=1&timestamps=1').decode().splitlines()
            self.assertEqual([x.split(' ')[1] for x in lines], ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'])
            for line in lines:
                self.assertRegex(line, r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z a\d$')
            for tail, expected in (('0', b''), ('2', b'a5\na6\n'), ('5', b'a2\na3\na4\na5\na6\n'), ('100', None),
                                   ('all', None),
                                   ('-1', None), ('x', None)):
                self.assertEqual(self.text(cid, f'stdout=1&tail={tail}'), expected if expected is not None
                                 else b'a1\na2\na3\na4\na5\na6\n', tail)
            fourth = lines[3].split(' ')[0]
            self.assertEqual(self.text(cid, f'stdout=1&since={fourth}'), b'a4\na5\na6\n')
            third = lines[2].split(' ')[0]
            self.assertEqual(self.text(cid, f'stdout=1&until={third}'), b'a1\na2\na3\n')
            self.assertEqual(self.text(cid, f'stdout=1&until={third}&tail=5'), b'a2\na3\n')
            detailed = self.text(cid, 'stdout=1&details=1&tail=1')
            self.assertTrue(detailed.endswith(b' a6\n'), detailed)
            self.assertIn(b'tier=web+one', detailed)
            if driver == 'json-file':
                self.assertIn(b'MODE=a%2Cb', detailed)
                self.assertIn(b'tag=', detailed)
        plain = self.run_to_end(['echo', 'x'])
        self.assertEqual(self.text(plain, 'stdout=1&details=1'), b' x\n')

    def test_refusals(self):
        def message(body):
            return json.loads(body)['message']
        none = self.run_to_end(['echo', 'x'], 'none')
        status, body, _ = self.engine.http('GET', f'/containers/{none}/logs?stdout=1')
        self.assertEqual((status, message(body)), (501, 'configured logging driver does not support reading'))
        status, body, _ = self.engine.http('GET', f'/containers/{none}/logs')
        self.assertEqual((status, message(body)), (400, 'Bad parameters: you must choose at least one stream'))
        self.assertEqual(self.engine.http('GET', '/containers/nosuch/logs?stdout=1')[0], 404)
        for driver, options, words in (
                ('syslogd', {}, "logger: no log driver named 'syslogd' is registered"),
                ('json-file', {'nope': '1'}, "unknown log opt 'nope' for json-file log driver"),
                ('local', {'nope': '1'}, "unknown log opt 'nope' for log driver local"),
                ('json-file', {'max-size': 'ten'}, "invalid size: 'ten'"),
                ('json-file', {'max-file': '0'}, 'max-file cannot be less than 1'),
                ('json-file', {'mode': 'x'}, 'logger: logging mode not supported: x')):
            body = {'Image': 'busybox', 'HostConfig': {'LogConfig': {'Type': driver, 'Config': options}}}
            status, answer, _ = self.engine.http('POST', '/containers/create', body)
            self.assertEqual((status, message(answer)), (400, words))

    def test_inspect_tells_driver_and_path(self):
        cid = self.create(['true'])
        facts = self.engine.get(f'/containers/{cid}/json')
        self.assertEqual(facts['HostConfig']['LogConfig'], {'Type': 'json-file', 'Config': {}})
        self.assertEqual(facts['LogPath'], self.file(cid))
        cid = self.create(['true'], 'local', {'max-file': '2'})
        facts = self.engine.get(f'/containers/{cid}/json')
        self.assertEqual(facts['HostConfig']['LogConfig'], {'Type': 'local', 'Config': {'max-file': '2'}})
        self.assertEqual(facts['LogPath'], '')
        self.assertEqual(self.engine.get('/info')['Plugins']['Log'], ['json-file', 'local', 'none'])

    def many(self, count):
        return ['sh', '-c', f'i=0; while [ $i -lt {count} ]; do echo line $i of many; i=$((i+1)); done']

    def numbers(self, text):
        return [int(n) for n in re.findall(rb'line (\d+) of many\n', text)]

    def test_rotation_and_compression(self):
        for driver in DRIVERS:
            cid = self.run_to_end(self.many(20000), driver, {'max-size': '50k', 'max-file': '4', 'compress': 'true'})
            base = self.file(cid, driver)
            harness.until(lambda: all(os.path.exists(f'{base}.{n}.gz') for n in (1, 2, 3)), what='compressed files')
            self.assertFalse(any(os.path.exists(f'{base}.{n}') for n in (1, 2, 3, 4)))
            self.assertFalse(os.path.exists(base + '.4.gz'))
            numbers = self.numbers(self.text(cid))
            self.assertEqual(numbers, list(range(numbers[0], 20000)))
            self.assertGreater(numbers[0], 0)
            self.assertEqual(self.numbers(self.text(cid, f'stdout=1&tail=1000')), list(range(19000, 20000)))
            with gzip.open(base + '.2.gz') as f:
                self.assertGreater(len(f.read()), 40000)

    def test_followers_across_rotation(self):
        for driver in DRIVERS:
            cid = self.create(['sh', '-c', 'read x; i=0; while [ $i -lt 6000 ]; do echo line $i of many; '
                               'i=$((i+1)); [ $((i % 500)) = 0 ] && sleep 0.02; done'], driver,
                              {'max-size': '40k', 'max-file': '50'}, OpenStdin=True, StdinOnce=True)
            typing, _, _ = streams.upgrade(self.engine, f'/containers/{cid}/attach?stream=1&stdin=1')
            self.engine.http('POST', f'/containers/{cid}/start')
            got = [b''] * 4

            def follow(i):
                got[i] = self.text(cid, 'stdout=1&follow=1' + ('&tail=0' if i == 0 else ''))
            threads = [threading.Thread(target=follow, args=(i,)) for i in range(len(got))]
            for t in threads:
                t.start()
            time.sleep(0.3)
            typing.sendall(b'go\n')
            for t in threads:
                t.join()
            typing.close()
            for text in got:
                self.assertEqual(self.numbers(text), list(range(6000)), driver)

    def test_follow_until(self):
        cid = self.create(['sh', '-c', 'while true; do echo tick; sleep 0.1; done'])
        self.engine.http('POST', f'/containers/{cid}/start')
        began = time.time()
        text = self.text(cid, f'stdout=1&follow=1&until={began + 1:.9f}')
        self.assertIn(b'tick', text)
        self.assertTrue(self.engine.get(f'/containers/{cid}/json')['State']['Running'])

    def test_damaged_files_are_read_as_far_as_they_go(self):
        for driver in DRIVERS:
            cid = self.run_to_end(self.many(3000), driver, {'max-size': '20k', 'max-file': '9', 'compress': 'false'}
                                  if driver == 'local' else {'max-size': '40k', 'max-file': '9'})
            path = self.file(cid, driver)
            whole = self.numbers(self.text(cid))
            with open(path + '.1', 'r+b') as f:
                f.seek(5000)
                f.write(b'\0#"garbage"\n' * 10)
            with open(path, 'ab') as f:
                f.write(b'{"log":"torn')
            left = self.numbers(self.text(cid))
            self.assertTrue(set(left) < set(whole))
            self.assertGreater(len(left), len(whole) // 2)
            self.assertEqual(left[0], whole[0])
            self.assertEqual(left[-1], whole[-1])
            harness.until(lambda: cid in self.engine.log() and 'broken records were passed over' in self.engine.log())

    def test_a_broken_compressed_file(self):
        cid = self.run_to_end(self.many(20000), 'json-file', {'max-size': '200k', 'max-file': '9', 'compress': 'true'})
        base = self.file(cid)
        harness.until(lambda: os.path.exists(base + '.2.gz') and not os.path.exists(base + '.2'))
        whole = self.numbers(self.text(cid))
        size = os.path.getsize(base + '.2.gz')
        os.truncate(base + '.2.gz', size // 2)
        left = self.numbers(self.text(cid))
        self.assertLess(len(left), len(whole))
        self.assertEqual((left[0], left[-1]), (whole[0], whole[-1]))

    def test_non_blocking_drops_and_counts(self):
        cid = self.create(['sh', '-c', 'yes | head -c 6000000'], 'json-file',
                          {'mode': 'non-blocking', 'max-buffer-size': '64k'})
        self.engine.http('POST', f'/containers/{cid}/start')
        self.engine.http('POST', f'/containers/{cid}/wait')
        text = self.text(cid)
        self.assertLess(len(text), 6000000)
        told = re.findall(r'its log is behind: (\d+) bytes of output were not logged', self.engine.log())
        self.assertEqual(sum(map(int, told)), 6000000 - len(text))

    def test_non_blocking_drops_whole_lines(self):
        cid = self.create(['sh', '-c', 'i=0; while [ $i -lt 60 ]; do seq 100000000 100020000; i=$((i+1)); done'],
                          'json-file', {'mode': 'non-blocking', 'max-buffer-size': '64k'})
        self.engine.http('POST', f'/containers/{cid}/start')
        self.engine.http('POST', f'/containers/{cid}/wait')
        lines = self.text(cid).split(b'\n')
        self.assertLess(len(lines), 60 * 20001)
        self.assertEqual(lines[0], b'100000000')
        self.assertEqual([line for line in lines[:-1] if not re.fullmatch(rb'1000[012]\d{4}', line)][:5], [])

    def test_a_flood_starves_nobody(self):
        flood = self.start('--log-opt', 'max-size=1m', 'busybox', 'sh', '-c', 'yes flooding the log')
        quiet = self.start('busybox', 'sh', '-c',
                           'i=0; while [ $i -lt 20 ]; do echo line $i of many; i=$((i+1)); sleep 0.05; done')
        self.engine.http('POST', f'/containers/{quiet}/wait')
        self.assertEqual(self.numbers(self.text(quiet)), list(range(20)))
        with open(f'/proc/{self.engine.process.pid}/status') as f:
            rss = int(re.search(r'VmHWM:\s+(\d+)', f.read()).group(1))
        self.assertLess(rss, 100 * 1024)
        self.docker('rm', '-f', flood)

    def test_restarted_container_keeps_its_log(self):
        for driver in DRIVERS:
            cid = self.run_to_end(['echo', 'again'], driver)
            self.engine.http('POST', f'/containers/{cid}/start')
            self.engine.http('POST', f'/containers/{cid}/wait')
            self.assertEqual(self.text(cid), b'again\nagain\n')

    def test_each_cli(self):
        dockerc = harness.built('dockerc')
        cid = self.run_to_end(['sh', '-c', 'echo one; echo two >&2; sleep 0.3; echo three'], Labels={'a': 'b'},
                              options={'labels': 'a'})
        for cli in harness.clis() + [dockerc]:
            r = self.docker('logs', cid, cli=cli)
            self.assertEqual((r.stdout, r.stderr), ('one\nthree\n', 'two\n'), cli)
            self.assertEqual(self.ok('logs', '-n', '1', '--details', cid, cli=cli), 'a=b three')
            self.assertRegex(self.ok('logs', '-t', '--tail', '1', '--since', '1h', cid, cli=cli), r'^\d{4}-.*Z three$')
            self.assertEqual(self.ok('logs', '--until', '1h', cid, cli=cli), '')
            self.assertEqual(self.ok('logs', '-f', cid, cli=cli), 'one\nthree')
            none = self.run_to_end(['echo', 'x'], 'none')
            r = self.docker('logs', none, cli=cli)
            self.assertEqual(r.returncode, 1)
            self.assertIn('configured logging driver does not support reading', r.stderr)

    @unittest.skipIf(docker_py is None, 'python3-docker is not there')
    def test_docker_py(self):
        client = docker_py.APIClient(base_url='unix://' + self.engine.socket)
        self.addCleanup(client.close)
        cid = self.create(['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.2; done'])
        client.start(cid)
        self.assertEqual(b''.join(client.logs(cid, stream=True, follow=True)), b'1\n2\n3\n')
        self.assertEqual(client.logs(cid, tail=1), b'3\n')


class EngineDefaults(EngineCase):
    @classmethod
    def setUpClass(cls):
        command = ' '.join(harness.engine_command())
        before = os.environ.get('DOCKERCD')
        os.environ['DOCKERCD'] = command + ' --log-driver local --log-opt max-size=1m --log-opt max-file=2'
        try:
            super().setUpClass()
        finally:
            if before is None:
                del os.environ['DOCKERCD']
            else:
                os.environ['DOCKERCD'] = before

    def config(self, *args):
        cid = self.ok('create', '--network', 'none', *args, 'busybox', 'true')
        self.addCleanup(self.docker, 'rm', cid)
        return self.engine.get(f'/containers/{cid}/json')['HostConfig']['LogConfig']

    def test_fill_what_a_container_leaves_open(self):
        self.assertEqual(self.engine.get('/info')['LoggingDriver'], 'local')
        self.assertEqual(self.config(), {'Type': 'local', 'Config': {'max-size': '1m', 'max-file': '2'}})
        self.assertEqual(self.config('--log-opt', 'max-file=3')['Config'], {'max-size': '1m', 'max-file': '3'})
        self.assertEqual(self.config('--log-driver', 'json-file'), {'Type': 'json-file', 'Config': {}})


if __name__ == '__main__':
    unittest.main()
