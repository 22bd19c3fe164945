"""load, import, tag, list, remove."""
import gzip
import io
import json
import os
import tarfile

import harness
from case import EngineCase


def small_layer(name, text):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        harness.add(tar, name, text)
    return out.getvalue()


class Images(EngineCase):
    def load(self, data, tag):
        status, body, _ = self.engine.load(data)
        self.assertEqual(status, 200, body)
        self.assertIn(b'Loaded image', body)
        self.addCleanup(self.docker, 'rmi', '-f', tag)

    def test_layers_and_whiteouts(self):
        upper = io.BytesIO()
        with tarfile.open(fileobj=upper, mode='w') as tar:
            harness.add(tar, 'new', b'new')
            harness.add(tar, 'etc/.wh.group')
            harness.add(tar, 'home/.wh..wh..opq')
        self.load(harness.save_tar('two:1', [harness.busybox_layer(), upper.getvalue()]), 'two:1')
        self.assertEqual(self.sh('cat /new; ls /etc | grep -c group; true', image='two:1'), 'new0')

    def test_gzip(self):
        self.load(gzip.compress(harness.save_tar('zipped:1', [harness.busybox_layer()]), 1), 'zipped:1')
        self.assertEqual(self.sh('echo ok', image='zipped:1'), 'ok')

    def test_oci_layout(self):
        status, body, _ = self.engine.load(harness.oci_tar('oci:1', [harness.busybox_layer()]))
        if self.engine.get('/version')['ApiVersion'] == '1.41' and b'blobs/json' in body:
            self.skipTest('dockerd 20.10 does not know OCI layouts')
        self.assertEqual((status, b'"error"' in body), (200, False), body)
        self.addCleanup(self.docker, 'rmi', '-f', 'oci:1')
        self.assertEqual(self.sh('echo ok', image='oci:1'), 'ok')

    def test_broken_archives(self):
        good = harness.save_tar('broken:1', [small_layer('a', b'a')])
        for bad in (b'not a tar at all', good[:700], b''):
            status, body, _ = self.engine.load(bad)
            self.assertTrue(status >= 400 or b'error' in body or not body.strip(), (status, body))
        self.assertEqual(self.docker('inspect', 'broken:1').returncode, 1)

    def test_climbing_archive_stays_inside(self):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode='w') as tar:
            harness.add(tar, '../../../../tmp/dockercd-test.escaped', b'x')
        self.engine.load(harness.save_tar('climb:1', [layer.getvalue()]))
        self.docker('rmi', '-f', 'climb:1')
        self.assertFalse(os.path.exists('/tmp/dockercd-test.escaped'))

    def test_import(self):
        status, body, _ = self.engine.http(
            'POST', '/images/create?fromSrc=-&repo=imported&tag=1&changes=CMD%20%5B%22echo%22%2C%22hi%22%5D',
            harness.busybox_layer(), {'Content-Type': 'application/x-tar'})
        self.assertEqual((status, b'"error"' in body), (200, False), body)
        self.addCleanup(self.docker, 'rmi', '-f', 'imported:1')
        self.assertEqual(self.run_('-e', 'PATH=/bin', 'imported:1').stdout, 'hi\n')

    def test_tag_and_remove(self):
        self.ok('tag', 'busybox', 'other:tag')
        self.assertIn('other:tag', self.ok('images', '--format', '{{.Repository}}:{{.Tag}}').splitlines())
        self.assertIn('Untagged: other:tag', self.ok('rmi', 'other:tag'))
        self.assertEqual(self.engine.http('DELETE', '/images/nothing:here')[0], 404)

    def test_in_use_conflicts(self):
        self.start('busybox', 'sleep', '100')
        image = self.engine.get('/images/busybox/json')['Id']
        status, body, _ = self.engine.http('DELETE', '/images/' + image.split(':')[1])
        self.assertEqual(status, 409, body)
        self.assertIn('conflict', json.loads(body)['message'])

    def test_inspect(self):
        i = self.engine.get('/images/busybox/json')
        self.assertEqual((i['Os'], i['Architecture'], i['RepoTags']), ('linux', 'amd64', ['busybox:latest']))
        self.assertEqual(i['Config']['Cmd'], ['sh'])
        self.assertEqual(len(i['RootFS']['Layers']), 1)
