"""What was begun or promised before the engine died is honoured by the next: restarts, stops, pauses."""
import os
import random
import subprocess
import threading
import time

import harness
from fault_case import FaultCase

ROUNDS = int(os.environ.get('FAULT_ROUNDS', '8'))


class Promises(FaultCase):
    def again(self):
        self.engine.kill()
        self.engine.start()

    def count(self, cid):
        return self.engine.get(f'/containers/{cid}/json')['RestartCount']

    def background(self, *args):
        p = self.engine.popen(*args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        return p

    def test_killed_in_the_pause_before_a_restart(self):
        cid = self.start('--restart', 'on-failure:5', 'busybox', 'sh', '-c', 'echo run; exit 3')
        for wanted in (3, 4):
            harness.until(lambda: self.count(cid) >= wanted and self.state(cid)['Restarting'])
            count = self.count(cid)
            self.again()
            self.assertGreaterEqual(self.count(cid), count)
        harness.until(lambda: self.state(cid)['Status'] == 'exited')
        self.assertEqual(self.count(cid), 5)
        self.assertEqual(self.logged(cid).split(), ['run'] * 6)
        self.check_invariants({cid})

    def test_ended_while_the_engine_is_away(self):
        cid = self.start('--restart', 'always', 'busybox', 'sh', '-c', 'echo run; sleep 1')
        once = self.start('--restart', 'on-failure:1', 'busybox', 'sh', '-c', 'sleep 1; exit 3')
        self.engine.kill()
        time.sleep(1.5)
        self.engine.start()
        harness.until(lambda: self.count(cid) >= 2)
        harness.until(lambda: self.state(once)['Status'] == 'exited' and self.count(once) == 1)

    def test_killed_in_the_timeout_of_a_stop(self):
        cid = self.start('busybox', 'sleep', '1000')   # pid 1 without a handler
        self.background('stop', '-t', '2', cid)
        time.sleep(0.5)
        self.again()
        self.assertTrue(self.state(cid)['Running'])
        harness.until(lambda: not self.state(cid)['Running'])
        self.assertEqual(self.state(cid)['ExitCode'], 137)

    def test_killed_in_a_stop_of_one_that_restarts(self):
        cid = self.start('--restart', 'always', 'busybox', 'sleep', '1000')
        self.background('stop', '-t', '1', cid)
        time.sleep(0.4)
        self.again()
        harness.until(lambda: not self.state(cid)['Running'])
        time.sleep(0.5)
        self.assertEqual((self.state(cid)['Status'], self.count(cid)), ('exited', 0))

    def test_killed_in_a_restart(self):
        cid = self.start('busybox', 'sleep', '1000')
        pid = self.state(cid)['Pid']
        self.background('restart', '-t', '1', cid)
        time.sleep(0.4)
        self.again()
        harness.until(lambda: self.state(cid)['Running'] and self.state(cid)['Pid'] not in (0, pid))
        gone = self.ok('run', '-d', '--rm', '--network', 'none', 'busybox', 'sleep', '1000')
        pid = self.state(gone)['Pid']
        self.background('restart', '-t', '1', gone)
        time.sleep(0.4)
        self.again()
        # A kill before the restart is done would end the old run, and the container would be started again.
        harness.until(lambda: self.state(gone)['Running'] and self.state(gone)['Pid'] not in (0, pid))
        self.ok('kill', gone)
        harness.until(lambda: gone not in self.listed(), what='auto-remove')

    def test_killed_while_paused(self):
        cid = self.start('busybox', 'sh', '-c', 'i=0; while true; do i=$((i+1)); echo $i; sleep 0.02; done')
        self.ok('pause', cid)
        for end in (self.engine.kill, self.engine.stop):
            end()
            self.engine.start()
            self.assertEqual(self.state(cid)['Status'], 'paused')
        before = self.logged(cid)
        time.sleep(0.2)
        self.assertEqual(self.logged(cid), before)
        self.ok('unpause', cid)
        harness.until(lambda: len(self.logged(cid)) > len(before))
        self.ok('pause', cid)
        self.again()
        self.ok('stop', '-t', '0', cid)
        self.assertEqual(self.state(cid)['Status'], 'exited')

    def frozen(self, cid):
        for path, word in ((f'/sys/fs/cgroup/freezer/docker/{cid}/freezer.state', 'FROZEN'),
                           (f'/sys/fs/cgroup/docker/{cid}/cgroup.events', 'frozen 1')):
            if os.path.exists(path):
                with open(path) as f:
                    return word in f.read()
        return False

    def test_killed_in_the_middle_of_a_pause(self):
        seed = int(os.environ.get('FAULT_SEED', time.time_ns() % 1000000))
        random.seed(seed)
        cid = self.start('busybox', 'sh', '-c', 'while true; do true; sleep 0.001; done')
        for number in range(ROUNDS):
            with self.subTest(seed=seed, round=number):
                thread = threading.Thread(target=self.pause_and_unpause, args=(cid,))
                thread.start()
                time.sleep(random.random() * 0.1)
                self.again()
                thread.join()
                harness.until(lambda: (self.state(cid)['Status'] == 'paused') == self.frozen(cid), 5, 'one truth')
                self.assertTrue(self.state(cid)['Running'])

    def pause_and_unpause(self, cid):
        try:
            while True:
                for verb in ('pause', 'unpause'):
                    self.engine.http('POST', f'/containers/{cid}/{verb}', timeout=20)
        except (OSError, harness.http.client.HTTPException):   # the engine is gone
            return

    def test_what_should_run_is_started_with_the_engine(self):
        ids = {}
        for policy in ('always', 'unless-stopped', 'no'):
            for stopped in (False, True):
                cid = self.start('--restart', policy, 'busybox', 'sleep', '1000')
                ids[policy, stopped] = (cid, self.state(cid)['Pid'])
                if stopped:
                    self.ok('stop', '-t', '0', cid)
        never = self.ok('create', '--restart', 'always', '--network', 'none', 'busybox', 'sleep', '1000')
        self.addCleanup(self.docker, 'rm', '-f', never)
        self.engine.stop()
        self.engine.start()
        harness.until(lambda: self.state(ids['always', True][0])['Running'])
        for (policy, stopped), (cid, pid) in ids.items():
            state = self.state(cid)
            self.assertEqual(state['Running'], not stopped or policy == 'always', (policy, stopped))
            if not stopped:
                self.assertEqual(state['Pid'], pid)
        self.assertEqual(self.state(never)['Status'], 'created')

    def test_the_keeper_goes_and_policies_hold(self):
        kept = self.start('--restart', 'unless-stopped', 'busybox', 'sleep', '1000')
        over = self.start('busybox', 'sleep', '1000')
        keeper = self.keeper_pid()
        self.engine.kill()
        os.kill(keeper, 9)
        self.engine.start()
        harness.until(lambda: self.state(kept)['Running'])
        self.assertEqual(self.state(over)['ExitCode'], 255)
        self.check_invariants({kept, over})

    def test_the_keeper_goes_and_paused_ones_end(self):
        for both in (False, True):
            cid = self.start('busybox', 'sleep', '1000')
            pid = self.state(cid)['Pid']
            self.ok('pause', cid)
            keeper = self.keeper_pid()
            if both:
                self.engine.kill()
            os.kill(keeper, 9)
            if both:
                self.engine.start()
            harness.until(lambda: not self.state(cid)['Running'])
            harness.until(lambda: not os.path.exists(f'/proc/{pid}'), what='the container has ended')
            self.check_invariants({cid})
