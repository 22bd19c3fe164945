"""Registries that misbehave: each time a clear error that names image, layer and cause, and nothing left behind; and
what is only slow or cut comes through."""
import base64
import gzip
import io
import json
import os
import socket
import subprocess
import tarfile
import time
import unittest

import harness
import registries
from registries import digest_of
from test_registry import RegistryCase, auth_header, layer_of


class Bad(RegistryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bad = registries.Misbehaving()
        cls.addClassCleanup(cls.bad.stop)

    def setUp(self):
        self.bad.answers.clear()
        self.bad.seen.clear()

    def pull(self, repo='bad/image', tag='1', headers=None, host=None):
        """(status, last line or message)"""
        where = f'{host or self.bad.host}/{repo}'
        status, lines = self.lines('POST', f'/images/create?fromImage={where}&tag={tag}', headers)
        last = lines[-1]
        return status, last.get('message') or last.get('error') or last.get('status')

    def refused(self, *needles, **keys):
        """A pull fails, says so, and leaves the store as it was."""
        before = self.settled()
        status, said = self.pull(**keys)
        for needle in needles:
            self.assertIn(needle, said)
        self.assertNotIn('Downloaded newer image', said)
        self.assertEqual(self.settled(), before)
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)
        return status, said

    def made(self, layers=None, repo='bad/image', **keys):
        layers = layers or [layer_of(('a', b'first')), layer_of(('b', os.urandom(200_000)))]
        return self.bad.serve_image(repo, '1', layers, harness.image_config(layers), **keys)

    def blob_path(self, made, index=1, repo='bad/image'):
        return f'/v2/{repo}/blobs/{digest_of(made["blobs"][index])}'

    # layers

    def test_wrong_digest(self):
        made = self.made()
        blob = bytearray(made['blobs'][1])
        other = gzip.compress(gzip.decompress(bytes(blob)), 1, mtime=1)
        path = self.blob_path(made)
        self.bad.answers[path] = other[:len(blob)].ljust(len(blob), b'\0')
        self.refused('pulling layer ' + digest_of(bytes(blob))[7:19], self.bad.host + '/bad/image:1')

    def test_another_layer(self):
        made = self.made()
        wrong = gzip.compress(layer_of(('c', os.urandom(200_000))), 6, mtime=0)
        size = len(made['blobs'][1])
        manifest = json.loads(made['manifest'])
        manifest['layers'][1]['size'] = len(wrong)
        made['manifest'] = json.dumps(manifest).encode()
        self.bad.serve_built('bad/image', '1', made)
        self.bad.answers[self.blob_path(made)] = wrong
        self.refused('filesystem layer verification failed for digest ' + digest_of(made['blobs'][1]))
        self.assertNotEqual(size, 0)

    def test_larger_and_smaller_than_said(self):
        made = self.made()
        path = self.blob_path(made)
        self.bad.answers[path] = made['blobs'][1] + b'more'
        self.refused('larger than its descriptor says')

    def test_wrong_diff_id(self):
        layers = [layer_of(('a', b'first'))]
        config = json.loads(harness.image_config(layers))
        config['rootfs']['diff_ids'] = [digest_of(b'something else')]
        self.bad.serve_image('bad/image', '1', layers, json.dumps(config).encode())
        self.refused('wrong diff id calculated on extraction')

    def test_broken_archives(self):
        tar = layer_of(('a', os.urandom(50_000)))
        for name, packed, cause in (
                ('gzip', gzip.compress(tar)[:-2000], 'unexpected EOF'),
                ('noise', b'\x1f\x8b\x08' + os.urandom(5000), ''),
                ('tar', gzip.compress(b'x' * 2000), 'invalid tar header'),
                ('zstd', b'\x28\xb5\x2f\xfd' + os.urandom(500), '')):
            with self.subTest(name):
                made = registries.build([tar], harness.image_config([tar]), compress=lambda x: packed)
                self.bad.serve_built('bad/image', '1', made)
                self.refused('pulling layer', cause)

    def test_climbing_and_absolute_names(self):
        for name in ('../../escaped', 'a/../../../escaped'):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode='w') as tar:
                harness.add(tar, name, b'x')
            self.made([out.getvalue()])
            self.refused('".." in a path')

    def test_bomb(self):
        # A file of 600 MB of zeros in a few ten kilobytes: more than decompression_ratio_max.
        info = tarfile.TarInfo('zeros')
        info.size = 600 << 20
        packed = subprocess.run(f'(cat; head -c {info.size + 1024} /dev/zero) | zstd -q', shell=True, check=True,
                                input=info.tobuf(), capture_output=True).stdout
        made = registries.build([b''], harness.image_config([b'']), oci=True, compress=lambda x: packed)
        self.bad.serve_built('bad/image', '1', made)
        self.refused('pulling layer', 'decompression_ratio_max')

    # manifests

    def test_no_manifests(self):
        for body, kind, cause in (
                (b'<html><body>login</body></html>', 'text/html', 'not a JSON object (content type "text/html")'),
                (b'{"schemaVersion":1,"name":"x","tag":"1","fsLayers":[]}',
                 'application/vnd.docker.distribution.manifest.v1+json', 'schema 1 support has been removed'),
                (b'{"schemaVersion":2}', registries.OCI_MANIFEST, 'neither an image nor an index'),
                (b' ' * (100 << 20), registries.OCI_MANIFEST, 'more than 4194304 bytes'),
                (json.dumps({'schemaVersion': 2, 'config': {'digest': digest_of(b'c'), 'size': 1},
                             'layers': [{'digest': digest_of(b'l'), 'size': 1}] * 10000}).encode(),
                 registries.OCI_MANIFEST, 'max depth exceeded')):
            with self.subTest(cause):
                self.bad.answers['/v2/bad/image/manifests/1'] = \
                    lambda h, body=body, kind=kind: h.answer(200, body, {'Content-Type': kind})
                status, _ = self.refused(cause)
                self.assertGreaterEqual(status, 400)

    def test_an_index_that_names_itself(self):
        index = {'schemaVersion': 2, 'mediaType': registries.OCI_INDEX, 'manifests': []}
        body = b''
        for _ in range(8):
            if body:
                index['manifests'] = [{'mediaType': registries.OCI_INDEX, 'digest': digest_of(body), 'size': len(body),
                                       'platform': {'os': 'linux', 'architecture': 'amd64'}}]
            body = json.dumps(index).encode()
            for name in ('1', digest_of(body)):
                self.bad.answers['/v2/bad/image/manifests/' + name] = \
                    lambda h, body=body: h.answer(200, body, {'Content-Type': registries.OCI_INDEX})
        self.refused('index_depth_max')

    def test_wrong_manifest_and_config(self):
        made = self.made()
        asked = digest_of(made['manifest'])
        self.bad.answers[f'/v2/bad/image/manifests/{asked}'] = made['manifest'] + b' '
        self.refused('manifest verification failed for digest ' + asked, tag=asked)
        self.bad.answers[self.blob_path(made, 2)] = b'{}'
        self.refused('is not what its digest')

    # the way there

    def test_cut_blobs_are_resumed(self):
        made = self.made()
        blob = made['blobs'][1]
        ranges = []

        def cut(handler):
            asked = handler.headers.get('Range')
            ranges.append(asked)
            begin = int(asked[6:-1]) if asked else 0
            end = min(len(blob), begin + 70_000)
            handler.send_response(206 if asked else 200)
            if asked:
                handler.send_header('Content-Range', f'bytes {begin}-{len(blob) - 1}/{len(blob)}')
            handler.send_header('Content-Length', str(len(blob) - begin))
            handler.end_headers()
            handler.wfile.write(blob[begin:end])
            handler.close_connection = True
        self.bad.answers[self.blob_path(made)] = cut
        status, said = self.pull()
        self.assertIn('Downloaded newer image', said)
        self.assertEqual(ranges[:3], [None, 'bytes=70000-', 'bytes=140000-'])
        self.remove(self.bad.host + '/bad/image:1')

    def test_a_blob_that_never_comes(self):
        made = self.made()

        def nothing(handler):
            handler.send_response(200)
            handler.send_header('Content-Length', str(len(made['blobs'][1])))
            handler.end_headers()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        self.bad.answers[self.blob_path(made)] = nothing
        self.refused('unexpected EOF', 'pulling layer ' + digest_of(made['blobs'][1])[7:19])

    def test_busy_registry(self):
        made = self.made()
        left = [2]

        def busy(handler):
            if left[0] > 0:
                left[0] -= 1
                return handler.answer(429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
                                      {'Retry-After': '0'})
            handler.answer(200, made['manifest'], {'Content-Type': made['type']})
        self.bad.answers['/v2/bad/image/manifests/1'] = busy
        self.assertIn('Downloaded newer image', self.pull()[1])
        self.remove(self.bad.host + '/bad/image:1')
        left[0] = 1000
        self.refused('toomanyrequests: slow down')
        self.bad.answers['/v2/bad/image/manifests/1'] = lambda h: h.answer(503, b'', {'Retry-After': '3600'})
        self.refused('503')

    def test_unauthorized_for_ever(self):
        self.bad.answers['/v2/bad/image/manifests/1'] = \
            lambda h: h.answer(401, b'', {'WWW-Authenticate': 'Basic realm="x"'})
        self.refused('no basic auth credentials')
        self.refused('unauthorized: authentication required', headers=auth_header('ann', 'x'))
        self.assertLessEqual(len(self.bad.seen), 4)
        self.bad.answers['/v2/bad/image/manifests/1'] = \
            lambda h: h.answer(401, b'', {'WWW-Authenticate': f'Bearer realm="http://{self.bad.host}/token",service="x"'})
        self.bad.answers['/token'] = b'{"token":"abc"}'
        self.refused('unauthorized: authentication required')
        self.bad.answers['/v2/bad/image/manifests/1'] = \
            lambda h: h.answer(401, b'', {'WWW-Authenticate': 'Bearer realm="unclosed'})
        self.refused('malformed WWW-Authenticate')

    def test_tokens(self):
        made = self.made()

        def guarded(body, kind):
            def answer(handler):
                if handler.headers.get('Authorization') != 'Bearer t0ken':
                    challenge = (f'Bearer realm="http://{self.bad.host}/token",service="reg",'
                                 'scope="repository:bad/image:pull"')
                    return handler.answer(401, b'', {'WWW-Authenticate': challenge})
                handler.answer(200, body, {'Content-Type': kind})
            return answer
        self.bad.answers['/v2/bad/image/manifests/1'] = guarded(made['manifest'], made['type'])
        for index in range(3):
            self.bad.answers[self.blob_path(made, index)] = guarded(made['blobs'][index], 'application/octet-stream')
        self.bad.answers['/token'] = b'{"access_token":"t0ken","expires_in":60}'
        self.assertIn('Downloaded newer image', self.pull(headers=auth_header('ann', 'secret'))[1])
        asked = [(path, headers.get('Authorization', '')) for _, path, headers in self.bad.seen
                 if path.startswith('/token')]
        self.assertEqual(len(asked), 1, asked)
        self.assertIn('scope=repository%3Abad%2Fimage%3Apull', asked[0][0])
        self.assertIn('service=reg', asked[0][0])
        self.assertTrue(asked[0][1].startswith('Basic '))
        self.remove(self.bad.host + '/bad/image:1')

    def test_an_identity_token(self):
        made = self.made()

        def manifest(handler):
            if handler.headers.get('Authorization') == 'Bearer t0ken':
                return handler.answer(200, made['manifest'], {'Content-Type': made['type']})
            handler.answer(401, b'', {'WWW-Authenticate': f'Bearer realm="http://{self.bad.host}/token",service="reg"'})

        def token(handler):
            asked.append((handler.command, handler.rfile.read(int(handler.headers['Content-Length'])).decode()))
            good = 'refresh_token=r3fresh%2F1' in asked[-1][1]
            handler.answer(200 if good else 401, b'{"access_token":"t0ken"}' if good else b'{}')
        self.bad.answers['/v2/bad/image/manifests/1'] = manifest
        self.bad.answers['/token'] = token
        asked = []
        for given in ('r3fresh/1', 'stale'):
            text = json.dumps({'identitytoken': given}).encode()
            said = self.pull(headers={'X-Registry-Auth': base64.urlsafe_b64encode(text).decode()})[1]
            self.assertIn('Downloaded newer image' if given == 'r3fresh/1' else 'unauthorized', said)
            self.assertEqual(asked[-1][0], 'POST')
            self.assertIn('grant_type=refresh_token', asked[-1][1])
            self.assertIn('scope=repository%3Abad%2Fimage%3Apull', asked[-1][1])
            self.docker('rmi', '-f', self.bad.host + '/bad/image:1')

    def test_credentials_do_not_follow_redirects(self):
        elsewhere = registries.Misbehaving()
        self.addCleanup(elsewhere.stop)
        made = self.made()
        need = 'Basic '

        def guarded(path, answer):
            def handle(handler):
                if not handler.headers.get('Authorization', '').startswith(need):
                    return handler.answer(401, b'', {'WWW-Authenticate': 'Basic realm="x"'})
                answer(handler)
            self.bad.answers[path] = handle
        guarded('/v2/bad/image/manifests/1', lambda h: h.answer(200, made['manifest'], {'Content-Type': made['type']}))
        for index in range(3):
            path = self.blob_path(made, index)
            elsewhere.answers[path] = made['blobs'][index]
            guarded(path, lambda h, path=path: h.answer(307, b'', {'Location': f'http://{elsewhere.host}{path}'}))
        self.assertIn('Downloaded newer image', self.pull(headers=auth_header('ann', 'secret'))[1])
        self.assertEqual(len(elsewhere.seen), 3)
        for _, path, headers in elsewhere.seen:
            self.assertNotIn('Authorization', headers, path)
        self.remove(self.bad.host + '/bad/image:1')
        self.bad.answers['/v2/bad/image/manifests/1'] = \
            lambda h: h.answer(302, b'', {'Location': f'http://{self.bad.host}/v2/bad/image/manifests/1'})
        self.refused('stopped after 10 redirects')

    def test_a_client_that_leaves_cancels(self):
        before = self.settled()
        made = self.made()
        gone = []

        def slow(handler):
            try:
                handler.send_response(200)
                handler.send_header('Content-Length', str(len(made['blobs'][1])))
                handler.end_headers()
                handler.wfile.write(made['blobs'][1][:1000])
                while handler.connection.recv(1):
                    pass
            except OSError:
                pass
            gone.append(True)
            handler.close_connection = True
        self.bad.answers[self.blob_path(made)] = slow
        path = f'/v1.41/images/create?fromImage={self.bad.host}/bad/image&tag=1'
        with self.engine.connect() as s:
            s.sendall(f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'.encode())
            harness.until(lambda: any(p == self.blob_path(made) for _, p, _ in self.bad.seen), what='the download')
        harness.until(lambda: gone, what='the download to be cut')
        self.assertEqual(self.settled(), before)
        # Two wait, one leaves: the other gets its image.
        release = []

        def waits(handler):
            while not release:
                time.sleep(0.02)
            handler.answer(200, made['blobs'][1])
        self.bad.answers[self.blob_path(made)] = waits
        leaver = self.engine.connect()
        stayer = self.engine.connect(60)
        for s in (leaver, stayer):
            s.sendall(f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'.encode())
        for s in (leaver, stayer):
            while b'Downloading' not in s.recv(65536):
                pass
        leaver.close()
        time.sleep(0.1)
        release.append(True)
        text = b''
        while b'Downloaded newer image' not in text:
            more = stayer.recv(65536)
            self.assertTrue(more, text)
            text += more
        stayer.close()
        self.assertEqual(sum(1 for _, p, _ in self.bad.seen if p == self.blob_path(made)), 2)
        self.remove(self.bad.host + '/bad/image:1')


    def test_an_engine_killed_in_a_pull(self):
        before = self.settled()
        made = self.made()

        def stalls(handler):
            try:
                handler.send_response(200)
                handler.send_header('Content-Length', str(len(made['blobs'][1])))
                handler.end_headers()
                handler.wfile.write(made['blobs'][1][:100_000])
                while handler.connection.recv(1):
                    pass
            except OSError:
                pass
            handler.close_connection = True
        self.bad.answers[self.blob_path(made)] = stalls
        client = self.engine.popen('pull', self.bad.host + '/bad/image:1', stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        harness.until(lambda: os.listdir(self.engine.data + '/tmp'), what='a layer on its way')
        self.engine.kill()
        client.communicate(timeout=30)

        def helpers():
            out = []
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try:
                    with open(f'/proc/{pid}/cmdline') as f:
                        words = f.read().split('\0')
                except OSError:
                    continue
                if words[0].endswith('dockercd-registry') or self.engine.data in ' '.join(words[1:]):
                    out.append(words)
            return [words for words in out if 'worker' in words or words[0].endswith('dockercd-registry')]
        self.engine.start()
        self.assertEqual(self.settled(), before)
        harness.until(lambda: not helpers(), what='the end of the helpers')
        self.bad.answers[self.blob_path(made)] = made['blobs'][1]
        self.assertIn('Downloaded newer image', self.pull()[1])
        self.remove(self.bad.host + '/bad/image:1')


if __name__ == '__main__':
    unittest.main()
