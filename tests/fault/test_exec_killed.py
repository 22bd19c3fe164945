"""Execs while the engine, the keeper or their container is killed."""
import json
import os
import random
import signal
import socket
import threading
import time

import harness
from fault_case import FaultCase

ROUNDS = int(os.environ.get('FAULT_ROUNDS', '15'))


class ExecFaultCase(FaultCase):
    def post(self, path, body=None):
        status, answer, _ = self.engine.http('POST', path, body, timeout=20)
        return status, json.loads(answer) if answer else {}

    def create(self, cid, *cmd, **config):
        status, answer = self.post(f'/containers/{cid}/exec', {'Cmd': list(cmd), **config})
        self.assertEqual(status, 201, answer)
        return answer['Id']

    def detached(self, cid, *cmd, **config):
        eid = self.create(cid, *cmd, **config)
        self.assertEqual(self.post(f'/exec/{eid}/start', {'Detach': True, 'Tty': config.get('Tty', False)})[0], 200)
        return eid

    def attached(self, eid, tty=False):
        body = json.dumps({'Tty': tty}).encode()
        s = self.engine.connect()
        s.sendall(b'POST /exec/%s/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n'
                  b'Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: %d\r\n\r\n' % (eid.encode(), len(body)))
        s.sendall(body)
        data = b''
        while b'\r\n\r\n' not in data:
            data += s.recv(4096)
        return s

    def seen(self, eid):
        return self.engine.get(f'/exec/{eid}/json')

    def pid(self, eid):
        """Of its process, once it is there: 0 would mean ourselves to kill(2)."""
        harness.until(lambda: self.seen(eid)['Pid'] > 0, what='the process of an exec')
        return self.seen(eid)['Pid']

    def exec_ids(self, cid):
        return self.engine.get(f'/containers/{cid}/json')['ExecIDs'] or []

    def ended(self, eid):
        seen = harness.until(lambda: (e := self.seen(eid))['ExitCode'] is not None and e, what='it has ended')
        return seen['ExitCode']


class KilledEngine(ExecFaultCase):
    def test_what_runs_is_taken_over(self):
        cid = self.start('busybox', 'sleep', '1000')
        plain = self.detached(cid, 'sh', '-c', 'while ! test -e /tmp/go; do sleep 0.05; done; exit 6')
        terminal = self.detached(cid, 'sh', '-c', 'while ! test -e /tmp/go; do echo .; sleep 0.05; done; tty; exit 7',
                                 Tty=True, AttachStdout=True, User='user', DetachKeys='ctrl-a')
        fed = self.create(cid, 'sh', '-c', 'cat; exit 8', AttachStdin=True, AttachStdout=True, AttachStderr=True)
        stream = self.attached(fed)
        stream.sendall(b'half a line')
        waiting = self.create(cid, 'true')
        for eid in (plain, terminal, fed):
            self.pid(eid)   # it may be told as running a moment before its process is
        before = {eid: self.seen(eid) for eid in (plain, terminal, fed)}
        self.assertTrue(all(e['Running'] for e in before.values()))
        for end in (self.engine.kill, self.engine.stop):
            end()
            self.engine.start()
            self.assertEqual({eid: self.seen(eid) for eid in before}, before)
            self.assertEqual(set(self.exec_ids(cid)), set(before))
            self.assertEqual(self.engine.http('GET', f'/exec/{waiting}/json')[0], 404)
            self.assertEqual(self.post(f'/exec/{plain}/start', {'Detach': True})[0], 409)
            self.assertEqual(self.post(f'/exec/{terminal}/resize?h=10&w=20')[0], 200)
        stream.close()
        self.assertTrue(self.seen(fed)['Running'], 'its stdin is the new engine\'s')
        self.ok('exec', cid, 'touch', '/tmp/go')
        self.assertEqual((self.ended(plain), self.ended(terminal)), (6, 7))
        os.kill(self.pid(fed), signal.SIGTERM)
        self.ended(fed)
        self.assertEqual(self.exec_ids(cid), [])
        events = self.engine.http('GET', f'/events?since=1h&until={time.time():.9f}&filters={{"event":["exec_die"]}}')[1]
        self.assertGreaterEqual({json.loads(e)['Actor']['Attributes']['execID'] for e in events.splitlines()},
                                {plain, terminal})

    def test_ends_while_the_engine_is_away(self):
        cid = self.start('busybox', 'sleep', '1000')
        alone = self.detached(cid, 'sh', '-c', 'sleep 0.5; exit 9')
        other = self.start('busybox', 'sh', '-c', 'sleep 0.5')
        both = self.detached(other, 'sleep', '1000')
        self.engine.kill()
        time.sleep(1.5)
        self.engine.start()
        self.assertEqual(self.ended(alone), 9)
        self.assertEqual(self.ended(both), 137)
        self.assertEqual(self.ok('wait', other), '0')
        self.assertEqual(self.docker('exec', cid, 'true').returncode, 0)

    def test_at_any_moment(self):
        """Clients that exec all the time; after each kill every answer is true and nothing is left behind."""
        seed = int(os.environ.get('FAULT_SEED', time.time_ns() % 1000000))
        random.seed(seed)
        cid = self.start('busybox', 'sleep', '1000')
        for number in range(ROUNDS):
            with self.subTest(seed=seed, round=number):
                over = threading.Event()

                def work():
                    while not over.is_set():
                        try:
                            tty = random.random() < 0.3
                            eid = self.post(f'/containers/{cid}/exec', {'Cmd': ['sleep', '0.02'], 'Tty': tty,
                                                                        'AttachStdout': True})[1]['Id']
                            self.post(f'/exec/{eid}/start', {'Detach': True, 'Tty': tty})
                        except (OSError, ValueError, KeyError, harness.http.client.HTTPException):
                            return
                threads = [threading.Thread(target=work) for _ in range(3)]
                for t in threads:
                    t.start()
                time.sleep(random.random() * 0.3)
                self.engine.kill()
                over.set()
                for t in threads:
                    t.join()
                self.engine.start()
                for eid in self.exec_ids(cid):
                    seen = self.engine.http('GET', f'/exec/{eid}/json')
                    self.assertEqual(seen[0], 200)
                harness.until(lambda: self.exec_ids(cid) == [], what='what ran has ended')
                self.assertEqual(self.ok('exec', cid, 'sh', '-c', 'set -- /proc/[0-9]*; echo $#'), '2')


class KilledOthers(ExecFaultCase):
    def test_container_during_execs(self):
        for options in ((), ('--pid', 'host')):
            cid = self.start(*options, 'busybox', 'sleep', '1000')
            running = [self.detached(cid, 'sleep', '1000') for _ in range(5)]
            stream = self.attached(self.create(cid, 'cat', AttachStdin=True, AttachStdout=True))
            pids = [self.seen(eid)['Pid'] for eid in running]
            self.ok('kill', cid)
            self.assertEqual({self.ended(eid) for eid in running}, {137})
            self.assertEqual(stream.recv(100), b'', 'the client is let go')
            stream.close()
            harness.until(lambda: not any(os.path.exists(f'/proc/{p}') for p in pids), what='they are gone')
            self.assertEqual(self.post(f'/exec/{running[0]}/start', {'Detach': True})[0], 409)
        self.check_invariants()

    def test_starts_against_the_end(self):
        """An exec that comes as the container goes is refused or killed, never left."""
        for _ in range(ROUNDS):
            cid = self.ok('run', '-d', '--rm', '--network', 'none', 'busybox', 'sleep', '0.1')
            answers = []

            def work():
                while True:
                    status, answer = self.post(f'/containers/{cid}/exec', {'Cmd': ['sleep', '1000']})
                    if status != 201:
                        answers.append((status, answer))
                        return
                    status, answer = self.post(f'/exec/{answer["Id"]}/start', {'Detach': True})
                    if status != 200:
                        answers.append((status, answer))
            threads = [threading.Thread(target=work) for _ in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(30)
            self.assertTrue(answers)
            self.assertLessEqual({status for status, _ in answers}, {404, 409}, answers)
            harness.until(lambda: cid not in self.listed(), what='it is gone')
        self.check_invariants()

    def test_keeper(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.detached(cid, 'sleep', '1000')
        fed = self.create(cid, 'cat', AttachStdin=True, AttachStdout=True)
        stream = self.attached(fed)
        pid = self.pid(eid)
        self.pid(fed)
        os.kill(self.keeper_pid(), signal.SIGKILL)
        self.assertEqual(self.ended(eid), 137)
        stream.settimeout(10)
        self.assertEqual(stream.recv(100), b'')
        stream.close()
        self.assertEqual(self.ok('wait', cid), '137')
        harness.until(lambda: not os.path.exists(f'/proc/{pid}'), what='it is gone')
        self.assertEqual(self.post(f'/containers/{cid}/exec', {'Cmd': ['true']})[0], 409)
        self.ok('start', cid)
        self.assertEqual(self.docker('exec', cid, 'true').returncode, 0)

    def test_a_stopped_one_holds_up_nobody(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.create(cid, 'cat', AttachStdin=True, AttachStdout=True)
        s = self.attached(eid)
        os.kill(self.pid(eid), signal.SIGSTOP)
        self.assertEqual(self.docker('exec', cid, 'true').returncode, 0)
        os.kill(self.pid(eid), signal.SIGKILL)
        self.assertEqual(s.recv(100), b'')
        s.close()
        self.assertEqual(self.ended(eid), 137)


class Clients(ExecFaultCase):
    def test_one_that_never_reads(self):
        cid = self.start('busybox', 'sleep', '1000')
        s = self.attached(self.create(cid, 'yes', AttachStdout=True))
        time.sleep(0.5)
        for _ in range(5):
            self.assertEqual(self.docker('exec', cid, 'true').returncode, 0)
        with open(f'/proc/{self.engine.process.pid}/statm') as f:
            self.assertLess(int(f.read().split()[1]) * 4096, 100 << 20)
        s.close()
        harness.until(lambda: 'yes' in self.ok('exec', cid, 'ps'), what='it goes on')

    def test_vanishing(self):
        cid = self.start('busybox', 'sleep', '1000')
        for _ in range(30):
            eid = self.create(cid, 'cat', AttachStdin=True, AttachStdout=True)
            s = self.attached(eid)
            s.sendall(b'x' * 1000)
            if random.random() < 0.5:
                s.shutdown(socket.SHUT_WR)
            s.close()
        harness.until(lambda: self.exec_ids(cid) == [], what='their input has ended, and so have they')
