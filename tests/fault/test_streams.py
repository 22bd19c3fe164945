"""The engine killed while containers print and clients are attached: no byte of output is missing or doubled."""
import os
import random
import re
import time
import unittest

import harness
from fault_case import FaultCase


class KilledWhilePrinting(FaultCase):
    # Numbered lines of changing length, without a pause: most kills hit a read or a write.
    PRINT = ('i=0; while [ $i -lt %d ]; do echo "$i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; '
             'i=$((i+1)); done; printf "the end"')

    def printing(self, count, *options):
        cid = self.ok('run', '-d', '--network', 'none', *options, 'busybox', 'sh', '-c', self.PRINT % count)
        self.addCleanup(self.docker, 'rm', '-f', cid)
        return cid

    def check(self, cid, count):
        text = self.docker('logs', cid).stdout
        self.assertTrue(text.endswith('the end'), text[-100:])
        numbers = [int(n) for n in re.findall(r'^(\d+) x+$', text, re.M)]
        if numbers != list(range(count)):
            at = next((i for i, n in enumerate(numbers) if n != i), len(numbers))
            self.fail(f'{cid}: line {at} of {count} is {numbers[at:at + 3]}: {len(numbers)} lines')

    def wait_for_end(self, cids):
        harness.until(lambda: not (set(cids) & self.running_now()), 120, 'all containers have ended')

    def kill_and_start(self, times):
        for _ in range(times):
            time.sleep(random.uniform(0.02, 0.4))
            self.engine.kill()
            self.engine.start()

    def test_fifty_containers_log_and_are_attached(self):
        count = 4000
        drivers = ((), ('--log-driver', 'local'), ('--log-opt', 'max-size=60k', '--log-opt', 'max-file=900'))
        cids = [self.printing(count, *drivers[i % 3]) for i in range(50)]
        clients = []
        for cid in cids[:20]:
            s = self.engine.connect()
            s.sendall(f'POST /containers/{cid}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n'
                      'Connection: Upgrade\r\n\r\n'.encode())
            clients.append(s)
        self.kill_and_start(8)
        for s in clients:
            s.close()
        self.wait_for_end(cids)
        for cid in cids:
            self.check(cid, count)
        harness.until(lambda: os.listdir(self.engine.dir + '/run/output') == [], what='no journal is left')

    def test_one_that_floods(self):
        count = 60000
        cid = self.printing(count)
        self.kill_and_start(15)
        self.wait_for_end([cid])
        self.check(cid, count)

    def test_stopped_in_good_order(self):
        count = 20000
        cid = self.printing(count)
        for _ in range(5):
            time.sleep(0.1)
            self.engine.stop()
            self.engine.start()
        self.wait_for_end([cid])
        self.check(cid, count)

    def test_half_a_line_waits_for_its_end(self):
        cid = self.start('-i', 'busybox', 'sh', '-c', 'printf "half "; read x; echo of a line')
        time.sleep(0.3)
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.docker('logs', cid).stdout, '')
        p = self.engine.popen('attach', cid, stdin=harness.subprocess.PIPE, stdout=harness.subprocess.PIPE)
        p.stdin.write(b'go\n')
        p.stdin.flush()
        p.wait(20)
        p.stdin.close()
        p.stdout.close()
        self.assertEqual(self.docker('logs', cid).stdout, 'half of a line\n')

    def test_killed_after_the_container(self):
        """Engine gone, container over, engine back: what was printed last is logged."""
        cid = self.start('busybox', 'sh', '-c', 'sleep 0.5; echo last words')
        self.engine.kill()
        time.sleep(1)
        self.engine.start()
        harness.until(lambda: cid not in self.running_now())
        self.assertEqual(self.docker('logs', cid).stdout, 'last words\n')


class ClientThatNeverReads(FaultCase):
    def test_is_dropped_and_stops_nobody(self):
        cid = self.start('--log-opt', 'max-size=1m', 'busybox', 'sh', '-c',
                         'while true; do echo xxxxxxxxxxxxxxxxxxxx; done')
        s = self.engine.connect()
        s.sendall(f'POST /containers/{cid}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n'
                  'Connection: Upgrade\r\n\r\n'.encode())
        harness.until(lambda: 'took nothing for' in self.engine.log(), 60, 'the client is dropped')
        path = f'{self.engine.data}/containers/{cid}/{cid}-json.log'
        before = os.stat(path).st_mtime_ns
        harness.until(lambda: os.stat(path).st_mtime_ns > before, what='the log goes on')
        # What it had been sent it may read; then its stream is over.
        s.settimeout(20)
        while s.recv(1 << 20):
            pass
        s.close()


class FullDiskUnderALog(FaultCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = harness.Engine(data_mount='size=24m')
        cls.addClassCleanup(cls.engine.destroy)
        cls.engine.start()
        cls.engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))

    @staticmethod
    def children(pid):
        with open(f'/proc/{pid}/task/{pid}/children') as f:
            names = []
            for child in f.read().split():
                try:
                    with open(f'/proc/{child}/comm') as comm:
                        names.append(comm.read().strip())
                except OSError:
                    pass
            return names

    def test_lines_are_dropped_and_counted_and_the_container_goes_on(self):
        before = os.statvfs(self.engine.data).f_bavail // 2
        for driver in ('json-file', 'local'):
            cid = self.start('--log-driver', driver, 'busybox', 'sh', '-c',
                             'yes xxxxxxxxxxxxxxxxxxxx | head -c 60000000; sleep 1000; true')
            filled = harness.until(lambda: 'output is not logged for now' in self.engine.log(), 60, 'the disk is full')
            self.assertTrue(filled)
            pid = self.state(cid)['Pid']
            # The shell has come to its last command: nothing held the pipe up.
            harness.until(lambda: self.children(pid) == ['sleep'], 60, 'the container goes on')
            self.ok('rm', '-f', cid)
            # Its files go after the answer, by a worker.
            harness.until(lambda: os.statvfs(self.engine.data).f_bavail > before, what='its log has gone')
        again = self.start('busybox', 'sh', '-c', 'echo well again')
        self.ok('wait', again)
        self.assertEqual(self.docker('logs', again).stdout, 'well again\n')


if __name__ == '__main__':
    unittest.main()
