"""Networks on the host's own interfaces (macvlan, ipvlan), their VLAN and dummy parents, and plugs into VLANs.

Where the kernel has no such links, as some of small machines, only the refusals are shown; the rest is shown in the
virtual machine of tests/vm."""
import json
import os
import unittest

import harness
from network_case import NetworkCase


class StackedCase(NetworkCase):
    needs_rules = False
    dockerc = os.path.join(harness.ROOT, 'build/release/bin/dockerc')

    @classmethod
    def has_kind(cls, kind, *options):
        added = cls.host.run('ip', 'link', 'add', 'try0', 'link', 'up0', 'type', kind, *options, check=False)
        cls.host.run('ip', 'link', 'delete', 'try0', check=False)
        return added.returncode == 0

    def setUp(self):
        before, listed = self.links(), self.names()
        self.addCleanup(lambda: harness.until(lambda: self.links() == before, what='links as before'))
        self.addCleanup(lambda: self.assertEqual(self.names(), listed))

    def names(self):
        return sorted(n['Name'] for n in self.engine.get('/networks'))

    def link(self, name):
        return json.loads(self.host.run('ip', '-j', '-d', 'link', 'show', name).stdout)[0]

    def inner(self, cid, name='eth0'):
        return json.loads(self.inside(cid, 'ip', '-j', '-d', 'link', 'show', name))[0]

    def again(self):
        self.engine.kill()
        self.engine.start()

    def reaches(self, cid, address):
        return self.inside(cid, 'sh', '-c', f'ping -c 1 -W 2 {address} >/dev/null && echo yes', check=False) == 'yes'

    def peer_vlan(self, number):
        """The peer is 10.NUMBER.0.2 in that VLAN."""
        name = f'up0.{number}'
        self.peer.run('ip', 'link', 'add', 'link', 'up0', 'name', name, 'type', 'vlan', 'id', str(number))
        self.addCleanup(self.peer.run, 'ip', 'link', 'delete', name)
        self.peer.run('ip', 'address', 'add', f'10.{number}.0.2/24', 'dev', name)
        self.peer.run('ip', 'link', 'set', name, 'up')


class RefusalsTest(StackedCase):
    def create_refused(self, words, driver, *options):
        self.refused(words, 'network', 'create', '-d', driver, *[x for o in options for x in ('-o', o)], 'lan')

    def test_options(self):
        self.create_refused("requested macvlan mode 'l2' is not valid", 'macvlan', 'parent=up0', 'macvlan_mode=l2')
        self.create_refused("requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default",
                            'ipvlan', 'parent=up0', 'ipvlan_mode=l4')
        self.create_refused("requested ipvlan flag 'odd' is not valid, 'bridge' is the ipvlan driver default",
                            'ipvlan', 'parent=up0', 'ipvlan_flag=odd')

    def test_parents(self):
        for driver in ('macvlan', 'ipvlan'):
            self.create_refused(f'loopback interface is not a valid {driver} parent link', driver, 'parent=lo')
            for parent, words in (('up7', 'invalid subinterface vlan name up7, example formatting is eth0.10'),
                                  ('up7.1', '-o parent interface was not found on the host: up7'),
                                  ('up0.1.2', 'required interface name format is: name.vlan_id'),
                                  ('up0.x', 'unable to parse a valid vlan id from: x'),
                                  ('up0.0', 'vlan id must be between 1-4094, received: 0'),
                                  ('up0.4095', 'vlan id must be between 1-4094, received: 4095')):
                self.create_refused(words, driver, 'parent=' + parent)

    def test_shared_parents(self):
        self.network('-d', 'ipvlan', '-o', 'parent=up0', 'i1')
        self.create_refused('network i1 is already using parent interface up0', 'ipvlan', 'parent=up0')
        self.network('-d', 'macvlan', '-o', 'parent=up0', 'm1')
        self.create_refused('cannot use mode passthru, macvlan network m1 is already using', 'macvlan', 'parent=up0',
                            'macvlan_mode=passthru')
        self.ok('network', 'rm', 'm1')
        self.network('-d', 'macvlan', '-o', 'parent=up0', '-o', 'macvlan_mode=passthru', 'm2')
        self.create_refused('already using parent interface up0 in mode passthru', 'macvlan', 'parent=up0')

    def test_ipvlan_has_no_hardware_address_of_its_own(self):
        self.network('-d', 'ipvlan', '-o', 'parent=up0', 'lan')
        self.refused('ipvlan interfaces do not support custom mac address assignment', 'run', '--rm', '--network',
                     'lan', '--mac-address', '02:00:00:00:00:01', 'busybox', 'true')

    def test_plugs(self):
        self.start('--name', 'two', '--network', 'none', 'busybox', 'sleep', '1000')
        for vlan in ('0', '4095', '-1'):
            for where in ('--parent', 'up0'), ('--bridge', 'br8'):
                self.refused(f'vlan id must be between 1-4094, received: {vlan}', 'network', 'plug', 'two', *where,
                             f'--vlan={vlan}', cli=self.dockerc)
        self.refused("invalid name of the VLAN's interface", 'network', 'plug', 'two', '--parent', 'abcdefghijkl',
                     '--vlan', '1234', cli=self.dockerc)
        self.refused('interface up9 does not exist', 'network', 'plug', 'two', '--parent', 'up9', '--vlan', '7',
                     cli=self.dockerc)
        self.host.run('ip', 'link', 'add', 'br8', 'type', 'bridge')
        self.addCleanup(self.host.run, 'ip', 'link', 'delete', 'br8')
        self.refused('the bridge br8 does not filter VLANs', 'network', 'plug', 'two', '--bridge', 'br8', '--vlan', '7',
                     cli=self.dockerc)

    def test_a_kernel_without_such_links(self):
        tried = 0
        if not self.has_kind('vlan', 'id', '7'):
            self.create_refused('creating the vlan interface up0.50', 'macvlan', 'parent=up0.50')
            tried += 1
        if not self.has_kind('dummy'):
            self.create_refused('creating the dummy interface dm-', 'macvlan')
            tried += 1
        if not self.has_kind('ipvlan'):
            self.network('-d', 'ipvlan', '-o', 'parent=up0', 'lan')
            self.refused('creating an ipvlan interface on up0', 'run', '--rm', '--network', 'lan', 'busybox', 'true')
            tried += 1
        made = self.host.run('ip', 'link', 'add', 'try1', 'type', 'bridge', 'vlan_filtering', '1', check=False)
        self.host.run('ip', 'link', 'delete', 'try1', check=False)
        if made.returncode != 0:
            self.start('--name', 'two', '--network', 'none', 'busybox', 'sleep', '1000')
            self.refused('the bridges of this kernel do not filter VLANs', 'network', 'plug', 'two', '--bridge', 'br8',
                         '--vlan', '7', cli=self.dockerc)
            tried += 1
        if not tried:
            self.skipTest('this kernel has them all')


class VlanTest(StackedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not all((cls.has_kind('vlan', 'id', '7'), cls.has_kind('dummy'), cls.has_kind('ipvlan'))):
            cls.doClassCleanups()
            raise unittest.SkipTest('this kernel has no vlan, dummy and ipvlan links')

    def test_a_sub_interface_comes_and_goes_with_its_network(self):
        self.peer_vlan(50)
        self.network('-d', 'macvlan', '-o', 'parent=up0.50', '--subnet', '10.50.0.0/24', '--gateway', '10.50.0.2',
                     'lan')
        self.assertEqual(self.link('up0.50')['linkinfo']['info_data']['id'], 50)
        cid = self.serve('tagged', '--network', 'lan', '--ip', '10.50.0.77')
        self.assertEqual(self.heard(self.peer, '10.50.0.77', 80), 'tagged')
        self.assertIn('default via 10.50.0.2', self.inside(cid, 'ip', 'route'))
        self.again()
        self.assertEqual(self.heard(self.peer, '10.50.0.77', 80), 'tagged')
        # Another network on it: the link is the last one's.
        self.network('-d', 'macvlan', '-o', 'parent=up0.50', '--subnet', '10.51.0.0/24', 'second')
        self.ok('rm', '-f', cid)
        self.ok('network', 'rm', 'lan')
        self.assertIn('up0.50', self.links())
        self.again()
        self.ok('network', 'rm', 'second')
        self.assertNotIn('up0.50', self.links())

    def test_killed_between_the_row_and_the_link(self):
        self.network('-d', 'macvlan', '-o', 'parent=up0.52', 'lan')
        self.network('-d', 'ipvlan', 'alone')
        self.engine.kill()
        made = [name for name in self.links() if name.startswith('di-')] + ['up0.52']
        for name in made:
            self.host.run('ip', 'link', 'delete', name)
        self.engine.start()
        self.assertEqual(set(made) - set(self.links()), set())
        self.ok('network', 'rm', 'lan', 'alone')
        self.assertEqual(set(made) & set(self.links()), set())

    def test_a_sub_interface_of_somebody_stays(self):
        self.host.run('ip', 'link', 'add', 'link', 'up0', 'name', 'up0.53', 'type', 'vlan', 'id', '53')
        self.addCleanup(self.host.run, 'ip', 'link', 'delete', 'up0.53')
        self.network('-d', 'macvlan', '-o', 'parent=up0.53', 'lan')
        self.again()
        self.ok('network', 'rm', 'lan')
        self.assertIn('up0.53', self.links())

    def test_without_a_parent(self):
        for driver, prefix in (('macvlan', 'dm-'), ('ipvlan', 'di-')):
            nid = self.network('-d', driver, 'alone')
            self.assertEqual(self.link(prefix + nid[:12])['linkinfo']['info_kind'], 'dummy')
            one = self.serve(driver, '--network', 'alone', '--name', 'one')
            two = self.start('--network', 'alone', 'busybox', 'sleep', '1000')
            self.assertEqual(self.heard_inside(two, self.address(one, 'alone'), 80), driver)
            self.assertIn('bytes from', self.ok('exec', two, 'ping', '-c', '1', 'one'))
            self.assertNotIn('default', self.inside(two, 'ip', 'route'))
            self.assertEqual(self.inspect(two)['NetworkSettings']['Networks']['alone']['Gateway'], '')
            self.ok('rm', '-f', one, two)
            self.ok('network', 'rm', 'alone')
            self.assertNotIn(prefix + nid[:12], self.links())

    def test_ipvlan(self):
        self.network('-d', 'ipvlan', '-o', 'parent=up0', '--subnet', '10.99.0.0/24', '--gateway', '10.99.0.2', '-o',
                     'ipvlan_flag=private', 'lan')
        cid = self.serve('ipvlan', '--network', 'lan', '--ip', '10.99.0.77')
        link = self.inner(cid)
        self.assertEqual((link['linkinfo']['info_kind'], link['linkinfo']['info_data']['mode'].lower()),
                         ('ipvlan', 'l2'))
        self.assertIn('private', json.dumps(link['linkinfo']['info_data']))
        self.assertEqual(link['address'], self.link('up0')['address'])
        seen = self.inspect(cid)['NetworkSettings']['Networks']['lan']
        self.assertEqual((seen['MacAddress'], seen['Gateway']), ('', '10.99.0.2'))
        self.assertEqual(self.heard(self.peer, '10.99.0.77', 80), 'ipvlan')
        self.assertIn('default via 10.99.0.2', self.inside(cid, 'ip', 'route'))
        other = self.start('--network', 'none', 'busybox', 'sleep', '1000')
        third = self.start('--network', 'lan', 'busybox', 'sleep', '1000')
        self.assertTrue(self.reaches(third, '10.99.0.2'))
        self.assertFalse(self.reaches(third, '10.99.0.77'))       # private
        self.again()
        self.assertEqual(self.heard(self.peer, '10.99.0.77', 80), 'ipvlan')
        # The kernel has one kind at a time on an interface.
        self.network('-d', 'macvlan', '-o', 'parent=up0', 'clash')
        self.refused('creating a macvlan interface on up0: ', 'run', '--rm', '--network', 'clash', 'busybox', 'true')
        self.ok('rm', '-f', cid, other, third)

    def test_ipvlan_on_layer_3(self):
        for mode in ('l3', 'l3s'):
            self.network('-d', 'ipvlan', '-o', 'parent=up0', '-o', 'ipvlan_mode=' + mode, '--subnet', '10.77.0.0/24',
                         'routed')
            self.peer.run('ip', 'route', 'replace', '10.77.0.0/24', 'via', '10.99.0.1')
            cid = self.serve(mode, '--network', 'routed', '--ip', '10.77.0.9')
            self.assertIn('default dev eth0 scope link', self.inside(cid, 'ip', 'route'))
            seen = self.inspect(cid)['NetworkSettings']['Networks']['routed']
            self.assertEqual((seen['Gateway'], seen['IPAddress']), ('', '10.77.0.9'))
            self.assertNotIn('Gateway', self.engine.get('/networks/routed')['IPAM']['Config'][0])
            self.assertEqual(self.heard(self.peer, '10.77.0.9', 80), mode)
            self.assertTrue(self.reaches(cid, '10.99.0.2'))
            # The default route comes back when the network that had taken it goes.
            self.network('apart')
            self.ok('network', 'connect', '--gw-priority', '5', 'apart', cid)
            self.assertIn('default via', self.inside(cid, 'ip', 'route'))
            self.again()
            self.ok('network', 'disconnect', 'apart', cid)
            self.assertIn('default dev eth0', self.inside(cid, 'ip', 'route'))
            self.ok('rm', '-f', cid)
            self.ok('network', 'rm', 'routed', 'apart')

    def test_plugged_into_a_vlan_of_an_interface(self):
        self.peer_vlan(54)
        self.addCleanup(self.host.run, 'ip', 'link', 'delete', 'up0.54')
        cid = self.start('--name', 'two', '--network', 'none', 'busybox', 'sleep', '1000')
        for name, address in (('eth1', '10.54.0.5'), ('eth2', '10.54.0.6')):
            self.ok('network', 'plug', 'two', '--parent', 'up0', '--vlan', '54', '--name', name, '--ip',
                    address + '/24', cli=self.dockerc)
        self.assertTrue(self.reaches(cid, '10.54.0.2'))
        self.ok('network', 'unplug', 'two', cli=self.dockerc)
        self.again()
        self.ok('rm', '-f', cid)
        self.assertIn('up0.54', self.links())

    def test_plugged_into_a_vlan_of_a_bridge(self):
        self.addCleanup(self.host.run, 'ip', 'link', 'delete', 'br9')
        for name, vlan in (('one', '10'), ('two', '10'), ('three', '20')):
            self.serve(name, '--name', name, '--network', 'none')
            number = len(self.engine.get('/containers/json'))
            self.ok('network', 'plug', name, '--bridge', 'br9', '--vlan', vlan, '--ip', f'10.9.0.{number}/24',
                    cli=self.dockerc)
        self.assertEqual(self.heard_inside('one', '10.9.0.2', 80), 'two')
        self.assertFalse(self.reaches('one', '10.9.0.3'))
        ports = json.loads(self.host.run('bridge', '-j', 'vlan').stdout)
        vlans = sorted(tuple(v['vlan'] for v in p['vlans']) for p in ports if p['ifname'].startswith('plug'))
        self.assertEqual(vlans, [(10,), (10,), (20,)])
        self.ok('rm', '-f', 'one', 'two', 'three')
        harness.until(lambda: not [x for x in self.links() if x.startswith('plug')], what='the ports are gone')
