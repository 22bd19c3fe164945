"""A container's own terminal: one of its devpts, found by name there, as dockerd makes it."""
import harness
from verb_case import VerbCase


class OwnTerminal(VerbCase):
    def tty(self, script, *options):
        r = self.run_('-t', *options, 'busybox', 'sh', '-c', script)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        return r.stdout.replace('\r', '').strip()

    def test_its_name_and_console(self):
        seen = self.tty('tty; ls /dev/pts; stat -c "%t %T" /dev/console /dev/pts/0; echo told >/dev/console; '
                        'grep /dev/console /proc/self/mountinfo').splitlines()
        self.assertEqual(seen[0], '/dev/pts/0')
        self.assertEqual(sorted(seen[1].split()), ['0', 'ptmx'])
        self.assertEqual((seen[2], seen[3], seen[4]), ('88 0', '88 0', 'told'))
        self.assertIn(' devpts devpts ', seen[5])

    def test_it_is_the_controlling_terminal_and_the_users(self):
        self.assertEqual(self.tty('echo to my terminal >/dev/tty'), 'to my terminal')
        self.assertEqual(self.tty('stat -c "%u %a" /dev/pts/0; echo written >/dev/pts/0', '-u', 'user').split(),
                         ['1000', '620', 'written'])
        self.assertEqual(self.tty('cat /sys/fs/cgroup/none 2>/dev/null; tty', '--init'), '/dev/pts/0')
        self.assertEqual(self.tty('tty', '--read-only'), '/dev/pts/0')
        self.assertEqual(self.tty('tty', '--privileged'), '/dev/pts/0')

    def test_execs_have_the_next_ones(self):
        cid = self.start('-t', 'busybox', 'sleep', '1000')
        self.assertEqual(self.ok('exec', '-t', cid, 'tty'), '/dev/pts/1')

    def test_a_size_from_the_beginning(self):
        body = {'Image': 'busybox', 'Cmd': ['stty', 'size'], 'Tty': True,
                'HostConfig': {'NetworkMode': 'none', 'ConsoleSize': [33, 77]}}
        status, text, _ = self.engine.http('POST', '/containers/create', body)
        self.assertEqual(status, 201, text)
        cid = harness.json.loads(text)['Id']
        self.addCleanup(self.docker, 'rm', '-f', cid)
        self.post(cid + '/start')
        self.post(cid + '/wait')
        self.assertEqual(self.ok('logs', cid), '33 77')

    def test_the_hosts_dev_in_place_of_its_own(self):
        self.assertEqual(self.tty('echo to my terminal >/dev/tty', '-v', '/dev:/dev'), 'to my terminal')

    def test_the_next_engine_has_it(self):
        cid = self.start('-it', 'busybox', 'sh')
        self.engine.kill()
        self.engine.start()
        with self.engine.connect() as s:
            s.sendall(b'POST /containers/%s/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n'
                      b'Upgrade: tcp\r\nConnection: Upgrade\r\n\r\n' % cid.encode())
            seen = s.recv(4096)
            s.sendall(b'echo $((40+2)); tty\n')
            while b'/dev/pts/0' not in seen:
                piece = s.recv(4096)
                self.assertTrue(piece, seen)
                seen += piece
        self.assertIn(b'42', seen)
        self.assertEqual(self.answer('POST', f'/containers/{cid}/resize?h=20&w=50')[0], 200)

    def test_a_start_that_fails_leaves_nothing(self):
        r = self.run_('-t', 'busybox', 'nosuch')
        self.assertEqual(r.returncode, 127, r.stderr)
        self.assertIn('executable file not found in $PATH', r.stderr)
