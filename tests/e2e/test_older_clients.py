"""What older API versions and freely spelled bodies get: the answers that their clients were written for."""
import json

import harness
from verb_case import VerbCase


class OlderClients(VerbCase):
    def create(self, body, version=''):
        status, text, _ = self.engine.http('POST', version + '/containers/create', {'Image': 'busybox', **body})
        self.assertEqual(status, 201, text)
        cid = json.loads(text)['Id']
        self.addCleanup(self.engine.http, 'DELETE', f'/containers/{cid}?force=1')
        return cid

    def test_auto_remove_before_1_25_is_the_clients(self):
        body = {'Cmd': ['true'], 'HostConfig': {'NetworkMode': 'none', 'AutoRemove': True}}
        cid = self.create(body, '/v1.24')
        self.assertIs(self.engine.get(f'/containers/{cid}/json')['HostConfig']['AutoRemove'], False)
        self.post(cid + '/start')
        self.post(cid + '/wait')
        self.assertEqual(self.state(cid)['Status'], 'exited')
        cid = self.create(body, '/v1.25')
        self.post(cid + '/start')
        harness.until(lambda: self.answer('GET', f'/containers/{cid}/json')[0] == 404, what='removed')

    def test_words_of_a_refused_removal(self):
        cid = self.start('--name', 'busy', 'busybox', 'sleep', '1000')
        old = (409, f'You cannot remove a running container {cid}. Stop the container before attempting removal or '
                    'force remove')
        new = (409, 'cannot remove container "/busy": container is running: stop the container before removing or '
                    'force remove')
        self.assertEqual(self.answer('DELETE', '/v1.43/containers/busy'), old)
        self.assertEqual(self.answer('DELETE', '/v1.44/containers/busy'), new)
        self.assertEqual(self.answer('DELETE', '/containers/busy'), new)
        self.ok('pause', cid)
        self.assertEqual(self.answer('DELETE', '/v1.41/containers/busy'),
                         (409, f'You cannot remove a paused container {cid}. Unpause and then stop the container '
                               'before attempting removal or force remove'))
        self.ok('rm', '-f', cid)
        self.assertEqual(self.answer('DELETE', '/v1.41/containers/busy'), (404, 'No such container: busy'))

    def test_names_of_fields_in_any_case(self):
        cid = self.create({'cmd': ['sh', '-c', 'echo $A; sleep 1000'], 'ENV': ['A=letters'], 'tty': True,
                           'hostConfig': {'networkmode': 'none', 'memory': 64 << 20,
                                          'logconfig': {'type': 'local', 'config': {'max-file': '2'}}}})
        seen = self.engine.get(f'/containers/{cid}/json')
        self.assertEqual((seen['Config']['Tty'], seen['HostConfig']['Memory'], seen['HostConfig']['NetworkMode'],
                          seen['HostConfig']['LogConfig']),
                         (True, 64 << 20, 'none', {'Type': 'local', 'Config': {'max-file': '2'}}))
        self.post(cid + '/start')
        harness.until(lambda: 'letters' in self.ok('logs', cid))
        status, text, _ = self.engine.http('POST', f'/containers/{cid}/exec',
                                           {'cmd': ['true'], 'detachKeys': 'ctrl-p', 'tty': True})
        self.assertEqual(status, 201, text)
        seen = self.engine.get(f'/exec/{json.loads(text)["Id"]}/json')
        self.assertEqual((seen['DetachKeys'], seen['ProcessConfig']['tty']), ('EA==', True))

    def test_the_runtime_by_either_name(self):
        cid = self.create({'HostConfig': {'NetworkMode': 'none'}})
        self.assertEqual(self.engine.get(f'/containers/{cid}/json')['HostConfig']['Runtime'], 'runc')
        for name in ('runc', 'dockercd'):
            cid = self.create({'HostConfig': {'NetworkMode': 'none', 'Runtime': name}})
            self.assertEqual(self.engine.get(f'/containers/{cid}/json')['HostConfig']['Runtime'], name)
        info = self.engine.get('/info')
        self.assertEqual((info['DefaultRuntime'], sorted(info['Runtimes'])), ('runc', ['dockercd', 'runc']))
