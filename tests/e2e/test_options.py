"""What a create body asks for: kept and shown as a whole, acted upon, warned about, or refused."""
import json
import os
import tempfile
import time

import harness
from case import EngineCase

CONFIG = {
    'Hostname': 'box', 'Domainname': 'example.test', 'User': '5:6', 'AttachStdin': True, 'AttachStdout': True,
    'AttachStderr': True, 'Tty': False, 'OpenStdin': True, 'StdinOnce': True, 'Env': ['A=b', 'PATH=/bin'],
    'Cmd': ['a', 'b'], 'Entrypoint': ['/bin/echo'], 'WorkingDir': '/work', 'Labels': {'l': 'v'},
    'StopSignal': 'SIGINT', 'StopTimeout': 7, 'ExposedPorts': {'80/tcp': {}},
}
HOST = {
    'NetworkMode': 'none', 'Binds': ['/tmp:/t:ro'], 'AutoRemove': False, 'CapAdd': ['CAP_NET_ADMIN'],
    'CapDrop': ['CAP_CHOWN'], 'CgroupnsMode': 'private', 'Dns': ['10.0.0.1'], 'DnsOptions': ['ndots:1'],
    'DnsSearch': ['example.test'], 'ExtraHosts': ['other:10.0.0.2'], 'GroupAdd': ['77'], 'IpcMode': 'private',
    'OomScoreAdj': 5, 'Privileged': False, 'ReadonlyRootfs': True, 'SecurityOpt': ['no-new-privileges'],
    'Tmpfs': {'/scratch': 'size=1m'}, 'ShmSize': 8 << 20, 'Sysctls': {'net.ipv4.ip_forward': '1'},
    'CpuShares': 512, 'Memory': 64 << 20, 'MemorySwap': 128 << 20, 'CpuPeriod': 50000, 'CpuQuota': 20000,
    'PidsLimit': 50, 'Ulimits': [{'Name': 'nofile', 'Soft': 100, 'Hard': 200}],
    'LogConfig': {'Type': 'json-file', 'Config': {'max-size': '1m', 'max-file': '2'}},
}


class Options(EngineCase):
    def create(self, **body):
        status, answer, _ = self.engine.http('POST', '/containers/create', {'Image': 'busybox', **body})
        answer = json.loads(answer)
        if status == 201:
            self.addCleanup(self.engine.http, 'DELETE', '/containers/' + answer['Id'] + '?force=1')
        return status, answer

    def test_the_whole_body_is_shown(self):
        status, answer = self.create(**CONFIG, HostConfig=HOST)
        self.assertEqual(status, 201, answer)
        seen = self.engine.get('/containers/' + answer['Id'] + '/json')
        for name, value in CONFIG.items():
            self.assertEqual(seen['Config'][name], value, name)
        for name, value in HOST.items():
            self.assertEqual(seen['HostConfig'][name], value, name)
        self.engine.kill()
        self.engine.start()
        again = self.engine.get('/containers/' + answer['Id'] + '/json')
        self.assertEqual((again['Config'], again['HostConfig']), (seen['Config'], seen['HostConfig']))

    def test_defaults_shown_are_dockers(self):
        seen = self.engine.get('/containers/' + self.create()[1]['Id'] + '/json')
        self.assertEqual(seen['HostConfig']['ShmSize'], 64 << 20)
        self.assertEqual(seen['HostConfig']['LogConfig']['Type'], 'json-file')
        self.assertEqual(seen['HostConfig']['RestartPolicy'], {'Name': 'no', 'MaximumRetryCount': 0})
        self.assertEqual(seen['Config']['Hostname'], seen['Id'][:12])
        for name in ('MaskedPaths', 'ReadonlyPaths'):
            self.assertIn('/proc/kcore' if name[0] == 'M' else '/proc/sys', seen['HostConfig'][name])
        self.assertRegex(seen['Name'], r'^/[a-z]+_[a-z]+$')

    def test_refusals(self):
        for config, host, want in (
                ({'WorkingDir': 'here'}, {}, 'needs to be an absolute path'),
                ({'StopSignal': 'SIGNOPE'}, {}, 'SIGNOPE'),
                ({'Env': ['=x']}, {}, 'invalid environment variable'),
                ({}, {'Memory': 1024}, 'Minimum memory limit allowed is 6MB'),
                ({}, {'Memory': 64 << 20, 'MemorySwap': 32 << 20}, 'memoryswap limit should be larger'),
                ({}, {'NanoCpus': 1000 * 10 ** 9}, 'range of CPUs is from'),
                ({}, {'CpuPeriod': 1}, 'CPU cfs period'),
                ({}, {'OomScoreAdj': 2000}, 'range for oom score adj'),
                ({}, {'CapAdd': ['NOPE']}, 'NOPE'),
                ({}, {'SecurityOpt': ['nonsense']}, 'invalid --security-opt'),
                ({}, {'SecurityOpt': ['seccomp={']}, 'seccomp profile failed'),
                ({}, {'Ulimits': [{'Name': 'nope', 'Soft': 1, 'Hard': 1}]}, 'invalid ulimit type: nope'),
                ({}, {'Ulimits': [{'Name': 'nofile', 'Soft': 2, 'Hard': 1}]}, 'soft limit must be less'),
                ({}, {'LogConfig': {'Type': 'nope'}}, "no log driver named 'nope'"),
                ({}, {'LogConfig': {'Type': 'json-file', 'Config': {'nope': '1'}}}, "unknown log opt 'nope'"),
                ({}, {'RestartPolicy': {'Name': 'sometimes'}}, "unknown policy 'sometimes'"),
                ({}, {'AutoRemove': True, 'RestartPolicy': {'Name': 'always'}}, "'AutoRemove' container"),
                ({}, {'IpcMode': 'odd'}, 'invalid IPC mode'), ({}, {'PidMode': 'odd'}, 'invalid PID mode'),
                ({}, {'Runtime': 'kata'}, 'invalid runtime name: kata'),
                ({}, {'Binds': ['/tmp:relative']}, 'absolute'),
                ({}, {'Binds': ['/a:/t', '/b:/t']}, 'Duplicate mount point: /t'),
                ({}, {'ExtraHosts': ['nocolon']}, 'bad format for add-host')):
            before = self.ok('ps', '-aq')
            status, answer = self.create(**config, HostConfig={'NetworkMode': 'none', **host})
            self.assertEqual(status, 400, (config, host, answer))
            self.assertIn(want, answer['message'])
            self.assertEqual(self.ok('ps', '-aq'), before)

    def test_stop_signal_and_timeout(self):
        script = 'trap "exit 4" INT; trap "" TERM; echo up; while true; do sleep 0.1; done'
        cid = self.start('--stop-signal', 'INT', 'busybox', 'sh', '-c', script)
        harness.until(lambda: 'up' in self.docker('logs', cid).stdout)
        self.ok('stop', cid)
        self.assertEqual(self.ok('wait', cid), '4')
        cid = self.start('--stop-timeout', '1', 'busybox', 'sleep', '1000')
        began = time.monotonic()
        self.ok('stop', cid)
        self.assertEqual(self.ok('wait', cid), '137')
        self.assertLess(time.monotonic() - began, 9)

    def test_files_of_the_network(self):
        out = self.sh('cat /etc/hostname /etc/hosts', '-h', 'box', '--add-host', 'other:10.0.0.2')
        self.assertEqual(out.splitlines()[0], 'box')
        self.assertIn('127.0.0.1\tlocalhost', out)
        self.assertIn('10.0.0.2\tother', out)
        out = self.sh('cat /etc/resolv.conf', '--dns', '10.0.0.1', '--dns-search', 'example.test', '--dns-opt',
                      'ndots:1')
        self.assertEqual(out.splitlines(), ['nameserver 10.0.0.1', 'search example.test', 'options ndots:1'])

    def test_tmpfs(self):
        self.assertEqual(self.sh('stat -c %a /t; df -k /t | tail -1 | awk "{print \\$2}"', '--tmpfs',
                                 '/t:size=1m,mode=700').split(), ['700', '1024'])
        self.assertEqual(self.sh('stat -c %a /t; df -k /t | tail -1 | awk "{print \\$2}"', '--mount',
                                 'type=tmpfs,dst=/t,tmpfs-size=2097152,tmpfs-mode=1770').split(), ['1770', '2048'])
        copied = 'cp /bin/busybox /t/busybox; /t/busybox true'
        self.assertEqual(self.run_('--tmpfs', '/t', 'busybox', 'sh', '-c', copied).returncode, 126, 'noexec')
        self.sh(copied, '--tmpfs', '/t:exec')

    def test_binds(self):
        with tempfile.TemporaryDirectory(prefix='dockercd-test.') as d:
            self.sh('touch /made/x', '-v', d + '/new:/made')
            self.assertTrue(os.path.exists(d + '/new/x'), '-v makes what is missing')
            r = self.run_('--mount', f'type=bind,src={d}/missing,dst=/m', 'busybox', 'true')
            self.assertEqual(r.returncode, 125)
            self.assertIn('bind source path does not exist', r.stderr)
            self.assertFalse(os.path.exists(d + '/missing'))
            with open(d + '/file', 'w') as f:
                f.write('of the host')
            self.assertEqual(self.sh('cat /deep/in/there', '-v', d + '/file:/deep/in/there:ro'), 'of the host')
            r = self.run_('-v', d + '/file:/etc', 'busybox', 'true')
            self.assertIn('not a directory', r.stderr.lower())
            self.assertEqual(self.run_('-v', d + ':/ro:ro', 'busybox', 'touch', '/ro/x').returncode, 1)

    def test_names_are_generated_and_free_again(self):
        cid = self.ok('create', '--network', 'none', 'busybox', 'true')
        name = self.ok('inspect', '-f', '{{.Name}}', cid)[1:]
        self.assertEqual(self.ok('rm', name), name)
        self.assertEqual(self.ok('create', '--name', name, '--network', 'none', 'busybox', 'true')[:4].isalnum(), True)
        self.ok('rm', name)

    def test_auto_remove(self):
        cid = self.ok('run', '-d', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'sleep 0.3; exit 3')
        status, body, _ = self.engine.http('POST', f'/containers/{cid}/wait?condition=removed')
        self.assertEqual(json.loads(body)['StatusCode'], 3)
        self.assertEqual(self.engine.http('GET', f'/containers/{cid}/json')[0], 404)
        self.assertFalse(os.path.exists(f'{self.engine.data}/containers/{cid}'))

    def test_logs_of_none(self):
        cid = self.start('--log-driver', 'none', 'busybox', 'echo', 'unseen')
        self.ok('wait', cid)
        r = self.docker('logs', cid)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn('configured logging driver does not support reading', r.stderr)
