"""Lists with all filters, and prune."""
import json
import time

from verb_case import VerbCase


class List(VerbCase):
    def names(self, query=''):
        return [c['Names'][0][1:] for c in self.engine.get('/containers/json?' + query)]

    def filtered(self, all_=1, **filters):
        return self.names(f'all={all_}&filters=' + json.dumps(filters).replace(' ', ''))

    def test_filters(self):
        a = self.start('--name', 'l-a', '-l', 'tier=front', '--expose', '80', '-v', '/tmp:/mnt', 'busybox',
                       'sleep', '99')
        self.start('--name', 'l-b', '-l', 'tier=back', '-l', 'x', 'busybox', 'sleep', '99')
        self.ok('wait', self.start('--name', 'l-c', 'busybox', 'sh', '-c', 'exit 4'))
        self.ok('create', '--name', 'l-d', '--network', 'none', 'busybox')
        self.addCleanup(self.docker, 'rm', 'l-d')
        self.assertEqual(self.names('all=1'), ['l-d', 'l-c', 'l-b', 'l-a'])
        self.assertEqual(self.names(), ['l-b', 'l-a'])
        self.assertEqual(self.names('limit=3'), ['l-d', 'l-c', 'l-b'])
        self.assertEqual(self.names('limit=-1'), ['l-b', 'l-a'])
        for want, filters in (
                (['l-a'], {'id': [a]}), (['l-a'], {'id': [a[:8]]}), ([], {'id': ['zz']}), ([], {'id': ['']}),
                (['l-b', 'l-a'], {'name': ['^/?l-[ab]$']}), (['l-a'], {'name': ['l-a']}),
                (['l-a'], {'name': ['/l-a']}), ([], {'name': ['(']}), ([], {'name': ['a' * 10240]}),
                ([], {'name': ['../../etc']}),
                (['l-b', 'l-a'], {'label': ['tier']}), (['l-b'], {'label': ['tier', 'x']}),
                (['l-a'], {'label': ['tier=front']}), ([], {'label': ['tier=']}),
                (['l-c'], {'exited': ['4']}), ([], {'exited': ['0']}), (['l-c', 'l-d'][::-1], {'status': ['exited',
                                                                                                         'created']}),
                (['l-b', 'l-a'], {'status': ['running']}), ([], {'status': ['restarting']}),
                (['l-b', 'l-a'], {'before': ['l-c']}), (['l-d', 'l-c'], {'since': ['l-b']}),
                (['l-c'], {'since': ['l-b'], 'before': ['l-d']}),
                (['l-a'], {'volume': ['/mnt']}), (['l-a'], {'volume': ['/tmp']}), ([], {'volume': ['/else']}),
                (['l-d', 'l-c', 'l-b', 'l-a'], {'network': ['none']}), ([], {'network': ['host']}),
                (['l-d', 'l-c', 'l-b', 'l-a'], {'ancestor': ['busybox']}), ([], {'ancestor': ['nonesuch']}),
                (['l-d', 'l-c', 'l-b', 'l-a'], {'health': ['none']}), ([], {'health': ['healthy']}),
                ([], {'is-task': ['true']}), (['l-d', 'l-c', 'l-b', 'l-a'], {'is-task': ['false']}),
                ([], {'publish': ['80']}), (['l-d', 'l-c', 'l-b', 'l-a'], {'name': {}})):
            self.assertEqual(self.filtered(**filters), want, filters)
        self.assertEqual(self.filtered(0, exited=['4']), [])
        self.assertEqual(self.filtered(0, status=['exited']), ['l-c'])
        self.assertEqual(self.filtered(name={'l-a': True, 'l-b': False}), ['l-a'])
        sized = self.engine.get('/containers/json?all=1&size=1')
        self.assertTrue(all(c['SizeRootFs'] > 0 for c in sized))
        self.assertNotIn('SizeRw', self.engine.get('/containers/json')[0])

    def test_refused(self):
        for filters, want in (
                ('{"status":["x"]}', "invalid filter 'status=x'"), ('{"health":["x"]}', 'unrecognized filter value'),
                ('{"exited":["x"]}', "invalid filter 'exited=x': strconv.Atoi"),
                ('{"is-task":["x"]}', "invalid filter 'is-task=[x]'"), ('{"nope":["x"]}', "invalid filter 'nope'"),
                ('{"label!":["x"]}', "invalid filter 'label!'"), ('{"publish":["1:2"]}', "should not contain ':'"),
                ('{"publish":["x"]}', 'strconv.ParseUint'), ('{"expose":["9-2"]}', 'invalid range specified'),
                ('{"publish":["99999"]}', 'out of range'), ('{"expose":[""]}', 'empty string'),
                ('{"name":5}', 'invalid filter'), ('{"name":[5]}', 'invalid filter'), ('[', 'invalid filter'),
                ('"x"', 'invalid filter'), ('{"name":{"a":"b"}}', 'invalid filter')):
            status, message = self.answer('GET', '/containers/json?filters=' + filters)
            self.assertEqual((status, want in message), (400, True), (filters, message))
        self.assertEqual(self.answer('GET', '/containers/json?filters={"since":["nobody"]}')[0], 404)
        self.assertEqual(self.answer('GET', '/containers/json?limit=x')[0], 400)
        self.assertEqual(self.answer('GET', '/containers/json?limit=99999999999999999999')[0], 400)


class Prune(VerbCase):
    def prune(self, filters=''):
        status, text, _ = self.engine.http('POST', '/containers/prune' + (f'?filters={filters}' if filters else ''))
        return status, json.loads(text)

    def test_prune(self):
        running = self.start('busybox', 'sleep', '1000')
        kept = self.ok('create', '-l', 'keep', '--network', 'none', 'busybox')
        done = self.ok('run', '-d', '--network', 'none', 'busybox', 'sh', '-c', 'head -c 100000 /dev/zero >/x')
        self.ok('wait', done)
        self.assertEqual(self.prune('{"until":["1h"]}'), (200, {'ContainersDeleted': None, 'SpaceReclaimed': 0}))
        self.assertEqual(self.prune('{"label":["other"]}')[1]['ContainersDeleted'], None)
        status, report = self.prune('{"label!":["keep"]}')
        self.assertEqual((status, report['ContainersDeleted']), (200, [done]))
        self.assertGreaterEqual(report['SpaceReclaimed'], 100000)
        self.assertIn(kept, self.ok('container', 'prune', '-f').split())
        self.assertEqual([c['Id'] for c in self.engine.get('/containers/json?all=1')], [running])
        _, body, _ = self.engine.http('GET', f'/events?since=1h&until={time.time():.9f}&filters={{"event":["prune"]}}')
        events = [json.loads(line) for line in body.splitlines()]
        self.assertEqual(events[-1]['Actor']['ID'], '')
        self.assertIn('reclaimed', events[-1]['Actor']['Attributes'])

    def test_refused(self):
        self.assertEqual(self.prune('{"name":["x"]}')[0], 400)
        self.assertEqual(self.prune('{"until":["x"]}')[0], 400)
        self.assertEqual(self.prune('{"until":["1h","2h"]}'),
                         (400, {'message': 'more than one until filter specified'}))
