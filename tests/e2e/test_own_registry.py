"""`dockerc registry serve`: the distribution protocol, and skopeo and docker as its clients; copies to and from
Debian's docker-registry have the same digests."""
import json
import os
import shutil
import subprocess
import unittest

import harness
import registries
from registries import digest_of
from test_registry import RegistryCase, layer_of


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = registries.OwnRegistry()
        cls.addClassCleanup(cls.registry.stop)

    def ask(self, *args, **keys):
        return self.registry.request(*args, **keys)

    def code(self, body):
        return json.loads(body)['errors'][0]['code']

    def test_blobs(self):
        data = os.urandom(300_000)
        digest = self.registry.put_blob('a/blobs', data)
        status, body, headers = self.ask('GET', f'/v2/a/blobs/blobs/{digest}')
        self.assertEqual((status, body, headers['docker-content-digest']), (200, data, digest))
        status, body, headers = self.ask('HEAD', f'/v2/a/blobs/blobs/{digest}')
        self.assertEqual((status, body, headers['content-length']), (200, b'', '300000'))
        for asked, part in (('bytes=10-19', data[10:20]), ('bytes=299990-', data[299990:]), ('bytes=-5', data[-5:])):
            status, body, headers = self.ask('GET', f'/v2/a/blobs/blobs/{digest}', headers={'Range': asked})
            self.assertEqual((status, body), (206, part), asked)
        status, body, headers = self.ask('GET', f'/v2/a/blobs/blobs/{digest}', headers={'Range': 'bytes=300000-'})
        self.assertEqual((status, headers['content-range']), (416, 'bytes */300000'))
        # The blob is there, but not in this repository.
        status, body, _ = self.ask('GET', f'/v2/b/other/blobs/{digest}')
        self.assertEqual((status, self.code(body)), (404, 'BLOB_UNKNOWN'))
        status, _, headers = self.ask('POST', f'/v2/b/other/blobs/uploads/?mount={digest}&from=a/blobs')
        self.assertEqual((status, headers['location']), (201, f'/v2/b/other/blobs/{digest}'))
        self.assertEqual(self.ask('GET', f'/v2/b/other/blobs/{digest}')[1], data)
        self.assertEqual(self.ask('DELETE', f'/v2/a/blobs/blobs/{digest}')[0], 202)
        self.assertEqual(self.ask('GET', f'/v2/a/blobs/blobs/{digest}')[0], 404)
        self.assertEqual(self.ask('GET', f'/v2/b/other/blobs/{digest}')[1], data)

    def test_upload_in_pieces(self):
        data = os.urandom(1000)
        _, _, headers = self.ask('POST', '/v2/a/pieces/blobs/uploads/')
        place = headers['location']
        status, _, headers = self.ask('PATCH', place, data[:400], {'Content-Range': '0-399'})
        self.assertEqual((status, headers['range']), (202, '0-399'))
        status, _, headers = self.ask('GET', place)
        self.assertEqual((status, headers['range']), (204, '0-399'))
        status, body, _ = self.ask('PATCH', place, data[500:], {'Content-Range': '500-999'})
        self.assertEqual((status, self.code(body)), (416, 'RANGE_INVALID'))
        self.assertEqual(self.ask('PATCH', place, data[400:], {'Content-Range': '400-999'})[0], 202)
        self.assertEqual(self.ask('PUT', f'{place}?digest={digest_of(data)}')[0], 201)
        self.assertEqual(self.ask('GET', f'/v2/a/pieces/blobs/{digest_of(data)}')[1], data)
        self.assertEqual(self.ask('GET', place)[0], 404)

    def test_uploads_go_on_after_a_restart(self):
        data = os.urandom(100_000)
        _, _, headers = self.ask('POST', '/v2/a/again/blobs/uploads/')
        self.ask('PATCH', headers['location'], data[:60_000])
        self.registry.process.kill()
        self.registry.process.wait()
        harness.until(self.again, what='the registry')
        status, _, _ = self.ask('PUT', f'{headers["location"]}?digest={digest_of(data)}', data[60_000:])
        self.assertEqual(status, 201)
        self.assertEqual(self.ask('GET', f'/v2/a/again/blobs/{digest_of(data)}')[1], data)

    def again(self):
        # The kernel lets go of a killed process's ring, and with it of its port, a moment later.
        if self.registry.process.poll() is not None:
            self.registry.process = subprocess.Popen(self.registry.command(), stdout=subprocess.DEVNULL,
                                                     stderr=subprocess.DEVNULL)
        try:
            return self.ask('GET', '/v2/')[0] == 200
        except OSError:
            return False

    def test_wrong_digest(self):
        _, _, headers = self.ask('POST', '/v2/a/wrong/blobs/uploads/')
        status, body, _ = self.ask('PUT', headers['location'] + '?digest=' + digest_of(b'other'), b'data')
        self.assertEqual((status, self.code(body)), (400, 'DIGEST_INVALID'))
        self.assertEqual(os.listdir(self.registry.dir + '/data/uploads'), [])

    def image(self, repo, tag, text=b'x'):
        layer = layer_of(('file', text))
        return self.registry.put_image(repo, tag, [layer], harness.image_config([layer]))

    def test_manifests(self):
        body = self.image('a/manifests', '1')
        got, headers = self.registry.manifest('a/manifests', '1')
        self.assertEqual((got, headers['content-type'], headers['docker-content-digest']),
                         (body, registries.DOCKER_MANIFEST, digest_of(body)))
        self.assertEqual(self.registry.manifest('a/manifests', digest_of(body))[0], body)
        unknown = body.replace(json.loads(body)['config']['digest'].encode(), digest_of(b'nothing').encode())
        status, answer, _ = self.ask('PUT', '/v2/a/manifests/manifests/2', unknown,
                                     {'Content-Type': registries.DOCKER_MANIFEST})
        self.assertEqual((status, self.code(answer)), (400, 'MANIFEST_BLOB_UNKNOWN'))
        for bad in (b'<html>', b'[]', b'{"config":{"digest":"sha256:zz"}}'):
            status, answer, _ = self.ask('PUT', '/v2/a/manifests/manifests/2', bad)
            self.assertEqual((status, self.code(answer)), (400, 'MANIFEST_INVALID'))
        self.assertEqual(self.ask('DELETE', f'/v2/a/manifests/manifests/{digest_of(body)}')[0], 202)
        status, answer, _ = self.ask('GET', '/v2/a/manifests/manifests/1')
        self.assertEqual((status, self.code(answer)), (404, 'MANIFEST_UNKNOWN'))

    def test_lists(self):
        for tag in ('a', 'b', 'c'):
            self.image('list/one', tag, tag.encode())
        self.image('list/two', '1')
        status, body, headers = self.ask('GET', '/v2/list/one/tags/list?n=2')
        self.assertEqual(json.loads(body), {'name': 'list/one', 'tags': ['a', 'b']})
        following = headers['link'].split('>')[0][1:]
        self.assertEqual(json.loads(self.ask('GET', following)[1])['tags'], ['c'])
        self.assertEqual(self.ask('GET', '/v2/no/such/tags/list')[0], 404)
        names = json.loads(self.ask('GET', '/v2/_catalog')[1])['repositories']
        self.assertLess(names.index('list/one'), names.index('list/two'))
        self.assertEqual(json.loads(self.ask('GET', '/v2/_catalog?n=1&last=list/one')[1])['repositories'], ['list/two'])

    def test_referrers(self):
        body = self.image('a/refer', '1')
        subject = {'mediaType': registries.DOCKER_MANIFEST, 'digest': digest_of(body), 'size': len(body)}
        config = self.registry.put_blob('a/refer', b'{}')
        note = json.dumps({'schemaVersion': 2, 'mediaType': registries.OCI_MANIFEST, 'artifactType': 'text/note',
                           'config': {'mediaType': 'application/vnd.oci.empty.v1+json', 'digest': config, 'size': 2},
                           'layers': [], 'subject': subject, 'annotations': {'a': 'b'}}).encode()
        self.registry.put_manifest('a/refer', digest_of(note), note, registries.OCI_MANIFEST)
        status, answer, headers = self.ask('GET', '/v2/a/refer/referrers/' + digest_of(body))
        self.assertEqual((status, headers['content-type']), (200, registries.OCI_INDEX))
        self.assertEqual(json.loads(answer)['manifests'],
                         [{'mediaType': registries.OCI_MANIFEST, 'digest': digest_of(note), 'size': len(note),
                           'artifactType': 'text/note', 'annotations': {'a': 'b'}}])
        _, answer, headers = self.ask('GET', '/v2/a/refer/referrers/' + digest_of(body) + '?artifactType=other')
        self.assertEqual((json.loads(answer)['manifests'], headers['oci-filters-applied']), ([], 'artifactType'))

    def test_bad_names(self):
        for name in ('UPPER/x', 'a//b', '-a', '..', 'a/../../etc'):
            status, _, _ = self.ask('GET', f'/v2/{name}/manifests/1')
            self.assertIn(status, (400, 404), name)
        self.assertEqual(self.ask('POST', '/v2/a/b/manifests/1')[0], 405)
        self.assertEqual(self.ask('GET', '/elsewhere')[0], 404)


class Clients(RegistryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own = registries.OwnRegistry()
        cls.addClassCleanup(cls.own.stop)

    def test_docker(self):
        for cli in harness.clis():
            name = self.own.host + '/docker/busybox:1'
            self.ok('tag', 'busybox', name, cli=cli)
            out = self.ok('push', name, cli=cli)
            self.assertIn('1: digest: sha256:', out)
            self.remove(name)
            self.ok('pull', name, cli=cli)
            self.assertEqual(self.sh('echo ok', image=name), 'ok')
            self.remove(name)

    def test_skopeo_copies_both_ways(self):
        self.image('copy/there')
        body, _ = self.registry.manifest('copy/there', '1')
        skopeo = ['skopeo', 'copy', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false']
        theirs, ours = f'docker://{self.registry.host}/copy', f'docker://{self.own.host}/copy'
        subprocess.run([*skopeo, theirs + '/there:1', ours + '/here:1'], check=True, capture_output=True)
        self.assertEqual(self.own.manifest('copy/here', '1')[0], body)
        subprocess.run([*skopeo, ours + '/here:1', theirs + '/back:1'], check=True, capture_output=True)
        self.assertEqual(self.registry.manifest('copy/back', '1')[0], body)

    def test_htpasswd(self):
        locked = registries.OwnRegistry(user='ann', password='secret')
        self.addCleanup(locked.stop)
        self.ok('login', '-u', 'ann', '--password-stdin', locked.host, input='secret')
        name = locked.host + '/locked/busybox:1'
        self.ok('tag', 'busybox', name)
        self.addCleanup(self.docker, 'rmi', '-f', name)
        self.ok('push', name)
        self.ok('logout', locked.host)
        r = self.docker('pull', name)
        self.assertIn('no basic auth credentials', r.stderr)
        r = self.docker('login', '-u', 'ann', '--password-stdin', locked.host, input='wrong')
        self.assertIn('401 Unauthorized', r.stderr)


    def test_tls(self):
        secure = registries.OwnRegistry(tls=True)
        self.addCleanup(secure.stop)
        data = os.urandom(3_000_000)
        digest = secure.put_blob('tls/blob', data)
        self.assertEqual(secure.request('GET', f'/v2/tls/blob/blobs/{digest}')[1], data)
        name = secure.host + '/tls/busybox:1'
        self.ok('tag', 'busybox', name)
        self.addCleanup(self.docker, 'rmi', '-f', name)
        self.ok('push', name)
        seen = subprocess.run(['skopeo', 'inspect', '--cert-dir', secure.dir + '/trusted', 'docker://' + name],
                              capture_output=True, text=True)
        self.assertNotEqual(seen.returncode, 0)
        os.mkdir(secure.dir + '/trusted')
        shutil.copy(secure.dir + '/ca.crt', secure.dir + '/trusted/ca.crt')
        seen = subprocess.run(['skopeo', 'inspect', '--cert-dir', secure.dir + '/trusted', 'docker://' + name],
                              capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(seen.stdout)['Digest'], digest_of(secure.manifest('tls/busybox', '1')[0]))


class FromEngine(RegistryCase):
    """One engine serves its images, another pulls them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own = registries.EngineRegistry(cls.engine)
        cls.addClassCleanup(cls.own.stop)
        cls.other = harness.Engine(options=('--registry-mirror', 'http://' + cls.own.host))
        cls.addClassCleanup(cls.other.destroy)
        cls.other.start()

    def elsewhere(self, *args):
        r = self.other.docker(*args)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout.strip()

    def copies(self):
        return set(os.listdir(self.own.root() + '/blobs/sha256'))

    def test_names(self):
        self.ok('tag', 'busybox', 'far.example:5000/team/tool:2')
        self.addCleanup(self.ok, 'rmi', 'far.example:5000/team/tool:2')
        _, body, _ = self.own.request('GET', '/v2/_catalog')
        self.assertLessEqual({'busybox', 'team/tool'}, set(json.loads(body)['repositories']))
        self.assertEqual(json.loads(self.own.request('GET', '/v2/team/tool/tags/list')[1]),
                         {'name': 'team/tool', 'tags': ['2']})
        self.assertEqual(self.own.request('GET', '/v2/absent/tags/list')[0], 404)
        self.assertEqual(self.own.request('GET', '/v2/absent/manifests/1')[0], 404)
        self.assertEqual(self.own.request('POST', '/v2/busybox/blobs/uploads/')[0], 405)
        self.assertEqual(self.own.request('DELETE', '/v2/busybox/manifests/latest')[0], 405)

    def test_one_engine_pulls_from_another(self):
        name = self.own.host + '/busybox'
        self.elsewhere('pull', name)
        self.assertEqual(self.elsewhere('run', '--rm', '--network', 'none', name, 'echo', 'ok'), 'ok')
        config = [e.get(f'/images/{n}/json')['RootFS'] for e, n in ((self.engine, 'busybox'), (self.other, name))]
        self.assertEqual(*config)
        self.elsewhere('rmi', '-f', name)
        # As a mirror of Docker's own registry, which is asked for library/busybox.
        self.elsewhere('pull', 'busybox')
        self.assertEqual(self.elsewhere('run', '--rm', '--network', 'none', 'busybox', 'echo', 'ok'), 'ok')
        self.elsewhere('rmi', '-f', 'busybox')

    def test_a_tag_that_moves(self):
        def layered(text):
            layers = [harness.busybox_layer(), layer_of(('text', text))]
            self.engine.load(harness.save_tar('moving:1', layers))
            body, headers = self.own.manifest('moving', '1')
            self.assertEqual(headers['docker-content-digest'], digest_of(body))
            return body
        first = layered(b'first')
        self.assertEqual(self.own.manifest('moving', '1')[0], first)
        held = self.copies()
        second = layered(b'second')
        self.assertNotEqual(first, second)
        gone = held - self.copies()
        self.assertIn(digest_of(first)[7:], gone)
        self.assertEqual(self.own.request('GET', '/v2/moving/manifests/' + digest_of(first))[0], 404)
        shared = json.loads(second)['layers'][0]['digest']
        status, body, _ = self.own.request('GET', '/v2/moving/blobs/' + shared)
        self.assertEqual((status, digest_of(body)), (200, shared))
        self.ok('rmi', 'moving:1')
        self.assertEqual(self.own.request('GET', '/v2/moving/manifests/1')[0], 404)
        self.assertNotIn(digest_of(second)[7:], self.copies())

    def test_skopeo(self):
        name = 'docker://' + self.own.host + '/busybox:latest'
        seen = subprocess.run(['skopeo', 'inspect', '--tls-verify=false', name], capture_output=True, check=True)
        self.assertEqual(json.loads(seen.stdout)['Digest'], digest_of(self.own.manifest('busybox', 'latest')[0]))
        into = f'docker://{self.registry.host}/copied/busybox:1'
        subprocess.run(['skopeo', 'copy', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false',
                        name, into], check=True, capture_output=True)
        self.assertEqual(self.registry.manifest('copied/busybox', '1')[0], self.own.manifest('busybox', 'latest')[0])

    def test_the_engine_is_away(self):
        lonely = harness.Engine()
        self.addCleanup(lonely.destroy)
        lonely.start()
        lonely.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))
        own = registries.EngineRegistry(lonely)
        self.addCleanup(own.stop)
        self.assertEqual(own.request('GET', '/v2/busybox/manifests/latest')[0], 200)
        lonely.stop()
        status, body, _ = own.request('GET', '/v2/busybox/manifests/latest')
        self.assertEqual(status, 500)
        self.assertIn('Cannot connect', json.loads(body)['errors'][0]['message'])
        lonely.start()
        self.assertEqual(own.request('GET', '/v2/busybox/manifests/latest')[0], 200)


if __name__ == '__main__':
    unittest.main()
