"""What a process in a container sees: the probe prints it, here it is compared."""
import json
import os
import resource

import harness
from case import EngineCase

DEFAULT_CAPABILITIES = '00000000a80425fb'
NONE = '0' * 16


class Inside(EngineCase):
    def probe(self, *options, **keys):
        r = self.run_(*options, 'busybox', 'probe', **keys)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout.replace('\r\n', '\n'))

    def mounts(self, seen):
        """target -> (options of the mount, type, options of the file system)"""
        out = {}
        for line in seen['mounts']:
            before, after = line.split(' - ')
            out[before.split()[4]] = (before.split()[5].split(','), after.split()[0], after.split()[2].split(','))
        return out

    def test_by_default(self):
        seen = self.probe()
        self.assertEqual((seen['pid'], seen['uid'], seen['gid'], seen['euid'], seen['egid']), (1, 0, 0, 0, 0))
        self.assertEqual((seen['CapPrm'], seen['CapEff'], seen['CapBnd']), (DEFAULT_CAPABILITIES,) * 3)
        self.assertEqual((seen['CapInh'], seen['CapAmb']), (NONE, NONE))
        self.assertEqual((seen['Seccomp'], seen['NoNewPrivs']), ('2', '0'))
        self.assertEqual((seen['SigBlk'], seen['SigIgn']), (NONE, NONE))
        self.assertEqual((seen['cwd'], seen['umask'], seen['Groups']), ('/', 0o22, '0'))
        self.assertEqual(len(seen['hostname']), 12)
        self.assertEqual(sorted(seen['env']), ['HOME=/root', 'HOSTNAME=' + seen['hostname'], 'PATH=/bin'])
        self.assertEqual((seen['tty'], seen['controlling_tty']), ('', False))
        with open('/proc/self/oom_score_adj') as f:
            host = f.read().strip()
        self.assertIn(seen['oom_score_adj'], (['0'], [host]))
        with open(f'/proc/{self.engine.process.pid}/limits') as f:
            self.assertIn('Max open files', f.read())

    def test_namespaces_are_its_own(self):
        first, second = self.probe(), self.probe()
        for name in ('cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts'):
            outside = os.readlink('/proc/self/ns/' + name)
            self.assertNotIn(outside, (first['ns_' + name], second['ns_' + name]), name)
        self.assertEqual(first['ns_user'], os.readlink('/proc/self/ns/user'))
        shared = self.probe('--pid', 'host', '--ipc', 'host', '--uts', 'host', '--cgroupns', 'host')
        for name in ('pid', 'ipc', 'uts', 'cgroup'):
            self.assertEqual(shared['ns_' + name], os.readlink('/proc/self/ns/' + name), name)
        r = self.docker('run', '--rm', '--network', 'host', 'busybox', 'probe')
        self.assertEqual(json.loads(r.stdout)['ns_net'], os.readlink('/proc/self/ns/net'))

    def test_no_descriptor_is_leaked(self):
        for options in ((), ('-i',), ('-v', '/tmp:/t'), ('--privileged',), ('--read-only', '--tmpfs', '/t')):
            self.assertEqual(sorted(self.probe(*options, input='')['fds']), ['0', '1', '2'], options)
        with_tty = self.start('-t', 'busybox', 'sh', '-c', 'ls /proc/self/fd; sleep 100')
        out = harness.until(lambda: self.docker('logs', with_tty).stdout.split())
        self.assertEqual(out, ['0', '1', '2', '3'])  # 3: ls reads the folder

    def test_mounts(self):
        mounts = self.mounts(self.probe('--shm-size', '8m'))
        want = {'/': 'overlay', '/proc': 'proc', '/dev': 'tmpfs', '/dev/pts': 'devpts', '/dev/shm': 'tmpfs',
                '/dev/mqueue': 'mqueue', '/sys': 'sysfs'}
        for target, kind in want.items():
            self.assertIn(target, mounts)
            self.assertEqual(mounts[target][1], kind, target)
        cid = self.ok('create', '--network', 'none', 'busybox')
        self.addCleanup(self.docker, 'rm', cid)
        masked = [p for p in self.engine.get(f'/containers/{cid}/json')['HostConfig']['MaskedPaths']
                  if os.path.exists(p)]
        self.assertIn('/proc/timer_list', masked)
        for target in masked:
            self.assertIn(target, mounts)
        for target in ('/proc', '/sys', '/dev/mqueue', '/dev/shm'):
            self.assertLessEqual({'nosuid', 'nodev', 'noexec'}, set(mounts[target][0]), target)
        for target in ('/sys', '/proc/sys', '/proc/bus', '/proc/fs', '/proc/irq', '/proc/sysrq-trigger',
                       '/sys/fs/cgroup'):
            if os.path.exists(target):
                self.assertIn('ro', mounts[target][0], target)
        self.assertIn('size=8192k', mounts['/dev/shm'][2])
        for target in ('/etc/hosts', '/etc/hostname', '/etc/resolv.conf'):
            self.assertIn('rw', mounts[target][0], target)
        text = '\n'.join(self.probe()['mounts'])
        self.assertNotIn('/etc/hosts /etc/hosts', text.replace(self.engine.data, ''), 'nothing else of the host')
        self.assertIn('ro', self.mounts(self.probe('--read-only'))['/'][0])
        self.assertNotIn('/proc/timer_list', self.mounts(self.probe('--privileged')))

    def test_user_and_groups(self):
        seen = self.probe('-u', 'user', '--group-add', '77')
        self.assertEqual((seen['uid'], seen['gid'], seen['Groups'].split()), (1000, 1000, ['77', '1000', '2000']))
        self.assertEqual((seen['CapPrm'], seen['CapEff'], seen['CapBnd']), (NONE, NONE, DEFAULT_CAPABILITIES))
        self.assertIn('HOME=/home', seen['env'])

    def test_limits_and_settings(self):
        self.assertEqual(self.probe('--ulimit', 'nofile=100:200')['rlimits'][resource.RLIMIT_NOFILE], [100, 200])
        self.assertEqual(self.probe('--oom-score-adj', '500')['oom_score_adj'], ['500'])
        self.assertEqual(self.probe('-h', 'box', '--domainname', 'example.test')['domainname'], 'example.test')
        self.assertEqual(self.probe('--security-opt', 'no-new-privileges')['NoNewPrivs'], '1')
        self.assertEqual(self.probe('--security-opt', 'seccomp=unconfined')['Seccomp'], '0')
        self.assertEqual(self.probe('-w', '/made/for/it')['cwd'], '/made/for/it')

    def test_its_control_group_is_the_root_it_sees(self):
        for line in self.probe('-m', '32m')['cgroup']:
            self.assertEqual(line.split(':', 2)[2], '/', line)
