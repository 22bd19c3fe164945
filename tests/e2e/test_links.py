"""Links of the default bridge: environment, hosts file, names; with --icc=false the exposed ports and no others."""
import json
import unittest

from network_case import NetworkCase


class LinkTest(NetworkCase):
    def database(self, *args):
        return self.start('--name', 'db', '--expose', '5432', '--expose', '5433', '--expose', '99/udp', '-e',
                          'PGUSER=me', *args, 'busybox', 'sh', '-c',
                          'while true; do echo rows | nc -l -p 5432 >/dev/null; done')

    def hosts(self, name):
        return self.ok('exec', name, 'cat', '/etc/hosts')

    def test_environment_and_hosts(self):
        cid = self.database()
        address = self.address('db')
        out = self.ok('run', '--rm', '--name', 'web', '--link', 'db:data-base', '-e', 'DATA_BASE_ENV_PGUSER=own',
                      'busybox', 'sh', '-c', 'env; cat /etc/hosts; nc data-base 5432 </dev/null')
        want = {'DATA_BASE_NAME': '/web/data-base', 'DATA_BASE_PORT': f'tcp://{address}:5432',
                'DATA_BASE_PORT_5432_TCP': f'tcp://{address}:5432', 'DATA_BASE_PORT_5432_TCP_ADDR': address,
                'DATA_BASE_PORT_5432_TCP_PORT': '5432', 'DATA_BASE_PORT_5432_TCP_PROTO': 'tcp',
                'DATA_BASE_PORT_5432_TCP_START': f'tcp://{address}:5432', 'DATA_BASE_PORT_5432_TCP_PORT_START': '5432',
                'DATA_BASE_PORT_5432_TCP_END': f'tcp://{address}:5433', 'DATA_BASE_PORT_5432_TCP_PORT_END': '5433',
                'DATA_BASE_PORT_99_UDP': f'udp://{address}:99', 'DATA_BASE_ENV_PGUSER': 'own'}
        lines = out.splitlines()
        for name, value in want.items():
            self.assertIn(f'{name}={value}', lines)
        self.assertIn(f'{address}\tdata-base {cid[:12]} db', lines)
        self.assertIn('rows', lines)
        self.assertFalse([line for line in lines if line.startswith('DATA_BASE_ENV_PATH')])

    def test_names(self):
        cid = self.database()
        self.start('--name', 'web', '--link', 'db:store', 'busybox', 'sleep', '1000')
        self.assertEqual(self.inspect('web')['HostConfig']['Links'], ['/db:/web/store'])
        self.assertEqual(self.inspect('web/store')['Id'], cid)
        names = [c['Names'] for c in self.engine.get('/containers/json') if c['Id'] == cid]
        self.assertEqual(names, [['/db', '/web/store']])
        self.ok('rename', 'db', 'rows')
        self.addCleanup(self.docker, 'rm', '-f', 'rows')
        self.assertEqual(self.inspect('web')['HostConfig']['Links'], ['/rows:/web/store'])
        self.refused('Conflict, cannot remove the default link name of the container', 'rm', '--link', 'rows')
        self.refused('No such container: web/nobody', 'rm', '--link', 'web/nobody')
        self.assertIn('store', self.hosts('web'))
        self.ok('rm', '--link', '/web/store')
        self.assertNotIn('store', self.hosts('web'))
        self.assertIsNone(self.inspect('web')['HostConfig']['Links'])
        self.refused('No such', 'inspect', '--type', 'container', 'web/store')
        self.assertTrue(self.inspect('rows')['State']['Running'])

    def test_a_new_address_is_told(self):
        self.database()
        before = self.address('db')
        self.start('--name', 'web', '--link', 'db', 'busybox', 'sleep', '1000')
        self.ok('exec', 'web', 'sh', '-c', 'echo 10.1.1.1 mine >>/etc/hosts')
        self.ok('restart', '-t', '0', 'db')
        after = self.address('db')
        self.assertNotEqual(before, after)
        hosts = self.hosts('web')
        self.assertIn(f'{after}\tdb', hosts)
        self.assertNotIn(before, hosts)
        self.assertIn('10.1.1.1 mine', hosts)
        self.assertEqual(self.ok('exec', 'web', 'sh', '-c', 'nc db 5432 </dev/null'), 'rows')

    def test_refusals(self):
        self.refused('could not get container for nobody: No such container: nobody', 'create', '--link', 'nobody:x',
                     'busybox')
        self.refused('bad format for links', 'create', '--link', 'a:b:c', 'busybox')
        self.database()
        self.ok('stop', '-t', '0', 'db')
        self.refused('Cannot link to a non running container: /db AS /late/db', 'run', '--name', 'late', '--link', 'db',
                     'busybox', 'true')
        self.ok('start', 'db')
        self.ok('start', 'late')
        self.ok('rm', '-f', 'late')
        self.start('--name', 'wide', '--network', 'host', 'busybox', 'sleep', '1000')
        self.refused("host type networking can't be used with links", 'create', '--link', 'wide:w', 'busybox')

    def test_on_a_user_network(self):
        self.network('apart')
        cid = self.start('--name', 'far', '--network', 'apart', 'busybox', 'sleep', '1000')
        self.start('--name', 'near', '--network', 'apart', '--link', 'far:close', 'busybox', 'sleep', '1000')
        self.assertEqual(self.inside('near', 'dig', '+short', '@127.0.0.11', 'close'), self.address(cid, 'apart'))
        self.assertEqual(self.inside('far', 'dig', '+short', '+time=1', '+tries=1', '@127.0.0.11', 'close',
                                     check=False).count(self.address(cid, 'apart')), 0)

    def test_links_outlive_the_engine(self):
        self.database()
        self.start('--name', 'web', '--link', 'db:store', 'busybox', 'sleep', '1000')
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.inspect('web')['HostConfig']['Links'], ['/db:/web/store'])
        self.assertIn('STORE_NAME=/web/store', self.ok('exec', 'web', 'env'))
        self.ok('restart', '-t', '0', 'db')
        self.assertIn(self.address('db'), self.hosts('web'))


class ClosedLinkTest(NetworkCase):
    engine_options = ['--icc=false']

    def flows(self):
        for item in json.loads(self.host.run('nft', '-j', 'list', 'ruleset').stdout)['nftables']:
            if 'set' in item and item['set']['name'] == 'flows':
                return len(item['set'].get('elem', []))
        return None

    def test_only_the_exposed_port_is_open(self):
        db = self.start('--name', 'db', '--expose', '5432', 'busybox', 'sh', '-c',
                        'while true; do echo rows | nc -l -p 5432 >/dev/null; done & '
                        'while true; do echo hidden | nc -l -p 5555 >/dev/null; done')
        web = self.start('--name', 'web', '--link', 'db', 'busybox', 'sleep', '1000')
        stranger = self.start('busybox', 'sleep', '1000')
        address = self.address('db')
        self.assertEqual(self.heard_inside(web, address, 5432), 'rows')
        self.assertEqual(self.heard_inside(web, address, 5555, tries=1), '')
        self.assertEqual(self.heard_inside(stranger, address, 5432, tries=1), '')
        self.ok('restart', '-t', '0', 'db')
        self.assertEqual(self.heard_inside(web, self.address('db'), 5432), 'rows')
        self.assertEqual(self.flows(), 1)
        self.engine.kill()
        self.engine.start()
        self.assertEqual(self.heard_inside(web, self.address('db'), 5432), 'rows')
        self.ok('rm', '--link', 'web/db')
        self.assertEqual(self.flows(), 0)
        self.assertEqual(self.heard_inside(web, self.address(db), 5432, tries=1), '')


if __name__ == '__main__':
    unittest.main()
