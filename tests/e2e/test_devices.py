"""Which devices a container can use: Docker's usual ones, those it was given, all when privileged."""
import os
import stat
import unittest

from case import EngineCase

LOOP = '/dev/loop-control'   # opening it does nothing


@unittest.skipUnless(os.path.exists(LOOP), f'this host has no {LOOP}')
class Devices(EngineCase):
    def test_a_node_can_be_made_but_not_opened(self):
        major, minor = os.major(os.stat(LOOP).st_rdev), os.minor(os.stat(LOOP).st_rdev)
        text = self.sh(f"mknod /x c {major} {minor} && (: </x) 2>&1; echo $?; "
                       "echo ok >/dev/null; head -c1 /dev/zero | wc -c")
        self.assertIn('Operation not permitted', text)
        self.assertEqual(text.split()[-2:], ['1', '1'])

    def test_a_device_given(self):
        text = self.sh('(: </dev/lc) 2>&1; echo $?; (: >/dev/lc) 2>&1; echo $?; stat -c %t:%T /dev/lc',
                       '--device', f'{LOOP}:/dev/lc:r')
        self.assertEqual(text.split()[0], '0')
        self.assertIn('Operation not permitted', text)
        number = os.stat(LOOP).st_rdev
        self.assertEqual(text.split()[-1], f'{os.major(number):x}:{os.minor(number):x}')

    def test_a_rule_given(self):
        major, minor = os.major(os.stat(LOOP).st_rdev), os.minor(os.stat(LOOP).st_rdev)
        self.assertEqual(self.sh(f'mknod /x c {major} {minor} && : </x && echo open',
                                 '--device-cgroup-rule', f'c {major}:{minor} rwm'), 'open')

    def test_a_privileged_container_has_all(self):
        self.assertEqual(self.sh(f': <{LOOP} && echo open', '--privileged'), 'open')

    def test_a_terminal_works(self):
        self.assertEqual(self.sh('echo there >/dev/tty && echo here', '-t').split(), ['there', 'here'])

    def test_wrong_ones(self):
        r = self.run_('--device', '/dev/not-there', 'busybox', 'true')
        self.assertEqual(r.returncode, 127)   # the CLI's answer to these words
        self.assertIn('error gathering device information while adding custom device "/dev/not-there": '
                      'no such file or directory', r.stderr)
        r = self.run_('--device', '/etc/passwd', 'busybox', 'true')
        self.assertIn('not a device node', r.stderr)
        status, body, _ = self.engine.http('POST', '/containers/create', {
            'Image': 'busybox', 'HostConfig': {'DeviceCgroupRules': ['c 1']}})
        self.assertEqual(status, 400)
        self.assertIn(b"invalid device cgroup rule format: 'c 1'", body)

    def test_inspect_shows_them(self):
        cid = self.start('--device', LOOP, '--device-cgroup-rule', 'c 7:* r', 'busybox', 'sleep', '1000')
        host = self.engine.get(f'/containers/{cid}/json')['HostConfig']
        self.assertEqual(host['Devices'], [{'PathOnHost': LOOP, 'PathInContainer': LOOP, 'CgroupPermissions': 'rwm'}])
        self.assertEqual(host['DeviceCgroupRules'], ['c 7:* r'])
        self.assertTrue(stat.S_ISCHR(os.stat(LOOP).st_mode))
