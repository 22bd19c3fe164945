"""--init: our own first process."""

import harness
from case import EngineCase


class Init(EngineCase):
    def test_init(self):
        out = self.sh('echo $$; cat /proc/1/comm; tr "\\0" " " </proc/1/cmdline', '--init')
        self.assertEqual(out.splitlines()[1], 'docker-init')
        self.assertTrue(out.splitlines()[2].startswith('/sbin/docker-init -- sh -c'), out)
        self.assertNotEqual(out.splitlines()[0], '1')
        for script, code in (('exit 7', 7), ('kill -9 $$', 137), ('kill -TERM $$', 143)):
            self.assertEqual(self.run_('--init', 'busybox', 'sh', '-c', script).returncode, code)
        self.assertEqual(self.run_('--init', 'busybox', 'nonesuch').returncode, 127)
        self.assertEqual(self.run_('--init', 'busybox', '/etc/passwd').returncode, 126)

    def test_signals_are_passed_on(self):
        for signal, code in (('TERM', '4'), ('USR1', '5')):
            cid = self.trapping('exit ' + code, signal, '--init')
            self.ok('kill', '-s', signal, cid)
            self.assertEqual(self.ok('wait', cid), code)
        cid = self.start('--init', 'busybox', 'sleep', '1000')   # with an init TERM ends what has no handler
        self.ok('stop', cid)
        self.assertEqual(self.ok('wait', cid), '143')

    def test_orphans_are_buried(self):
        cid = self.start('--init', 'busybox', 'sh', '-c', '(sleep 0.1 & exec sleep 0.2) & sleep 1000')
        harness.until(lambda: len(self.ok('top', cid).splitlines()) == 3)
        self.assertNotIn('defunct', self.ok('top', cid))

    def test_it_is_read_only_and_shown(self):
        out = self.run_('--init', 'busybox', 'sh', '-c', 'echo x >/sbin/docker-init')
        self.assertIn('Read-only file system', out.stderr)
        cid = self.start('--init', 'busybox', 'sleep', '1000')
        c = self.engine.get(f'/containers/{cid}/json')
        self.assertEqual((c['Path'], c['Args'], c['HostConfig']['Init']), ('sleep', ['1000'], True))

    def test_terminal(self):
        r = self.engine.popen('run', '--rm', '-t', '--init', '--network', 'none', 'busybox', 'tty',
                              stdout=harness.subprocess.PIPE, text=True)
        self.assertEqual(r.communicate(timeout=20)[0].strip(), '/dev/pts/0')
