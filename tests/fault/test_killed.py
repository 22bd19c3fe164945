"""SIGKILL and SIGTERM of the engine at any moment, SIGKILL of its keeper and of a worker."""
import calendar
import os
import random
import signal
import threading
import time

import harness
from fault_case import FaultCase, Load

ROUNDS = int(os.environ.get('FAULT_ROUNDS', '15'))
COUNT = 'i=0; while true; do i=$((i+1)); echo $i; done'


class KilledEngine(FaultCase):
    def again(self):
        self.engine.kill()
        self.engine.start()

    def test_at_any_moment(self):
        seed = int(os.environ.get('FAULT_SEED', time.time_ns() % 1000000))
        random.seed(seed)
        for number in range(ROUNDS):
            with self.subTest(seed=seed, round=number):
                load = Load(self.engine)
                time.sleep(random.random() * 0.3)
                self.again()
                load.end()
                self.check_invariants(load.kept, load.asked)
                self.remove_all()
                self.check_invariants((), load.asked)

    def test_running_containers_are_taken_over(self):
        cid = self.start('--name', 'kept', 'busybox', 'sleep', '1000')
        before = self.state(cid)
        for end in (self.engine.kill, self.engine.stop):
            end()
            self.engine.start()
            self.assertEqual(self.state('kept'), before)
        self.ok('stop', '-t', '0', 'kept')
        self.assertEqual(self.ok('wait', cid), '137')

    def test_exit_while_the_engine_is_away(self):
        cid = self.start('busybox', 'sh', '-c', 'echo last words; sleep 1; date +%s; exit 6')
        gone = self.ok('run', '-d', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'sleep 1')
        self.engine.kill()
        time.sleep(2.5)
        self.engine.start()
        self.assertEqual(self.ok('wait', cid), '6')
        words, _, ended = self.logged(cid).strip().rpartition('\n')
        self.assertEqual(words, 'last words')
        finished = time.strptime(self.state(cid)['FinishedAt'][:19], '%Y-%m-%dT%H:%M:%S')
        self.assertLessEqual(abs(calendar.timegm(finished) - int(ended)), 1)
        harness.until(lambda: gone not in self.listed(), what='auto-remove')

    def numbers(self, cid):
        """All that it counted; the last one may be cut short by its end."""
        return [int(x) for x in self.logged(cid).split('\n')[:-1]]

    def test_logs_go_on_without_a_gap(self):
        cid = self.start('busybox', 'sh', '-c', COUNT)
        for _ in range(3):
            time.sleep(0.2)
            self.engine.stop()
            time.sleep(0.1)
            self.engine.start()
        self.ok('kill', cid)
        numbers = self.numbers(cid)
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_killed_while_it_logs(self):
        """What the dying engine held in its hands is lost, no more; no line is torn."""
        cid = self.start('busybox', 'sh', '-c', COUNT)
        for _ in range(3):
            time.sleep(0.2)
            self.again()
        self.ok('kill', cid)
        numbers = self.numbers(cid)
        gaps = [(a, b) for a, b in zip(numbers, numbers[1:]) if b != a + 1]
        self.assertLessEqual(len(gaps), 3, gaps)
        self.assertTrue(all(a < b for a, b in gaps), gaps)

    def test_attached_again(self):
        cid = self.ok('create', '-i', '--network', 'none', 'busybox', 'cat')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        self.ok('start', cid)
        self.again()
        r = self.docker('attach', cid, input='through the new engine\n', timeout=20)
        self.assertEqual(r.stdout, 'through the new engine\n')

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
            harness.until(lambda: os.listdir(self.engine.data + '/tmp') == [], what='tmp is empty')
        self.assertEqual(self.engine.load(data)[0], 200)


class KilledHelpers(FaultCase):
    def test_keeper_under_a_running_engine(self):
        cid = self.start('busybox', 'sleep', '1000')
        pid = self.state(cid)['Pid']
        os.kill(self.keeper_pid(), signal.SIGKILL)
        self.assertEqual(self.ok('wait', cid), '137')
        harness.until(lambda: not os.path.exists(f'/proc/{pid}'), what='the container has ended')
        self.check_invariants({cid})
        self.ok('start', cid)
        self.assertIsNotNone(self.keeper_pid())
        self.assertTrue(self.state(cid)['Running'])

    def test_keeper_and_engine(self):
        cid = self.start('busybox', 'sleep', '1000')
        pid = self.state(cid)['Pid']
        keeper = self.keeper_pid()
        self.engine.kill()
        os.kill(keeper, signal.SIGKILL)
        self.engine.start()
        self.assertEqual(self.ok('wait', cid), '255')
        harness.until(lambda: not os.path.exists(f'/proc/{pid}'), what='the container has ended')
        self.check_invariants({cid})
        self.ok('start', cid)

    def test_worker_in_the_middle_of_a_load(self):
        data = harness.save_tar('half:1', [harness.busybox_layer()])
        s = self.engine.connect()
        head = b'POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n' % len(data)
        s.sendall(head + data[:len(data) // 2])
        worker = harness.until(lambda: self.worker_pid('load'), what='a worker')
        os.kill(worker, signal.SIGKILL)
        try:
            s.sendall(data[len(data) // 2:])
            answer = s.recv(65536)
        except OSError:
            answer = b''
        s.close()
        self.assertTrue(b' 200 OK' not in answer[:20] or b'error' in answer, answer)
        self.assertEqual(self.engine.http('GET', '/images/half:1/json')[0], 404)
        self.check_invariants()
        self.assertEqual(self.engine.load(data)[0], 200)

    def worker_pid(self, verb):
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as f:
                    words = f.read().split(b'\0')
                with open(f'/proc/{pid}/status') as f:
                    ours = f'PPid:\t{self.engine.process.pid}\n' in f.read()
            except OSError:
                continue
            if ours and words[1:3] == [b'worker', verb.encode()]:
                return int(pid)
        return None


class Refused(FaultCase):
    def refusal(self, *options):
        command = [*harness.engine_command(), '--bridge', 'none', *options]
        r = harness.subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.assertNotEqual(r.returncode, 0)
        return r.stderr

    def test_a_second_engine(self):
        mine, other = self.engine.dir, self.engine.dir + '/other'
        roots = ['--data-root', other + '/data', '--exec-root', other + '/run']
        self.assertIn('uses the data root ' + self.engine.data,
                      self.refusal('-H', f'unix://{other}.sock', '--data-root', self.engine.data,
                                   '--exec-root', other + '/run'))
        self.assertIn(f'uses the exec root {mine}/run',
                      self.refusal('-H', f'unix://{other}.sock', '--data-root', other + '/data',
                                   '--exec-root', mine + '/run'))
        self.assertIn('another daemon answers on ' + self.engine.socket,
                      self.refusal('-H', 'unix://' + self.engine.socket, *roots))
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)

    def test_a_stale_socket_is_replaced(self):
        self.engine.kill()
        self.assertTrue(os.path.exists(self.engine.socket))
        unlink, os.unlink = os.unlink, lambda path: None   # the harness tidies up; here the engine has to
        try:
            self.engine.start()
        finally:
            os.unlink = unlink
