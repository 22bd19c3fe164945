"""docker run, with each CLI there is."""
import hashlib
import os
import signal
import subprocess
import tempfile

import harness
from case import EngineCase


class Run(EngineCase):
    def test_output_and_codes_with_each_cli(self):
        for cli in harness.clis():
            r = self.run_('busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3', cli=cli)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (3, 'out\n', 'err\n'), cli)
            self.assertEqual(self.run_('busybox', 'true', cli=cli).returncode, 0)
            self.assertEqual(self.run_('-i', 'busybox', 'cat', cli=cli, input='abc\n').stdout, 'abc\n')

    def test_not_found_127(self):
        r = self.run_('busybox', 'nosuchcommand')
        self.assertEqual(r.returncode, 127)
        self.assertIn('executable file not found', r.stderr)

    def test_not_executable_126(self):
        self.assertEqual(self.run_('busybox', '/etc/passwd').returncode, 126)

    def test_no_image_125(self):
        self.assertEqual(self.run_('--pull', 'never', 'nosuchimage:x', 'true').returncode, 125)

    def test_killed_137_and_143(self):
        cid = self.start('busybox', 'sleep', '100')
        self.ok('kill', cid)
        self.assertEqual(self.ok('wait', cid), '137')
        cid = self.trapping('exit 143', 'TERM')
        self.ok('stop', cid)
        self.assertEqual(self.ok('wait', cid), '143')

    def test_stop_timeout(self):
        cid = self.trapping('', 'TERM')
        self.ok('stop', '-t', '1', cid)
        self.assertEqual(self.ok('inspect', '-f', '{{.State.ExitCode}} {{.State.Running}}', cid), '137 false')

    def test_kill_signal(self):
        cid = self.start('busybox', 'sh', '-c',
                         'trap "echo got; exit 7" USR1; echo ready; while true; do sleep 0.1; done')
        harness.until(lambda: 'ready' in self.docker('logs', cid).stdout)
        self.ok('kill', '-s', 'USR1', cid)
        self.assertEqual(self.ok('wait', cid), '7')
        self.assertIn('got', self.ok('logs', cid))

    def test_signal_proxy(self):
        p = self.engine.popen('run', '--rm', '--network', 'none', 'busybox', 'sh', '-c',
                              'trap "exit 9" TERM; echo up; while true; do sleep 0.1; done', stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b'up\n')
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(20), 9)
        p.stdout.close()

    def test_100_mb_through_stdin_and_back(self):
        block = os.urandom(1 << 20)
        data = block * 100
        r = self.run_('-i', 'busybox', 'cat', input=data, timeout=120)
        self.assertEqual(r.returncode, 0, r.stderr[-300:])
        self.assertEqual(len(r.stdout), len(data))
        self.assertEqual(hashlib.sha256(r.stdout).digest(), hashlib.sha256(data).digest())

    def test_rm_removes(self):
        self.assertEqual(self.run_('--name', 'gone', 'busybox', 'true').returncode, 0)
        harness.until(lambda: self.docker('inspect', 'gone').returncode != 0)

    def test_environment_hostname_directory_user(self):
        self.assertEqual(self.sh('echo $A:$HOME:$HOSTNAME', '-e', 'A=b', '-h', 'box'), 'b:/root:box')
        self.assertEqual(self.sh('hostname', '-h', 'box'), 'box')
        self.assertEqual(self.sh('pwd', '-w', '/made/here'), '/made/here')
        self.assertEqual(self.sh('id -u; id -g; id -G', '-u', 'user').split(), ['1000', '1000', '1000', '2000'])
        self.assertEqual(self.sh('id -u; id -g', '-u', '5:6').split(), ['5', '6'])
        self.assertEqual(self.run_('-u', 'nobodyhere', 'busybox', 'true').returncode, 125)

    def test_entrypoint(self):
        self.assertEqual(self.run_('--entrypoint', 'echo', 'busybox', 'a', 'b').stdout, 'a b\n')

    def test_read_only_and_tmpfs(self):
        self.assertEqual(self.run_('--read-only', 'busybox', 'touch', '/x').returncode, 1)
        self.assertEqual(self.sh('touch /t/x && stat -f -c %T /t', '--read-only', '--tmpfs', '/t'), 'tmpfs')

    def test_bind(self):
        with tempfile.TemporaryDirectory(prefix='dockercd-test.') as d:
            with open(d + '/f', 'w') as f:
                f.write('hello')
            self.assertEqual(self.sh('cat /m/f; touch /m/new', '-v', d + ':/m'), 'hello')
            self.assertTrue(os.path.exists(d + '/new'))
            self.assertEqual(self.run_('-v', d + ':/m:ro', 'busybox', 'touch', '/m/no').returncode, 1)
            self.assertEqual(self.sh('cat /m/f', '--mount', f'type=bind,src={d},dst=/m,ro'), 'hello')

    def test_ulimit(self):
        self.assertEqual(self.sh('ulimit -n', '--ulimit', 'nofile=100:200'), '100')

    def test_network_none_and_host(self):
        self.assertEqual(self.sh('ls /sys/class/net'), 'lo')
        r = self.docker('run', '--rm', '--network', 'host', 'busybox', 'ls', '/sys/class/net')
        self.assertEqual(sorted(r.stdout.split()), sorted(os.listdir('/sys/class/net')))

    def test_capabilities_and_seccomp(self):
        show = 'grep -E "CapEff|Seccomp:|NoNewPrivs" /proc/self/status'
        default = dict(x.split(':\t') for x in self.sh(show).splitlines())
        self.assertEqual(default['CapEff'], '00000000a80425fb')
        self.assertEqual(default['Seccomp'], '2')
        self.assertEqual(default['NoNewPrivs'], '0')
        dropped = dict(x.split(':\t') for x in self.sh(show, '--cap-drop', 'ALL', '--cap-add', 'CHOWN').splitlines())
        self.assertEqual(dropped['CapEff'], '0000000000000001')
        off = dict(x.split(':\t') for x in self.sh(show, '--security-opt', 'seccomp=unconfined', '--security-opt',
                                                     'no-new-privileges').splitlines())
        self.assertEqual((off['Seccomp'], off['NoNewPrivs']), ('0', '1'))

    def test_privileged(self):
        r = self.run_('--privileged', 'busybox', 'grep', '-E', 'CapEff|Seccomp:', '/proc/self/status')
        if 'unable to apply caps' in r.stderr:
            self.skipTest('runc cannot run a privileged container where the host lacks a capability')
        self.assertEqual(r.returncode, 0, r.stderr)
        full = dict(x.split(':\t') for x in r.stdout.splitlines())
        self.assertEqual(full['Seccomp'], '0')
        self.assertGreater(int(full['CapEff'], 16), 0xa80425fb)

    def test_memory_limit(self):
        out = self.sh('cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max',
                      '-m', '64m')
        self.assertEqual(out, str(64 << 20))

    def test_descriptors_and_pid_1(self):
        self.assertEqual(self.sh('echo $$; ls /proc/1/fd | wc -l').split()[0], '1')
        self.assertEqual(self.run_('busybox', 'ls', '/proc/self/fd').stdout.split()[:3], ['0', '1', '2'])

    def test_wait_before_start(self):
        cid = self.ok('create', '--network', 'none', 'busybox', 'sh', '-c', 'exit 5')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        s = self.engine.connect()
        s.sendall(f'POST /containers/{cid}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n'.encode())
        self.ok('start', cid)
        answer = b''
        while b'StatusCode' not in answer:
            chunk = s.recv(4096)
            if not chunk:
                break
            answer += chunk
        s.close()
        self.assertIn(b'"StatusCode":5', answer.replace(b' ', b''))
