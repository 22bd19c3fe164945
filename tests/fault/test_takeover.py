"""200 containers run, log, exec and are attached while the engine is ended in every way and replaced by another."""
import calendar
import json
import os
import re
import shutil
import signal
import threading
import time

import harness
import streams
from fault_case import FaultCase

MANY = int(os.environ.get('FAULT_CONTAINERS', '200'))   # fewer for a machine that is too slow
# Five numbered lines every 2 s or so, until it is told to end.
COUNT = ('trap "echo ended; exit 7" TERM; i=0; while true; do for x in 1 2 3 4 5; do echo "line $i"; i=$((i+1)); done; '
         'sleep 2; done')


class Takeover(FaultCase):
    alone = True

    def at_once(self, work, items, clients=6):
        """Does the work for all items, by several clients."""
        left, failed = list(items), []

        def loop():
            while left and not failed:
                try:
                    work(left.pop())
                except Exception as e:   # told by the test's own thread
                    failed.append(e)
        threads = [threading.Thread(target=loop) for _ in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failed:
            raise failed[0]

    def post(self, path, body=None, wanted=(200, 201, 204)):
        status, answer, _ = self.engine.http('POST', path, body, timeout=60)
        self.assertIn(status, wanted, (path, answer))
        return json.loads(answer) if answer else None

    def run_one(self, script, **host):
        body = {'Image': 'busybox', 'Cmd': ['sh', '-c', script], 'HostConfig': {'NetworkMode': 'none', **host}}
        cid = self.post('/containers/create', body)['Id']
        self.post(f'/containers/{cid}/start')
        return cid

    def exec_one(self, cid, script):
        eid = self.post(f'/containers/{cid}/exec', {'Cmd': ['sh', '-c', script]})['Id']
        self.post(f'/exec/{eid}/start', {'Detach': True})
        return eid

    def end(self, how):
        if how is None:
            self.engine.stop()
        else:
            self.engine.process.send_signal(how)
            self.engine.process.wait()

    def replace(self, how, binary):
        """Ends the engine by a signal (none: in good order) and starts another, of another path."""
        self.end(how)
        before = os.environ.get('DOCKERCD')
        os.environ['DOCKERCD'] = binary
        try:
            self.engine.start()
        finally:
            if before is None:
                del os.environ['DOCKERCD']
            else:
                os.environ['DOCKERCD'] = before

    def newer(self):
        """The engine's binaries at another place, as after an upgrade beside the old ones."""
        folder = os.path.join(self.engine.dir, 'newer')
        if not os.path.exists(folder):
            os.mkdir(folder)
            for name in ('dockercd', 'dockercd-keeper', 'dockercd-init', 'dockercd-registry'):
                shutil.copy(harness.built(name), folder)
        return ' '.join(harness.engine_command()).replace(harness.built('dockercd'), os.path.join(folder, 'dockercd'))

    def check_lines(self, cid):
        """No numbered line is missing, none is there twice."""
        text = self.docker('logs', cid, timeout=120).stdout
        numbers = [int(n) for n in re.findall(r'^line (\d+)$', text, re.M)]
        self.assertGreater(len(numbers), 10)
        self.assertEqual(numbers, list(range(len(numbers))), cid)
        return text

    def test_all_go_on(self):
        self.addCleanup(self.remove_all)
        counting = []
        self.at_once(lambda _: counting.append(self.run_one(COUNT)), range(MANY))
        execs = []
        self.at_once(lambda cid: execs.append(self.exec_one(cid, 'sleep 1000')), counting[:20])
        pids = {cid: self.state(cid)['Pid'] for cid in counting}
        attached = [streams.upgrade(self.engine, f'/containers/{cid}/attach?stream=1&stdout=1')[0]
                    for cid in counting[:20]]
        for how, binary in ((None, self.newer()), (signal.SIGKILL, ' '.join(harness.engine_command())),
                            (signal.SIGABRT, self.newer())):
            codes = [self.run_one('sleep 1; date +%s; exit 9') for _ in range(4)]
            removed = [self.run_one('sleep 1', AutoRemove=True) for _ in range(4)]
            again = self.run_one('echo run; sleep 1; exit 4', RestartPolicy={'Name': 'on-failure',
                                                                            'MaximumRetryCount': 1})
            stopped = self.run_one('trap "" TERM; echo up; while true; do sleep 0.1; done')
            harness.until(lambda: self.logged(stopped) == 'up\n')
            stopping = threading.Thread(target=lambda: self.docker('stop', '-t', '3', stopped))
            begun = time.time()
            stopping.start()
            time.sleep(0.5)
            # An engine takes the records of execs whose end it has told along.
            ending = [self.exec_one(cid, 'sleep 3; exit 5') for cid in counting[20:24]]
            self.replace(how, binary)
            stopping.join()
            # All are there, with their processes.
            states = {c['Id']: c['State'] for c in self.engine.get('/containers/json?all=1')}
            self.assertEqual({cid for cid in counting if states[cid] == 'running'}, set(counting))
            for cid in counting[:20]:
                self.assertEqual(self.state(cid)['Pid'], pids[cid])
            for eid in execs:
                self.assertTrue(self.engine.get(f'/exec/{eid}/json')['Running'])
            # What is opened again goes on.
            s, _, early = streams.upgrade(self.engine, f'/containers/{counting[0]}/attach?stream=1&stdout=1')
            streams.read_until(s, b'line ', early)
            s.close()
            follower = self.engine.connect()
            follower.sendall(f'GET /containers/{counting[1]}/logs?stdout=1&follow=1&tail=1 HTTP/1.1\r\n'
                             'Host: d\r\n\r\n'.encode())
            streams.read_until(follower, b'line ')
            follower.close()
            # What ended meanwhile, and what was promised.
            for cid in codes:
                self.assertEqual(self.post(f'/containers/{cid}/wait')['StatusCode'], 9)
                ended = int(self.logged(cid))
                finished = calendar.timegm(time.strptime(self.state(cid)['FinishedAt'][:19], '%Y-%m-%dT%H:%M:%S'))
                self.assertTrue(-1 <= finished - ended <= 10, (finished, ended))   # 200 others want the processors
            for eid in ending:
                harness.until(lambda: not self.engine.get(f'/exec/{eid}/json')['Running'], what='the exec has ended')
                self.assertEqual(self.engine.get(f'/exec/{eid}/json')['ExitCode'], 5)
            harness.until(lambda: not set(removed) & self.listed(), what='auto-removal')
            harness.until(lambda: self.state(again)['Status'] == 'exited', what='the restart')
            self.assertEqual(self.engine.get(f'/containers/{again}/json')['RestartCount'], 1)
            self.assertEqual(self.post(f'/containers/{stopped}/wait')['StatusCode'], 137)
            self.assertLess(time.time() - begun, 20)
            for cid in (*codes, again, stopped):
                self.engine.http('DELETE', f'/containers/{cid}')
        for s in attached:
            s.close()
        waiting = []
        threads = [threading.Thread(target=lambda c=cid: waiting.append(
            self.post(f'/containers/{c}/wait')['StatusCode'])) for cid in counting[:10]]
        for t in threads:
            t.start()
        self.at_once(lambda cid: self.post(f'/containers/{cid}/stop?t=30'), counting)
        for t in threads:
            t.join()
        self.assertEqual(waiting, [7] * 10)
        for cid in counting:
            self.assertTrue(self.check_lines(cid).endswith('ended\n'))
        self.check_invariants(counting)

    def test_early_requests_wait_for_the_takeover(self):
        """Whoever asks for the output of a container that is not yet taken over gets it, and the list is right."""
        self.addCleanup(self.remove_all)
        cids = []
        self.at_once(lambda _: cids.append(self.run_one('while read x; do echo "$x"; done; sleep 1000')), range(60))
        for _ in range(3):
            self.engine.kill()
            os.unlink(self.engine.socket)
            answers = {}

            def ask(path):
                while True:
                    try:
                        answers[path] = self.engine.http('GET', path)
                        return
                    except OSError:
                        time.sleep(0.001)
            paths = ['/containers/json', f'/containers/{cids[0]}/logs?stdout=1', f'/containers/{cids[-1]}/json',
                     f'/containers/{cids[-1]}/top', '/_ping', '/info']
            threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
            for t in threads:
                t.start()
            self.engine.start()
            for t in threads:
                t.join()
            self.assertEqual({status for status, _, _ in answers.values()}, {200})
            self.assertEqual({c['Id'] for c in json.loads(answers['/containers/json'][1])}, set(cids))
            self.assertEqual(json.loads(answers['/info'][1])['ContainersRunning'], len(cids))
