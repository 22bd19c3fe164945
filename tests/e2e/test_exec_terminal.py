"""docker exec -it in a real terminal, with each CLI and dockerc."""
import os

import harness
from case import EngineCase
from terminal import Terminal

DOCKERC = harness.built('dockerc')


class Interactive(EngineCase):
    def terminal(self, cli, *args):
        t = Terminal([cli, 'exec', '-it', *args], env=self.engine.environment())
        self.addCleanup(t.close)
        return t

    def each(self):
        cid = self.start('busybox', 'sleep', '1000')
        for cli in harness.clis() + [DOCKERC]:
            with self.subTest(cli=cli):
                yield cid, cli

    def test_a_shell(self):
        for cid, cli in self.each():
            t = self.terminal(cli, cid, 'sh')
            t.expect('# ')
            t.type('stty size; tty; exit 4\r')
            t.expect('30 90\r\n')
            t.expect('/dev/pts/')
            self.assertEqual(t.end(), 4)
            self.assertTrue(t.restored())

    def test_window_size(self):
        for cid, cli in self.each():
            t = self.terminal(cli, cid, 'sh', '-c', 'trap "stty size" WINCH; echo up; while true; do sleep 0.1; done')
            t.expect('up\r\n')
            t.resize(41, 101)
            t.expect('41 101\r\n')
            t.type('\x03')   # the terminal in the container makes a signal of it
            self.assertEqual(t.end(), 130)

    def test_detach_keys(self):
        for cid, cli in self.each():
            for options, keys in (((), '\x10\x11'), (('--detach-keys', 'ctrl-a,b'), '\x01b')):
                name = os.path.basename(cli) + str(len(options))
                t = self.terminal(cli, *options, cid, 'sh', '-c', f'echo ready; cat; echo {name} > /tmp/{name}')
                t.expect('ready\r\n')
                t.type('typed\r')
                t.expect('typed\r\ntyped\r\n')
                t.type(keys)
                self.assertEqual(t.end(), 1)
                self.assertIn('read escape sequence', t.text)
                self.assertTrue(t.restored())
                self.assertEqual(self.docker('exec', cid, 'test', '-e', '/tmp/' + name).returncode, 1)
                self.assertIn('cat', self.ok('exec', cid, 'ps', '-o', 'args'))

    def test_the_container_ends(self):
        for cid, cli in self.each():
            t = self.terminal(cli, cid, 'cat')
            t.type('here\r')
            t.expect('here\r\nhere\r\n')
            self.ok('kill', cid)
            self.assertEqual(t.end(), 137)
            self.assertTrue(t.restored())
            self.ok('start', cid)

    def test_not_a_terminal(self):
        for cid, cli in self.each():
            r = self.docker('exec', '-it', cid, 'true', cli=cli)
            self.assertEqual((r.returncode, r.stderr.strip()), (1, 'the input device is not a TTY'))
            r = self.docker('exec', '-t', cid, 'tty', cli=cli)
            self.assertEqual((r.returncode, r.stdout), (0, '/dev/pts/0\n'))

    def test_usage(self):
        for args in ((), ('only-a-container',)):
            r = self.docker('exec', *args, cli=DOCKERC)
            self.assertNotEqual(r.returncode, 0)
            self.assertIn('exec', r.stderr)
