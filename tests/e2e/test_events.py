"""GET /events: what is told, to whom, and over a restart."""
import json
import os
import subprocess
import threading
import time
import unittest
from urllib.parse import quote

import harness
from case import EngineCase

try:
    import docker as docker_py
except ImportError:
    docker_py = None


class Events(EngineCase):
    def past(self, since, filters=None, version='', **headers):
        path = f'{version}/events?since={since:.9f}&until={time.time():.9f}'
        if filters:
            path += '&filters=' + quote(json.dumps(filters))
        status, body, head = self.engine.http('GET', path, headers=headers)
        self.assertEqual(status, 200, body)
        return body, head

    def events(self, since, filters=None, version=''):
        return [json.loads(line) for line in self.past(since, filters, version)[0].splitlines()]

    def life(self, *options):
        began = time.time()
        cid = self.ok('run', '-d', '--network', 'none', *options, 'busybox', 'sh', '-c', 'exit 3')
        self.ok('wait', cid)
        self.ok('rm', cid)
        return began, cid

    def test_a_life_with_actors_and_attributes(self):
        began, cid = self.life('--name', 'told', '--label', 'tier=front')
        events = self.events(began, {'type': ['container'], 'container': [cid]})
        self.assertEqual([e['Action'] for e in events], ['create', 'start', 'die', 'destroy'])
        for e in events:
            self.assertEqual((e['status'], e['id'], e['from']), (e['Action'], cid, 'busybox'))
            self.assertEqual((e['Type'], e['scope'], e['Actor']['ID']), ('container', 'local', cid))
            attributes = e['Actor']['Attributes']
            self.assertEqual((attributes['name'], attributes['image'], attributes['tier']),
                             ('told', 'busybox', 'front'))
            self.assertEqual(e['time'], e['timeNano'] // 10**9)
        self.assertEqual(events[2]['Actor']['Attributes']['exitCode'], '3')
        self.assertIn('execDuration', events[2]['Actor']['Attributes'])

    def test_filters(self):
        began, cid = self.life('--name', 'filtered', '--label', 'tier=back')
        self.life('--name', 'another')

        def actions(**filters):
            return [e['Action'] for e in self.events(began, filters)]
        all_four = ['create', 'start', 'die', 'destroy']
        self.assertEqual(actions(container=['filtered']), all_four)
        self.assertEqual(actions(container=[cid[:12]]), all_four)
        self.assertEqual(actions(container=['filtered'], event=['die', 'start']), ['start', 'die'])
        self.assertEqual(actions(label=['tier=back']), all_four)
        self.assertEqual(actions(label=['tier']), all_four)
        self.assertEqual(actions(label=['tier=front']), [])
        self.assertEqual(actions(image=['busybox:latest']), [])
        self.assertEqual(len(actions(image=['busybox'])), 8)
        self.assertEqual(actions(type=['volume']), [])
        self.assertEqual(actions(scope=['swarm']), [])
        self.assertEqual(actions(network=['x']), [])
        self.assertEqual(actions(node=['x']), [])

    def test_refusals(self):
        for path, words in (('/events?since=20&until=10', '`since` time (20) cannot be after `until` time (10)'),
                            ('/events?filters=x', 'invalid filter'), ('/events?since=x', 'x')):
            status, body, _ = self.engine.http('GET', path)
            self.assertEqual(status, 400)
            self.assertIn(words, json.loads(body)['message'])

    def test_forms(self):
        began, _ = self.life()
        body, head = self.past(began)
        self.assertEqual(head['Content-Type'], 'application/json')
        body, head = self.past(began, Accept='application/json-seq')
        self.assertEqual(head['Content-Type'], 'application/json-seq')
        self.assertTrue(body.startswith(b'\x1e{'))
        body, head = self.past(began, Accept='application/x-ndjson')
        self.assertEqual(head['Content-Type'], 'application/x-ndjson')

    def test_a_hundred_listeners(self):
        got = [None] * 100
        filters = quote(json.dumps({'container': ['crowd'], 'event': ['destroy', 'create']}))
        ready = threading.Barrier(len(got) + 1)

        def listen(i):
            s = self.engine.connect(60)
            s.sendall(f'GET /events?filters={filters} HTTP/1.1\r\nHost: d\r\n\r\n'.encode())
            data = s.recv(65536)
            ready.wait()
            while b'destroy' not in data:
                data += s.recv(65536)
            got[i] = data.count(b'"status":')
            s.close()
        threads = [threading.Thread(target=listen, args=(i,)) for i in range(len(got))]
        for t in threads:
            t.start()
        ready.wait()
        self.assertGreaterEqual(self.engine.get('/info')['NEventsListener'], len(got))
        self.life('--name', 'crowd')
        for t in threads:
            t.join()
        self.assertEqual(got, [2] * len(got))
        harness.until(lambda: self.engine.get('/info')['NEventsListener'] == 0)

    def test_since_reaches_over_a_restart_of_the_engine(self):
        began, cid = self.life('--name', 'remembered')
        harness.until(lambda: os.path.exists(self.engine.data + '/events.log'))
        time.sleep(0.3)
        self.engine.kill()
        with open(self.engine.data + '/events.log', 'ab') as f:
            f.write(b'{"status":"torn')
        self.engine.start()
        self.assertEqual([e['Action'] for e in self.events(began, {'container': [cid]})],
                         ['create', 'start', 'die', 'destroy'])
        began, cid = self.life('--name', 'afterwards')
        self.engine.stop()
        self.engine.start()
        self.assertEqual([e['Action'] for e in self.events(began, {'container': [cid]})],
                         ['create', 'start', 'die', 'destroy'])

    def test_each_cli(self):
        began, cid = self.life('--name', 'printed', '--label', 'a=b')
        dockerc = harness.built('dockerc')
        lines = {}
        for cli in harness.clis() + [dockerc]:
            ask = ('events', '--since', f'{began:.9f}', '--until', f'{time.time():.9f}', '--filter',
                   'container=printed')
            lines[cli] = self.ok(*ask, cli=cli).splitlines()
            self.assertEqual(len(lines[cli]), 4)
            self.assertRegex(lines[cli][1], rf'^\S+ container start {cid} \(a=b, image=busybox, name=printed\)$')
            told = [json.loads(x) for x in self.ok(*ask, '--format', '{{json .}}', cli=cli).splitlines()]
            self.assertEqual([e['Action'] for e in told], ['create', 'start', 'die', 'destroy'])
        self.assertEqual(len({tuple(x) for x in lines.values()}), 1, 'every client prints the same')
        r = self.docker('events', '--filter', 'nonsense', cli=dockerc)
        self.assertEqual(r.returncode, 125)

    def test_dockerc_follows(self):
        dockerc = harness.built('dockerc')
        p = self.engine.popen('events', '--filter', 'event=die', '--format', 'json', cli=dockerc,
                              stdout=subprocess.PIPE)
        harness.until(lambda: self.engine.get('/info')['NEventsListener'] == 1)
        _, cid = self.life()
        self.assertEqual(json.loads(p.stdout.readline())['Actor']['ID'], cid)
        p.terminate()
        p.wait(10)
        p.stdout.close()

    @unittest.skipIf(docker_py is None, 'python3-docker is not there')
    def test_docker_py(self):
        client = docker_py.APIClient(base_url='unix://' + self.engine.socket)
        self.addCleanup(client.close)
        stream = client.events(decode=True, filters={'event': 'die'})
        _, cid = self.life()
        self.assertEqual(next(stream)['Actor']['ID'], cid)
        stream.close()


if __name__ == '__main__':
    unittest.main()
