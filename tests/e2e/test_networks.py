"""The default bridge, published ports, user networks and their names, with real traffic."""
import json
import os
import shutil
import subprocess
import time
import unittest

import harness
from network_case import NetworkCase


class DefaultBridgeTest(NetworkCase):
    def test_a_container_has_address_route_and_files(self):
        cid = self.start('--name', 'plain', '-h', 'plain.example', 'busybox', 'sleep', '1000')
        settings = self.inspect(cid)['NetworkSettings']
        bridge = settings['Networks']['bridge']
        self.assertTrue(bridge['IPAddress'].startswith('172.17.0.'))
        self.assertEqual((bridge['Gateway'], bridge['IPPrefixLen']), ('172.17.0.1', 16))
        self.assertEqual(settings['IPAddress'], bridge['IPAddress'])
        octets = [int(x) for x in bridge['IPAddress'].split('.')]
        self.assertEqual(bridge['MacAddress'], '02:42:' + ':'.join(f'{x:02x}' for x in octets))
        links = {x['ifname']: x for x in json.loads(self.inside(cid, 'ip', '-j', 'address'))}
        self.assertEqual(set(links), {'lo', 'eth0'})
        self.assertEqual(links['eth0']['address'], bridge['MacAddress'])
        self.assertIn('default via 172.17.0.1 dev eth0', self.inside(cid, 'ip', 'route'))
        self.assertEqual(os.stat(settings['SandboxKey']).st_ino,
                         os.stat(f'/proc/{self.inspect(cid)["State"]["Pid"]}/ns/net').st_ino)
        with open(self.inspect(cid)['HostsPath']) as f:
            self.assertIn(f'{bridge["IPAddress"]}\tplain.example\n', f.read())
        self.ok('stop', '-t', '0', cid)
        self.assertEqual(self.inspect(cid)['NetworkSettings']['Networks']['bridge']['IPAddress'], '')

    def test_containers_reach_each_other_and_the_outside(self):
        one = self.serve('one')
        two = self.start('busybox', 'sleep', '1000')
        self.assertEqual(self.heard_inside(two, self.address(one), 80), 'one')
        self.inside(two, 'ping', '-c', '1', '-W', '3', '10.99.0.2')   # masqueraded: the peer knows no way back
        self.inside(two, 'ping', '-c', '1', '-W', '3', '172.17.0.1')

    def test_unpublished_ports_are_closed_to_other_hosts(self):
        cid = self.serve('secret')
        self.peer.run('ip', 'route', 'add', '172.17.0.0/16', 'via', '10.99.0.1')
        self.addCleanup(self.peer.run, 'ip', 'route', 'del', '172.17.0.0/16')
        self.assertEqual(self.heard(self.host, self.address(cid), 80), 'secret')
        self.assertEqual(self.heard(self.peer, self.address(cid), 80, tries=1), '')

    def test_addresses_are_not_given_out_again_at_once(self):
        seen = []
        for _ in range(3):
            cid = self.ok('run', '-d', 'busybox', 'sleep', '1000')
            seen.append(self.address(cid))
            self.ok('rm', '-f', cid)
        self.assertEqual(len(set(seen)), 3, seen)

    def test_nothing_is_left(self):
        before = self.links()
        ids = [self.ok('run', '-d', '-p', '80', 'busybox', 'sleep', '1000') for _ in range(3)]
        self.assertEqual(self.elements(), 3)
        self.ok('rm', '-f', *ids)
        harness.until(lambda: self.links() == before, what='the links are gone')
        harness.until(lambda: self.elements() == 0, what='the rules are gone')

    def test_mac_dns_and_hosts_options(self):
        out = self.ok('run', '--rm', '--mac-address', '02:42:00:00:00:99', '--dns', '9.9.9.9', '--dns-search', 'lab',
                      '--dns-option', 'ndots:3', '--add-host', 'gate:host-gateway', '--add-host', 'far:10.1.2.3',
                      '--sysctl', 'net.ipv4.ip_default_ttl=33', 'busybox', 'sh', '-c',
                      'cat /sys/class/net/eth0/address /etc/resolv.conf /etc/hosts /proc/sys/net/ipv4/ip_default_ttl')
        for words in ('02:42:00:00:00:99', 'nameserver 9.9.9.9', 'search lab', 'options ndots:3',
                      '172.17.0.1\tgate', '10.1.2.3\tfar', '33'):
            self.assertIn(words, out)

    def test_modes(self):
        self.assertEqual(self.ok('run', '--rm', '--network', 'none', 'busybox', 'ls', '/sys/class/net'), 'lo')
        host = self.ok('run', '--rm', '--network', 'host', 'busybox', 'ls', '/sys/class/net')
        self.assertIn('docker0', host.split())
        one = self.start('--name', 'first', 'busybox', 'sleep', '1000')
        same = self.ok('run', '--rm', '--network', 'container:first', 'busybox', 'sh', '-c',
                       'hostname; ip -4 address show eth0; cat /etc/hosts')
        self.assertIn(self.address(one), same)
        self.assertTrue(same.startswith(one[:12]))
        self.refused('port publishing and the container type network mode', 'run', '--rm', '-p', '80', '--network',
                     'container:first', 'busybox', 'true')
        self.refused('non running container', 'run', '--rm', '--network', 'container:' + self.ok(
            'create', '--name', 'asleep', 'busybox', 'true'), 'busybox', 'true')
        self.ok('rm', 'asleep')
        self.refused('network absent not found', 'run', '--rm', '--network', 'absent', 'busybox', 'true')

    def test_a_shared_namespace_outlives_its_owner(self):
        owner = self.start('--name', 'owner', 'busybox', 'sleep', '1000')
        before = set(self.links())
        guest = self.start('--network', 'container:owner', 'busybox', 'sleep', '1000')
        self.ok('rm', '-f', owner)
        # The address is free again: the link that bore it must be gone although the namespace is not.
        harness.until(lambda: len(before - set(self.links())) == 1, what='the link is removed')
        self.assertTrue(self.inspect(guest)['State']['Running'])


class PublishedPortsTest(NetworkCase):
    def test_a_port_from_everywhere(self):
        cid = self.serve('web', '--name', 'web', '-p', '8080:80')
        for where, host in ((self.peer, '10.99.0.1'), (self.host, '10.99.0.1'), (self.host, '127.0.0.1'),
                            (self.host, self.address(cid) + '')):
            port = 80 if host.startswith('172') else 8080
            self.assertEqual(self.heard(where, host, port), 'web', (host, port))
        other = self.start('busybox', 'sleep', '1000')
        self.assertEqual(self.heard_inside(other, '10.99.0.1', 8080), 'web')
        self.assertEqual(self.heard_inside(cid, '10.99.0.1', 8080), 'web')
        self.assertEqual(self.heard_inside(other, '172.17.0.1', 8080), 'web')
        self.assertEqual(self.ok('port', 'web'), '80/tcp -> 0.0.0.0:8080')
        self.assertEqual(self.ok('port', 'web', '80'), '0.0.0.0:8080')
        self.assertIn('0.0.0.0:8080->80/tcp', self.ok('ps', '--format', '{{.Ports}}'))
        self.assertEqual(self.ok('ps', '-q', '--no-trunc', '--filter', 'publish=8080'), cid)
        self.ok('rm', '-f', cid)
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8080, tries=1), '')

    def test_loopback_only(self):
        self.serve('local', '-p', '127.0.0.1:8081:80')
        self.assertEqual(self.heard(self.host, '127.0.0.1', 8081), 'local')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8081, tries=1), '')

    def test_forms_of_p(self):
        cid = self.start('-p', '80', '-p', '127.0.0.1::81', '-p', '8100-8102:90-92', '-p', '5353:53/udp', '--expose',
                         '99', 'busybox', 'sleep', '1000')
        ports = self.inspect(cid)['NetworkSettings']['Ports']
        self.assertEqual(ports['90/tcp'][0]['HostPort'], '8100')
        self.assertEqual(ports['92/tcp'][0]['HostPort'], '8102')
        self.assertEqual(ports['53/udp'], [{'HostIp': '0.0.0.0', 'HostPort': '5353'}])
        self.assertGreaterEqual(int(ports['80/tcp'][0]['HostPort']), 49153)
        self.assertEqual(ports['81/tcp'][0]['HostIp'], '127.0.0.1')
        self.assertIsNone(ports['99/tcp'])
        every = self.start('-P', '--expose', '70', '--expose', '71/udp', 'busybox', 'sleep', '1000')
        ports = self.inspect(every)['NetworkSettings']['Ports']
        self.assertTrue(ports['70/tcp'][0]['HostPort'] and ports['71/udp'][0]['HostPort'])

    def test_udp(self):
        cid = self.start('-p', '9000:9001/udp', 'busybox', 'sleep', '1000')
        server = 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 9001)); ' \
                 'print("up", flush=True); data, peer = s.recvfrom(100); s.sendto(b"heard " + data, peer)'
        pid = self.inspect(cid)['State']['Pid']
        with subprocess.Popen(['nsenter', f'--net=/proc/{pid}/ns/net', 'python3', '-c', server],
                              stdout=subprocess.PIPE) as process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), b'up\n')
            ask = 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); ' \
                  's.connect(("10.99.0.1", 9000)); s.send(b"hi"); print(s.recv(100).decode())'
            self.assertEqual(self.peer.run('python3', '-c', ask).stdout, 'heard hi\n')

    def test_a_taken_port_is_told_as_dockerd_does(self):
        first = self.start('-p', '8200:80', 'busybox', 'sleep', '1000')
        self.refused('Bind for 0.0.0.0:8200 failed: port is already allocated', 'run', '-d', '--name', 'second', '-p',
                     '8200:80', 'busybox', 'sleep', '1000')
        self.ok('rm', 'second')
        holder = self.host.enter('busybox', 'nc', '-l', '-p', '8201')
        process = subprocess.Popen(holder, stdin=subprocess.DEVNULL)
        try:
            harness.until(lambda: ':8201' in self.host.run('ss', '-ltn').stdout, what='nc listens')
            self.refused('address already in use', 'run', '-d', '--name', 'third', '-p', '8201:80', 'busybox', 'true')
        finally:
            process.kill()
            process.wait()
        self.ok('rm', 'third')
        # And nobody else gets a port that a container has.
        taken = self.host.run('busybox', 'timeout', '1', 'busybox', 'nc', '-l', '-p', '8200', check=False)
        self.assertNotEqual(taken.returncode, 0)
        self.assertIn('in use', taken.stderr)
        self.ok('stop', '-t', '0', first)
        again = self.start('-p', '8200:80', 'busybox', 'sleep', '1000')
        self.assertTrue(self.inspect(again)['State']['Running'])

    def test_ports_changed_while_it_runs(self):
        cid = self.serve('live', '--name', 'live', '-p', '8900:80', '-p', '81')
        picked = self.inspect(cid)['NetworkSettings']['Ports']['81/tcp'][0]['HostPort']
        held = self.start('-p', '8905:80', 'busybox', 'sleep', '1000')
        def update(bindings):
            status, answer, _ = self.engine.http('POST', f'/containers/{cid}/update', {'PortBindings': bindings})
            return status, json.loads(answer)
        status, answer = update({'80/tcp': [{'HostPort': '8901'}, {'HostPort': '8905'}]})
        self.assertEqual(status, 500)
        self.assertIn('port is already allocated', answer['message'])
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8900), 'live')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8901, tries=1), '')
        status, answer = update({'80/tcp': [{'HostPort': '8901'}], '81/tcp': [{'HostPort': ''}],
                                 '82/tcp': [{'HostPort': '8900'}]})
        self.assertEqual((status, answer['Warnings']), (200, None))
        ports = self.inspect(cid)['NetworkSettings']['Ports']
        self.assertEqual(ports['81/tcp'][0]['HostPort'], picked)
        self.assertEqual(ports['82/tcp'][0]['HostPort'], '8900')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8901), 'live')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8900, tries=1), '')
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.inspect(cid)['NetworkSettings']['Ports'], ports)
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8901), 'live')
        dockerc = harness.built('dockerc')
        self.ok('update', '-p', '8902:80', 'live', cli=dockerc)
        self.assertEqual(self.ok('port', 'live', cli=dockerc), '80/tcp -> 0.0.0.0:8902')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8902), 'live')
        self.ok('restart', '-t', '0', 'live')
        self.assertEqual(self.ok('port', 'live', '80'), '0.0.0.0:8902')
        self.ok('update', '--publish-none', 'live', cli=dockerc)
        self.assertEqual(self.ok('port', 'live'), '')
        self.ok('rm', '-f', cid, held)
        harness.until(lambda: self.elements() == 0, what='no rules left')

    def test_invalid_ports(self):
        for binding in ({'80/tcp': [{'HostPort': 'x'}]}, {'x/tcp': [{}]}, {'80/foo': [{}]},
                        {'80/tcp': [{'HostPort': '70000'}]}, {'80/tcp': [{'HostIp': '1.2.3', 'HostPort': '1'}]}):
            status, body, _ = self.engine.http('POST', '/containers/create', {
                'Image': 'busybox', 'HostConfig': {'PortBindings': binding}})
            self.assertEqual(status, 400, (binding, body))


class UserNetworksTest(NetworkCase):
    def test_names_aliases_and_reverse(self):
        self.network('lab')
        db = self.start('--name', 'db', '--network', 'lab', '--network-alias', 'store', 'busybox', 'sleep', '1000')
        web = self.start('--name', 'web', '--network', 'lab', 'busybox', 'sleep', '1000')
        address = self.address(db, 'lab')
        for name in ('db', 'store', 'DB', 'db.lab', db[:12]):
            self.assertIn(address, self.inside(web, 'dig', '+short', '@127.0.0.11', name), name)
        self.assertIn(address, self.inside(web, 'dig', '+tcp', '+short', '@127.0.0.11', 'db'))
        self.assertEqual(self.inside(web, 'dig', '+short', '@127.0.0.11', '-x', address), 'db.lab.')
        self.assertEqual(self.inside(web, 'dig', '+short', '@127.0.0.11', 'db', 'AAAA'), '')
        self.ok('run', '--rm', '--network', 'lab', 'busybox', 'ping', '-c', '1', '-W', '3', 'store')
        names = self.inspect(db)['NetworkSettings']['Networks']['lab']['DNSNames']
        self.assertEqual(names[:2], ['db', 'store'])

    def test_round_robin(self):
        self.network('many')
        ids = [self.start('--network', 'many', '--network-alias', 'svc', 'busybox', 'sleep', '1000') for _ in range(3)]
        seen = {self.inside(ids[0], 'dig', '+short', '@127.0.0.11', 'svc').split()[0] for _ in range(6)}
        self.assertEqual(len(seen), 3)

    def test_networks_are_apart_until_connected(self):
        self.network('left')
        self.network('right')
        one = self.serve('one', '--name', 'one', '--network', 'left')
        two = self.start('--name', 'two', '--network', 'right', 'busybox', 'sleep', '1000')
        self.assertEqual(self.heard_inside(two, self.address(one, 'left'), 80, tries=1), '')
        self.assertNotIn(self.address(one, 'left'), self.inside(two, 'dig', '+short', '+time=1', '+tries=1',
                                                                '@127.0.0.11', 'one', check=False))
        self.ok('network', 'connect', '--alias', 'second', 'left', 'two')
        self.assertEqual(self.heard_inside(two, self.address(one, 'left'), 80), 'one')
        self.assertIn(self.address(two, 'left'), self.inside(one, 'dig', '+short', '@127.0.0.11', 'second'))
        self.assertIn('eth1', self.inside(two, 'ip', '-br', 'link'))
        self.refused('already exists in network', 'network', 'connect', 'left', 'two')
        self.ok('network', 'disconnect', 'left', 'two')
        self.assertNotIn('eth1', self.inside(two, 'ip', '-br', 'link'))
        self.assertNotIn('left', self.inspect(two)['NetworkSettings']['Networks'])
        self.refused('is not connected to network left', 'network', 'disconnect', 'left', 'two')

    def test_the_default_route_moves(self):
        self.network('a-net')
        self.network('b-net')
        cid = self.serve('moved', '--network', 'a-net', '-p', '8300:80')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8300), 'moved')
        self.ok('network', 'connect', 'b-net', cid)
        self.ok('network', 'disconnect', 'a-net', cid)
        gateway = self.inspect(cid)['NetworkSettings']['Networks']['b-net']['Gateway']
        self.assertIn(f'default via {gateway}', self.inside(cid, 'ip', 'route'))
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8300), 'moved')

    def test_fixed_addresses(self):
        self.network('--subnet', '10.77.0.0/24', '--gateway', '10.77.0.254', '--aux-address', 'router=10.77.0.2',
                     'fixed')
        cid = self.start('--network', 'fixed', '--ip', '10.77.0.9', 'busybox', 'sleep', '1000')
        self.assertEqual(self.address(cid, 'fixed'), '10.77.0.9')
        self.refused('Address already in use', 'run', '--rm', '--network', 'fixed', '--ip', '10.77.0.9', 'busybox',
                     'true')
        self.refused('no configured subnet', 'run', '--rm', '--network', 'fixed', '--ip', '10.78.0.9', 'busybox',
                     'true')
        self.refused('Address already in use', 'run', '--rm', '--network', 'fixed', '--ip', '10.77.0.2', 'busybox',
                     'true')
        self.assertIn('default via 10.77.0.254', self.inside(cid, 'ip', 'route'))
        self.ok('restart', '-t', '0', cid)
        self.assertEqual(self.address(cid, 'fixed'), '10.77.0.9')

    def test_internal(self):
        self.network('--internal', 'cell')
        cid = self.start('--network', 'cell', 'busybox', 'sleep', '1000')
        self.assertNotIn('default', self.inside(cid, 'ip', 'route'))
        other = self.serve('in', '--network', 'cell')
        self.assertEqual(self.heard_inside(cid, self.address(other, 'cell'), 80), 'in')

    def test_macvlan(self):
        """The container is a machine on the host's own network: the peer reaches it, and it the peer."""
        self.refused("requested macvlan mode 'odd' is not valid", 'network', 'create', '-d', 'macvlan', '-o',
                     'parent=up0', '-o', 'macvlan_mode=odd', 'lan')
        self.network('-d', 'macvlan', '--subnet', '10.99.0.0/24', '--gateway', '10.99.0.2', '-o', 'parent=up0', 'lan')
        before = self.links()
        cid = self.serve('macvlan', '--network', 'lan', '--ip', '10.99.0.77')
        links = json.loads(self.inside(cid, 'ip', '-j', '-d', 'link', 'show', 'eth0'))
        self.assertEqual(links[0]['linkinfo']['info_kind'], 'macvlan')
        self.assertIn('default via 10.99.0.2', self.inside(cid, 'ip', 'route'))
        self.assertEqual(self.heard(self.peer, '10.99.0.77', 80), 'macvlan')
        self.inside(cid, 'ping', '-c', '1', '-W', '3', '10.99.0.2')
        other = self.start('busybox', 'sleep', '1000')
        self.ok('network', 'connect', '--ip', '10.99.0.78', 'lan', other)
        self.assertEqual(self.heard_inside(other, '10.99.0.77', 80), 'macvlan')
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.address(cid, 'lan'), '10.99.0.77')
        self.ok('network', 'disconnect', 'lan', other)
        self.assertNotIn('eth1', self.inside(other, 'ip', '-br', 'link'))
        self.ok('rm', '-f', cid, other)
        harness.until(lambda: self.links() == before, what='links as before')

    def test_create_is_refused_by_name(self):
        self.network('--subnet', '10.60.0.0/16', 'taken')
        self.refused('already exists', 'network', 'create', 'taken')
        self.refused('Pool overlaps', 'network', 'create', '--subnet', '10.60.1.0/24', 'other')
        self.refused('predefined', 'network', 'create', 'host')
        self.refused('not found', 'network', 'create', '-d', 'fancy', 'other')
        self.refused('invalid', 'network', 'create', '--subnet', '10.61.0.1/16', 'other')
        self.refused('pre-defined', 'network', 'rm', 'bridge')
        self.refused('absent', 'network', 'rm', 'absent')
        cid = self.start('--name', 'user', '--network', 'taken', 'busybox', 'sleep', '1000')
        self.refused('has active endpoints (name:"user"', 'network', 'rm', 'taken')
        self.ok('rm', '-f', cid)

    def test_answers_by_api_version(self):
        def create(version, name, **ipam):
            status, answer, _ = self.engine.http('POST', f'/{version}/networks/create', {'Name': name, 'IPAM': ipam})
            return status, json.loads(answer)
        status, answer = create('v1.44', 'bits', Config=[{'Subnet': '10.62.0.1/16'}])
        self.assertEqual((status, 'it should be 10.62.0.0/16' in answer['message']), (400, True))
        status, answer = create('v1.43', 'bits', Config=[{'Subnet': '10.62.0.1/16', 'IPRange': '10.62.3.7/24'}])
        self.assertEqual(status, 201, answer)
        self.addCleanup(self.ok, 'network', 'rm', 'bits')
        ipam = self.engine.get('/networks/bits')['IPAM']
        self.assertEqual([ipam['Config'][0][key] for key in ('Subnet', 'IPRange')], ['10.62.0.0/16', '10.62.3.0/24'])
        self.assertIsNone(ipam['Options'])
        self.network('--ipam-opt', 'a=b', 'optioned')
        self.assertEqual(self.engine.get('/networks/optioned')['IPAM']['Options'], {'a': 'b'})
        self.engine.kill()
        self.engine.start()
        self.assertIsNone(self.engine.get('/networks/bits')['IPAM']['Options'])

    def test_disconnected_twice(self):
        self.network('once')
        cid = self.start('--network', 'once', 'busybox', 'sleep', '1000')
        self.ok('network', 'disconnect', '-f', 'once', cid)
        self.refused('not found', 'network', 'disconnect', '-f', 'once', cid)
        self.refused('is not connected to network once', 'network', 'disconnect', 'once', cid)
        self.ok('rm', '-f', cid)

    def test_list_inspect_prune_events(self):
        nid = self.network('--label', 'tier=x', 'shown')
        listed = {n['Name']: n for n in self.engine.get('/networks')}
        self.assertEqual({'bridge', 'host', 'none', 'shown'} - set(listed), set())
        self.assertEqual(listed['none']['Driver'], 'null')
        self.assertEqual(self.ok('network', 'ls', '-q', '--no-trunc', '--filter', 'label=tier=x'), nid)
        self.assertEqual(self.ok('network', 'ls', '-q', '--filter', 'type=custom', '--filter', 'name=shown'), nid[:12])
        cid = self.start('--network', 'shown', 'busybox', 'sleep', '1000')
        got = json.loads(self.ok('network', 'inspect', 'shown'))[0]
        self.assertEqual(list(got['Containers']), [cid])
        self.assertEqual(got['Labels'], {'tier': 'x'})
        self.assertTrue(got['IPAM']['Config'][0]['Subnet'].endswith('/16'))
        self.assertNotIn('shown', self.ok('network', 'prune', '-f'))
        self.ok('rm', '-f', cid)
        self.assertIn('shown', self.ok('network', 'prune', '-f'))
        # The CLI makes whole seconds of a duration.
        log = self.ok('events', '--since', '1h', '--until', str(int(time.time()) + 1), '--filter', 'type=network',
                      '--filter', 'network=shown', '--format', '{{.Action}}').split()
        self.assertEqual(log, ['create', 'connect', 'disconnect', 'destroy'])

    def test_bridges_survive_the_engine(self):
        self.network('kept')
        cid = self.serve('still', '--name', 'survivor', '--network', 'kept', '-p', '8400:80')
        friend = self.start('--network', 'kept', 'busybox', 'sleep', '1000')
        address = self.address(cid, 'kept')
        rules, links = self.rules(), self.links()
        self.engine.kill()
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8400), 'still')
        self.engine.start()
        self.assertEqual(self.address(cid, 'kept'), address)
        self.assertEqual((self.rules(), self.links()), (rules, links))
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8400), 'still')
        self.assertIn(address, self.inside(friend, 'dig', '+short', '@127.0.0.11', 'survivor'))
        self.refused('already allocated', 'run', '--rm', '-p', '8400:80', 'busybox', 'true')
        self.ok('rm', '-f', cid)
        harness.until(lambda: self.elements() == 0, what='the port is given back')


class HostPolicyTest(NetworkCase):
    def warnings(self):
        return [w for w in self.engine.get('/info')['Warnings'] if 'the policy of' in w]

    def test_a_policy_that_drops_is_told(self):
        self.assertEqual(self.warnings(), [])
        self.host.run('nft', 'add table ip other')
        self.host.run('nft', 'add chain ip other passing { type filter hook forward priority 0; policy drop; }')
        self.addCleanup(self.host.run, 'nft', 'delete table ip other')
        self.assertEqual([w.split(' is drop')[0] for w in self.warnings()],
                         ['WARNING: the policy of nftables ip other passing'])
        self.assertIn('nftables ip other passing', self.docker('info').stderr)
        self.host.run('nft', 'add chain ip other passing { policy accept; }')
        self.assertEqual(self.warnings(), [])

    def test_the_legacy_one_too(self):
        if not shutil.which('iptables-legacy'):
            self.skipTest('no iptables-legacy here')
        set_policy = self.host.run('iptables-legacy', '-P', 'FORWARD', 'DROP', check=False)
        if set_policy.returncode != 0:
            self.skipTest('this kernel has no ip_tables: ' + set_policy.stderr)
        self.addCleanup(self.host.run, 'iptables-legacy', '-P', 'FORWARD', 'ACCEPT')
        self.assertIn('the policy of iptables FORWARD is drop', ' '.join(self.warnings()))


class PlugTest(NetworkCase):
    """What pipework did: an extra interface on a bridge of the host, or on one of its interfaces."""
    dockerc = harness.built('dockerc')

    def test_plug_and_unplug(self):
        one = self.serve('one', '--name', 'one', '--network', 'none')
        self.start('--name', 'two', 'busybox', 'sleep', '1000')
        for name, address in (('one', '192.168.115.10/24@192.168.115.2'), ('two', '192.168.115.11/24')):
            self.ok('network', 'plug', name, '--bridge', 'br7', '--ip', address, cli=self.dockerc)
        self.assertEqual(self.heard_inside('two', '192.168.115.10', 80), 'one')
        self.assertIn('default via 192.168.115.2 dev eth1', self.inside(one, 'ip', 'route'))
        self.assertNotIn('192.168.115.2', self.inside('two', 'ip', 'route'))
        self.ok('network', 'plug', 'two', '--parent', 'up0', '--name', 'lan0', '--ip', '10.99.0.50/24', '--mac',
                '02:00:00:00:00:50', '--route', '10.55.0.0/16@10.99.0.2', cli=self.dockerc)
        self.assertIn('10.55.0.0/16 via 10.99.0.2 dev lan0', self.inside('two', 'ip', 'route'))
        self.inside('two', 'ping', '-c', '1', '-W', '3', '10.99.0.2')
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.heard_inside('two', '192.168.115.10', 80), 'one')   # not swept away
        self.ok('network', 'unplug', 'two', cli=self.dockerc)
        self.ok('network', 'unplug', 'two', '--name', 'lan0', cli=self.dockerc)
        self.assertEqual({x['ifname'] for x in json.loads(self.inside('two', 'ip', '-j', 'link'))}, {'lo', 'eth0'})

    def test_refusals(self):
        self.start('--name', 'two', 'busybox', 'sleep', '1000')
        before = self.links()
        for words, *args in (('one of them', ), ('not ADDRESS/LENGTH', '--bridge', 'br7', '--ip', 'x'),
                             ("is not in the interface's network", '--bridge', 'br7', '--ip', '10.1.1.1/24@10.2.2.2'),
                             ('does not exist', '--parent', 'up9', '--ip', '10.1.1.1/24'),
                             ('File exists', '--parent', 'up0', '--name', 'eth0')):
            self.refused(words, 'network', 'plug', 'two', *args, cli=self.dockerc)
        self.refused('was not plugged in', 'network', 'unplug', 'two', '--name', 'eth0', cli=self.dockerc)
        self.refused('removing interface eth5', 'network', 'unplug', 'two', '--name', 'eth5', cli=self.dockerc)
        self.refused('is not running', 'network', 'plug', self.ok('create', '--name', 'still', 'busybox'), '--bridge',
                     'br7', cli=self.dockerc)
        self.ok('rm', 'still')
        self.assertEqual(self.links(), before)


class EveryClientTest(NetworkCase):
    """The CLI of today, Debian's, and our own."""

    def test_a_day_of_networks(self):
        for cli in harness.clis() + [harness.built('dockerc')]:
            with self.subTest(cli):
                self.a_day(cli)

    def a_day(self, cli):
        def ok(*args):
            return self.ok(*args, cli=cli)
        nid = ok('network', 'create', '--subnet', '10.66.0.0/24', '--label', 'a=b', 'day')
        self.assertEqual(ok('network', 'ls', '-q', '--no-trunc', '--filter', 'name=day'), nid)
        self.assertIn('bridge', ok('network', 'ls'))
        self.assertEqual(json.loads(ok('network', 'inspect', 'day'))[0]['IPAM']['Config'],
                         [{'Subnet': '10.66.0.0/24', 'Gateway': '10.66.0.1'}])
        one = ok('run', '-d', '--name', 'one', '--network', 'day', '--ip', '10.66.0.9', '--network-alias', 'first',
                 '--mac-address', '02:00:00:00:00:09', '-p', '8800:80', '--expose', '81', '-P', '--add-host',
                 'far:10.1.2.3', '--dns', '10.99.0.2', 'busybox', 'sh', '-c',
                 'while true; do echo day | nc -l -p 80 >/dev/null; done')
        seen = self.inspect('one')['NetworkSettings']
        self.assertEqual(seen['Networks']['day']['IPAddress'], '10.66.0.9')
        self.assertEqual(seen['Networks']['day']['MacAddress'], '02:00:00:00:00:09')
        self.assertEqual(set(seen['Ports']), {'80/tcp', '81/tcp'})
        self.assertTrue(int(seen['Ports']['81/tcp'][0]['HostPort']) >= 49153)
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8800), 'day')
        two = ok('run', '-d', '--name', 'two', 'busybox', 'sleep', '1000')
        ok('network', 'connect', '--alias', 'second', 'day', 'two')
        self.assertEqual(self.inside(two, 'dig', '+short', '@127.0.0.11', 'first'), '10.66.0.9')
        self.assertEqual(self.inside(one, 'dig', '+short', '@127.0.0.11', 'second'), self.address('two', 'day'))
        ok('network', 'disconnect', 'day', 'two')
        linked = ok('run', '-d', '--name', 'three', '--link', 'two:deux', 'busybox', 'sleep', '1000')
        self.assertEqual(self.inspect(linked)['HostConfig']['Links'], ['/two:/three/deux'])
        ok('rm', '-f', 'one', 'two', 'three')
        ok('network', 'rm', 'day')
        ok('network', 'create', 'idle')
        self.assertIn('idle', ok('network', 'prune', '-f'))


class OptionsTest(NetworkCase):
    engine_options = ['--bip', '10.200.0.1/24', '--fixed-cidr', '10.200.0.128/25', '--icc=false', '--ip', '127.0.0.1',
               '--mtu', '1400', '--dns', '9.9.9.9']

    def test_options_do_what_they_say(self):
        one = self.serve('one', '-p', '8500:80')
        two = self.start('busybox', 'sleep', '1000')
        self.assertGreaterEqual(int(self.address(one).split('.')[3]), 128)
        self.assertIn('mtu 1400', self.inside(one, 'ip', 'link', 'show', 'eth0'))
        self.assertEqual(self.heard_inside(two, self.address(one), 80, tries=1), '')
        self.assertEqual(self.heard(self.host, '127.0.0.1', 8500), 'one')
        self.assertEqual(self.heard(self.peer, '10.99.0.1', 8500, tries=1), '')
        self.assertIn('nameserver 9.9.9.9', self.ok('run', '--rm', 'busybox', 'cat', '/etc/resolv.conf'))

    def test_contradictions_are_refused(self):
        for options, words in ((['-b', 'br0', '--bip', '10.0.0.1/24'], 'mutually exclusive'),
                               (['--icc=false', '--iptables=false'], '--icc=false'),
                               (['--bip', 'nonsense'], '--bip'), (['--mtu', '10'], '--mtu')):
            engine = harness.Engine(namespace=self.host, options=options)
            try:
                with self.assertRaises(RuntimeError) as raised:
                    engine.start()
                self.assertIn(words, str(raised.exception))
                self.assertEqual(engine.process.returncode, 125)
            finally:
                shutil.rmtree(engine.dir)


if __name__ == '__main__':
    unittest.main()
