"""Raw HTTP: what every client asks first, and what no client should send."""
import json
import time

from case import EngineCase


def status_of(answer):
    return int(answer.split(b' ', 2)[1]) if answer.startswith(b'HTTP/1.') else None


class Http(EngineCase):
    def test_ping(self):
        for method in ('GET', 'HEAD'):
            status, body, headers = self.engine.http(method, '/_ping')
            self.assertEqual(status, 200)
            self.assertEqual(body, b'OK' if method == 'GET' else b'')
            self.assertEqual(headers['Ostype'], 'linux')
            self.assertTrue(headers['Api-Version'].startswith('1.'))
            self.assertIn(headers['Docker-Experimental'], ('true', 'false'))

    def test_version_and_info(self):
        v = self.engine.get('/version')
        for key in ('Version', 'ApiVersion', 'MinAPIVersion', 'Os', 'Arch', 'KernelVersion'):
            self.assertTrue(v.get(key), key)
        i = self.engine.get('/info')
        self.assertEqual(i['Images'], 1)
        for key in ('ID', 'Containers', 'Driver', 'NCPU', 'MemTotal', 'KernelVersion', 'OSType', 'DockerRootDir'):
            self.assertIn(key, i)

    def test_versions(self):
        self.assertEqual(self.engine.http('GET', '/v1.24/version')[0], 200)
        status, body, _ = self.engine.http('GET', '/v9.99/version')
        self.assertEqual(status, 400)
        self.assertIn('too new', json.loads(body)['message'])

    def test_unknown_path(self):
        status, body, _ = self.engine.http('GET', '/no/such/page')
        self.assertEqual((status, json.loads(body)['message']), (404, 'page not found'))

    def test_no_such_container(self):
        status, body, _ = self.engine.http('GET', '/containers/nothing/json')
        self.assertEqual((status, json.loads(body)['message']), (404, 'No such container: nothing'))

    def test_malformed(self):
        for data in (b'GARBAGE\r\n\r\n', b'GET\r\n\r\n', b'\x00\x01\x02\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
                     b'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: x\r\n\r\n'):
            answer = self.engine.raw(data, 2)
            self.assertIn(status_of(answer), (None, 400, 404, 405, 501, 505), (data, answer[:200]))
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)

    def test_bad_bodies(self):
        for body in ('{', '[]', '"x"', '{"Image": 5}', '{"Image":"busybox","Env":"x"}', '{"Image":"busybox","Cmd":{}}',
                     '{"Image":"busybox","HostConfig":[]}', ''):
            status, _, _ = self.engine.http('POST', '/containers/create', body, {'Content-Type': 'application/json'})
            self.assertIn(status, (400, 500), body)  # older dockerd: 500 for some types

    def test_unknown_fields_are_ignored(self):
        status, body, _ = self.engine.http('POST', '/containers/create', {
            'Image': 'busybox', 'Nonsense': {'a': [1]}, 'HostConfig': {'NetworkMode': 'none', 'Odd': 1}})
        self.assertEqual(status, 201, body)
        self.assertEqual(self.engine.http('DELETE', '/containers/' + json.loads(body)['Id'])[0], 204)

    def test_huge_header(self):
        answer = self.engine.raw(b'GET /_ping HTTP/1.1\r\nHost: d\r\nX: ' + b'a' * (4 << 20) + b'\r\n\r\n')
        self.assertIn(status_of(answer), (None, 400, 431))

    def test_half_requests_do_not_stall_others(self):
        held = [self.engine.connect() for _ in range(50)]
        for s in held:
            s.sendall(b'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{"Im')
        began = time.monotonic()
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)
        self.assertLess(time.monotonic() - began, 1)
        for s in held:
            s.close()
        self.assertEqual(self.engine.http('GET', '/_ping')[0], 200)

    def test_keep_alive_and_pipelining(self):
        one = b'GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n'
        last = b'GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n'
        self.assertEqual(self.engine.raw(one + one + last).count(b'HTTP/1.1 200'), 3)

    def test_chunked_body(self):
        body = b'{"Image":"busybox","HostConfig":{"NetworkMode":"none"}}'
        chunks = b''.join(b'1\r\n' + bytes([c]) + b'\r\n' for c in body) + b'0\r\n\r\n'
        answer = self.engine.raw(b'POST /containers/create?name=chunked HTTP/1.1\r\nHost: d\r\nConnection: close\r\n'
                                 b'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n' + chunks)
        self.assertEqual(status_of(answer), 201, answer)
        self.assertEqual(self.engine.http('DELETE', '/containers/chunked')[0], 204)

    def test_outside_the_mission(self):
        self.assertEqual(self.engine.http('GET', '/swarm')[0], 503)
        self.assertEqual(self.engine.get('/plugins') or [], [])
