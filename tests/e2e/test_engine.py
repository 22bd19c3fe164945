"""The engine as a process: where it listens, what it refuses, what it says about itself."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

import harness


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def dockercd(*args, before=(), **keys):
    """An engine that ends by itself: (exit status, stderr)."""
    r = subprocess.run([*before, *harness.engine_command(), *args], capture_output=True, text=True, timeout=30, **keys)
    return r.returncode, r.stderr


class Process(unittest.TestCase):
    def engine(self, *options):
        engine = harness.Engine(options=options)
        self.addCleanup(engine.destroy)
        return engine.start()

    def test_several_addresses(self):
        port = free_port()
        second = tempfile.mktemp(prefix='dockercd-test.', suffix='.sock')
        engine = self.engine('-H', f'tcp://127.0.0.1:{port}', '-H', 'unix://' + second)
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
        for _ in range(2):  # one connection, kept
            connection.request('GET', '/info')
            info = json.loads(connection.getresponse().read())
        connection.close()
        self.assertIn(f'http://127.0.0.1:{port} without encryption', '\n'.join(info['Warnings']))
        r = subprocess.run([harness.clis()[0], '-H', 'unix://' + second, 'version', '-f', '{{.Server.Os}}'],
                           capture_output=True, text=True, timeout=30)
        self.assertEqual(r.stdout.strip(), 'linux', r.stderr)
        self.assertEqual(os.stat(second).st_mode & 0o777, 0o660)
        engine.stop()
        self.assertFalse(os.path.exists(second), 'its sockets go with it')

    def test_passed_sockets(self):
        """fd://, as a service manager starts it."""
        with tempfile.TemporaryDirectory(prefix='dockercd-test.') as d, socket.socket(socket.AF_UNIX) as s:
            s.bind(d + '/passed.sock')
            s.listen()
            command = [*harness.engine_command(), '-H', 'fd://', '--data-root', d + '/data', '--exec-root', d + '/run',
                       '--bridge', 'none']

            def pass_it():
                os.dup2(os.dup(s.fileno()), 3)  # made anew, so that it is inherited
                os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
                os.execv(command[0], command)
            log = tempfile.TemporaryFile()
            pid = os.fork()
            if pid == 0:
                os.dup2(log.fileno(), 2)
                pass_it()
            try:
                with socket.socket(socket.AF_UNIX) as client:  # waits in the backlog until the engine is up
                    client.settimeout(20)
                    client.connect(d + '/passed.sock')
                    client.sendall(b'GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n')
                    self.assertTrue(client.recv(4096).startswith(b'HTTP/1.1 200'))
            finally:
                keepers = subprocess.run(['pgrep', '-f', f'dockercd-keeper {d}/'], capture_output=True, text=True)
                for keeper in keepers.stdout.split():
                    held = {os.readlink(f'/proc/{keeper}/fd/{n}') for n in os.listdir(f'/proc/{keeper}/fd')}
                    self.assertNotIn(f'socket:[{os.fstat(s.fileno()).st_ino}]', held, 'the keeper has not inherited it')
                os.kill(pid, signal.SIGTERM)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                log.seek(0)
                self.assertEqual(status, 0, log.read()[-1000:])
                log.close()
            self.assertTrue(os.path.exists(d + '/passed.sock'), 'it belongs to the one who passed it')

    def test_refusals(self):
        with tempfile.TemporaryDirectory(prefix='dockercd-test.') as d:
            roots = ('--data-root', d + '/data', '--exec-root', d + '/run', '--bridge', 'none')
            bare = {name: value for name, value in os.environ.items() if name != 'LISTEN_FDS'}
            status, text = dockercd(*roots, '-H', 'fd://', env=bare)
            self.assertEqual(status, 1)
            self.assertIn('no sockets were passed by a service manager', text)
            status, text = dockercd(*roots, '-H', 'http://x')
            self.assertIn('an address begins with unix://, tcp:// or fd://', text)
            status, text = dockercd(*roots, '-H', 'tcp://127.0.0.1:nothing')
            self.assertEqual(status, 1, text)
            for options, want in ((['--no-such'], 'unknown flag: --no-such'), (['-H'], 'flag needs an argument: -H'),
                                  (['word'], 'unexpected argument: word'),
                                  (['--data-root', 'relative'], 'must be an absolute path'),
                                  (['--storage-driver', 'zfs'], "'zfs' is unknown"),
                                  (['--log-level', 'loud'], "'loud' is unknown")):
                status, text = dockercd(*options)
                self.assertEqual(status, 125, text)
                self.assertIn(want, text)

    def test_an_old_kernel_is_told(self):
        """uname(2) of a process with this personality is that of 2.6."""
        with tempfile.TemporaryDirectory(prefix='dockercd-test.') as d:
            status, text = dockercd('--data-root', d + '/data', '--exec-root', d + '/run', '-H', f'unix://{d}/s',
                                    '--bridge', 'none', before=('setarch', '--uname-2.6'))
            self.assertEqual(status, 1)
            self.assertIn('older than 5.15', text)
            self.assertEqual(os.listdir(d), [], 'nothing was made')

    def test_the_tasks_are_printed(self):
        engine = self.engine()
        follower = engine.connect()
        self.addCleanup(follower.close)
        follower.sendall(b'GET /events HTTP/1.1\r\nHost: d\r\n\r\n')
        follower.recv(4096)
        engine.process.send_signal(signal.SIGUSR1)
        tree = harness.until(lambda: re.search(r'tasks:\n(.*accept.*)', engine.log(), re.S))[1]
        self.assertIn('loop: ', engine.log())
        self.assertRegex(tree, r'connection > serve_client > serve > .* > stream_events.*\[event\]')
        self.assertEqual(engine.http('GET', '/_ping')[0], 200)

    def test_a_plain_ring(self):
        """io_uring as the oldest supported kernel has it."""
        engine = self.engine('--plain-ring')
        self.assertEqual(engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))[0], 200)
        r = engine.docker('run', '--rm', '-i', '--network', 'none', 'busybox', 'cat', input='through\n')
        self.assertEqual((r.returncode, r.stdout), (0, 'through\n'), r.stderr)

    def test_information_is_complete(self):
        engine = self.engine('--label', 'rack=7')
        info = engine.get('/info')
        for key in ('ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus '
                    'DockerRootDir Plugins MemoryLimit SwapLimit CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit '
                    'IPv4Forwarding Debug NFd NGoroutines SystemTime LoggingDriver CgroupDriver CgroupVersion '
                    'NEventsListener KernelVersion OperatingSystem OSVersion OSType Architecture NCPU MemTotal '
                    'IndexServerAddress RegistryConfig GenericResources HttpProxy HttpsProxy NoProxy Name Labels '
                    'ExperimentalBuild ServerVersion Runtimes DefaultRuntime Swarm LiveRestoreEnabled Isolation '
                    'InitBinary ContainerdCommit RuncCommit InitCommit SecurityOptions ProductLicense '
                    'DefaultAddressPools Warnings CDISpecDirs').split():
            self.assertIn(key, info)
        self.assertEqual(info['Labels'], ['rack=7'])
        self.assertEqual(info['DockerRootDir'], engine.data)
        self.assertEqual(info['KernelVersion'], os.uname().release)
        self.assertEqual(info['Name'], socket.gethostname())
        self.assertEqual(info['NCPU'], os.cpu_count())
        with open('/proc/meminfo') as f:
            self.assertEqual(info['MemTotal'], int(f.readline().split()[1]) * 1024)
        with open('/proc/sys/net/ipv4/ip_forward') as f:
            self.assertEqual(info['IPv4Forwarding'], f.read().strip() == '1')
        self.assertEqual('WARNING: IPv4 forwarding is disabled' in info['Warnings'], not info['IPv4Forwarding'])
        self.assertIn(info['DefaultRuntime'], info['Runtimes'])
        version2 = os.path.exists('/sys/fs/cgroup/cgroup.controllers')
        self.assertEqual(info['CgroupVersion'], '2' if version2 else '1')
        # What starts with the engine has ended after a while; the connection that asks is counted.
        harness.until(lambda: engine.get('/info')['NFd'] == len(os.listdir(f'/proc/{engine.process.pid}/fd')) + 1)
        version = engine.get('/version')
        for key in ('Platform', 'Components', 'Version', 'ApiVersion', 'MinAPIVersion', 'GitCommit', 'GoVersion', 'Os',
                    'Arch', 'KernelVersion', 'BuildTime'):
            self.assertTrue(version.get(key), key)
        self.assertEqual((version['ApiVersion'], version['MinAPIVersion']), ('1.51', '1.24'))
        for cli in harness.clis():
            r = engine.docker('info', cli=cli)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn('rack=7', r.stdout)
            self.assertEqual(engine.docker('version', cli=cli).returncode, 0)
