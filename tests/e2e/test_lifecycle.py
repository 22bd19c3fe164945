"""Events, and what stop, kill, wait and remove answer in every state."""
import json
import time

import harness
from case import EngineCase


class Events(EngineCase):
    def events(self, name, since='1h'):
        filters = json.dumps({'container': [name], 'type': ['container']})
        query = f'since={since}&until={time.time():.9f}&filters={filters.replace(" ", "")}'
        status, body, _ = self.engine.http('GET', '/events?' + query)
        self.assertEqual(status, 200)
        return [json.loads(line) for line in body.splitlines()]

    def actions(self, name):
        return [e['Action'] for e in self.events(name)]

    def test_a_life(self):
        r = self.docker('run', '--name', 'life', '-l', 'tier=front', '--network', 'none', 'busybox',
                        'sh', '-c', 'exit 3')
        self.assertEqual(r.returncode, 3)
        self.ok('rm', 'life')
        events = self.events('life')
        self.assertEqual([e['Action'] for e in events], ['create', 'attach', 'start', 'die', 'destroy'])
        die = events[3]
        self.assertEqual(die['Actor']['Attributes'], {'exitCode': '3', 'execDuration': '0', 'image': 'busybox',
                                                      'name': 'life', 'tier': 'front'})
        self.assertEqual((die['status'], die['id'], die['from'], die['scope']),
                         ('die', die['Actor']['ID'], 'busybox', 'local'))
        self.assertEqual(die['timeNano'] // 10**9, die['time'])

    def test_stop_and_kill(self):
        cid = self.trapping('exit 0', 'TERM', '--name', 'stopped')
        self.ok('stop', cid)
        self.assertEqual(self.actions('stopped')[2:], ['kill', 'die', 'stop'])
        self.assertEqual(self.events('stopped')[2]['Actor']['Attributes']['signal'], '15')
        self.ok('start', cid)
        self.ok('kill', cid)
        self.assertEqual(self.actions('stopped')[5:], ['start', 'kill', 'die'])
        self.ok('start', cid)
        self.ok('rm', '-f', cid)
        self.assertEqual(self.actions('stopped')[8:], ['start', 'kill', 'die', 'destroy'])

    def test_live_and_filtered(self):
        p = self.engine.popen('events', '--filter', 'event=die', '--filter', 'label=wanted',
                              '--format', '{{.Actor.Attributes.name}}', stdout=harness.subprocess.PIPE, text=True)
        harness.until(lambda: self.engine.get('/info')['NEventsListener'] == 1, what='the listener is there')
        for options in ((), ('-l', 'wanted=1')):
            self.run_('--name', 'heard' + str(len(options)), *options, 'busybox', 'true')
        self.assertEqual(p.stdout.readline(), 'heard2\n')
        p.terminate()
        p.communicate()
        harness.until(lambda: self.engine.get('/info')['NEventsListener'] == 0, what='the listener is gone')

    def test_images(self):
        self.ok('tag', 'busybox', 'again:1')
        self.ok('rmi', 'again:1')
        query = f'since=1h&until={time.time():.9f}&filters={{"type":["image"]}}'
        status, body, _ = self.engine.http('GET', '/events?' + query)
        events = [json.loads(line) for line in body.splitlines()]
        self.assertEqual([e['Action'] for e in events][-2:], ['tag', 'untag'])
        self.assertEqual(events[-2]['Actor']['Attributes']['name'], 'again:1')
        self.assertIn('load', [e['Action'] for e in events])

    def test_refused(self):
        status, body, _ = self.engine.http('GET', '/events?since=5&until=3')
        self.assertEqual(status, 400)
        self.assertIn(b'`since` time (5) cannot be after `until` time (3)', body)
        self.assertEqual(self.engine.http('GET', '/events?filters=x')[0], 400)


class Verbs(EngineCase):
    def answer(self, method, path):
        status, body, _ = self.engine.http(method, path)
        return status, json.loads(body)['message'] if body and status >= 400 else ''

    def test_kill(self):
        cid = self.start('--name', 'target', 'busybox', 'sleep', '1000')
        self.assertEqual(self.answer('POST', '/containers/target/kill?signal=XYZ'),
                         (400, 'cannot kill container: target: invalid signal: XYZ'))
        self.assertEqual(self.answer('POST', '/containers/target/kill?signal=RTMIN%2B3')[0], 204)
        self.assertEqual(self.answer('POST', '/containers/target/kill')[0], 204)
        self.assertEqual(self.answer('POST', '/containers/target/kill'),
                         (409, f'cannot kill container: target: container {cid} is not running'))
        self.assertEqual(self.answer('POST', '/containers/nobody/kill')[0], 404)

    def test_stop(self):
        cid = self.start('busybox', 'sleep', '1000')   # pid 1 without a handler
        self.assertEqual(self.answer('POST', f'/containers/{cid}/stop?t=x')[0], 400)
        self.assertEqual(self.answer('POST', f'/containers/{cid}/stop?t=0')[0], 204)
        self.assertEqual(self.answer('POST', f'/containers/{cid}/stop')[0], 304)
        self.assertEqual(self.answer('POST', '/containers/nobody/stop')[0], 404)
        self.assertEqual(self.ok('wait', cid), '137')
        cid = self.trapping('exit 9', 'USR1', '--stop-signal', 'USR1')
        self.assertEqual(self.answer('POST', f'/containers/{cid}/stop?t=-1')[0], 204)
        self.assertEqual(self.ok('wait', cid), '9')

    def test_start(self):
        cid = self.start('busybox', 'sleep', '1000')
        self.assertEqual(self.answer('POST', f'/containers/{cid}/start')[0], 304)
        self.assertEqual(self.answer('POST', '/containers/nobody/start'), (404, 'No such container: nobody'))

    def test_wait(self):
        self.assertEqual(self.answer('POST', '/containers/nobody/wait')[0], 404)
        cid = self.ok('create', '--network', 'none', 'busybox', 'sleep', '1000')
        self.assertEqual(self.engine.http('POST', f'/containers/{cid}/wait')[1].strip(), b'{"StatusCode":0}')
        self.assertEqual(self.answer('POST', f'/containers/{cid}/wait?condition=later')[0], 400)
        s = self.engine.connect()
        s.sendall(f'POST /containers/{cid}/wait?condition=next-exit HTTP/1.0\r\n\r\n'.encode())
        s.recv(1000)
        self.ok('rm', cid)
        self.assertIn(b'was removed', s.recv(1000))
        s.close()

    def test_wait_for_the_removal(self):
        cid = self.ok('create', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'exit 4')
        s = self.engine.connect()
        s.sendall(f'POST /containers/{cid}/wait?condition=removed HTTP/1.0\r\n\r\n'.encode())
        s.recv(1000)
        self.ok('start', cid)
        self.assertIn(b'{"StatusCode":4}', s.recv(1000))
        s.close()
        self.assertEqual(self.engine.http('GET', f'/containers/{cid}/json')[0], 404)

    def test_remove(self):
        cid = self.start('--name', 'stays', 'busybox', 'sleep', '1000')
        self.assertEqual(self.answer('DELETE', f'/containers/{cid}'),
                         (409, 'cannot remove container "/stays": container is running: '
                               'stop the container before removing or force remove'))
        self.assertEqual(self.answer('DELETE', f'/containers/{cid}?link=1'),
                         (500, 'Conflict, cannot remove the default link name of the container'))
        self.assertEqual(self.answer('DELETE', f'/containers/{cid}?force=1&v=1')[0], 204)
        self.assertEqual(self.answer('DELETE', f'/containers/{cid}')[0], 404)

    def test_out_of_memory(self):
        self.docker('run', '--name', 'greedy', '--network', 'none', '-m', '16m', 'busybox', 'sh', '-c',
                    'a=x; while true; do a=$a$a; done')
        self.addCleanup(self.docker, 'rm', '-f', 'greedy')
        state = self.engine.get('/containers/greedy/json')['State']
        self.assertEqual((state['ExitCode'], state['OOMKilled']), (137, True))
