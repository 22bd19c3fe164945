"""Registries for the tests: Debian's docker-registry on loopback (plain, with htpasswd, with TLS of a test CA),
dockerc's own, one that misbehaves on request, and what is needed to put images into them."""
import base64
import gzip
import hashlib
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import harness

DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def digest_of(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def missing():
    """What of the peers' tools is not here: a reason to skip, or None."""
    for tool in ('docker-registry', 'skopeo', 'htpasswd', 'openssl'):
        if not shutil.which(tool):
            return tool + ' is not installed'
    return None


def make_authority(directory, name='127.0.0.1'):
    """ca.crt, server.crt, server.key, and a client's pair, all made here."""
    def run(*args):
        subprocess.run(['openssl', *args], cwd=directory, check=True, capture_output=True)
    run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3', '-subj',
        '/CN=test CA', '-keyout', 'ca.key', '-out', 'ca.crt')
    with open(os.path.join(directory, 'ext'), 'w') as f:
        f.write(f'subjectAltName=IP:{name},IP:0.0.0.0,DNS:localhost\n')
    for who in ('server', 'client'):
        run('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=' + who, '-keyout',
            who + '.key', '-out', who + '.csr')
        run('x509', '-req', '-in', who + '.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '3',
            '-extfile', 'ext', '-out', who + '.crt')


class Registry:
    """What both have: a folder, a port, HTTP."""

    def __init__(self, user=None, password=None, tls=False):
        self.dir = tempfile.mkdtemp(prefix='dockercd-test-registry.')
        self.port = free_port()
        self.host = f'127.0.0.1:{self.port}'
        self.user, self.password = user, password
        self.tls = tls
        if tls:
            make_authority(self.dir)
        if user:
            table = subprocess.run(['htpasswd', '-nbB', user, password], capture_output=True, text=True, check=True)
            with open(os.path.join(self.dir, 'htpasswd'), 'w') as f:
                f.write(table.stdout)
        self.log = open(os.path.join(self.dir, 'log'), 'wb')
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                if self.request('GET', '/v2/')[0] in (200, 401):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError('the registry did not start')

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        with open(self.log.name, errors='replace') as f:
            found = harness.complaints(f.read())
        assert not found, found
        shutil.rmtree(self.dir, ignore_errors=True)

    def context(self):
        context = ssl._create_unverified_context()
        if self.tls == 'client':
            context.load_cert_chain(self.dir + '/client.crt', self.dir + '/client.key')
        return context

    def request(self, method, path, body=None, headers=None):
        """(status, body, headers)"""
        if self.tls:
            c = http.client.HTTPSConnection('127.0.0.1', self.port, context=self.context(), timeout=30)
        else:
            c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        headers = dict(headers or {})
        if self.user:
            headers['Authorization'] = 'Basic ' + base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            return r.status, r.read(), dict((k.lower(), v) for k, v in r.getheaders())
        finally:
            c.close()

    def put_blob(self, repo, data):
        status, _, headers = self.request('POST', f'/v2/{repo}/blobs/uploads/')
        assert status == 202, status
        place = headers['location'].split(self.host, 1)[-1]
        place += ('&' if '?' in place else '?') + 'digest=' + digest_of(data)
        status, body, _ = self.request('PUT', place, data, {'Content-Type': 'application/octet-stream'})
        assert status == 201, (status, body)
        return digest_of(data)

    def put_manifest(self, repo, reference, body, media_type):
        status, answer, _ = self.request('PUT', f'/v2/{repo}/manifests/{reference}', body, {'Content-Type': media_type})
        assert status == 201, (status, answer)
        return digest_of(body)

    def manifest(self, repo, reference):
        accept = ', '.join((DOCKER_MANIFEST, OCI_MANIFEST, OCI_INDEX, DOCKER_LIST))
        status, body, headers = self.request('GET', f'/v2/{repo}/manifests/{reference}', headers={'Accept': accept})
        assert status == 200, (status, body)
        return body, headers

    def put_image(self, repo, tag, layers, config, oci=False, compress=lambda x: gzip.compress(x, 6, mtime=0)):
        """The image's manifest; layers are tars."""
        blobs = build(layers, config, oci, compress)
        for data in blobs['blobs']:
            self.put_blob(repo, data)
        self.put_manifest(repo, tag, blobs['manifest'], blobs['type'])
        return blobs['manifest']


def build(layers, config, oci=False, compress=lambda x: gzip.compress(x, 6, mtime=0)):
    """{'blobs': [bytes], 'manifest': bytes, 'type': text} of an image."""
    packed = [compress(layer) for layer in layers]
    kind = OCI_MANIFEST if oci else DOCKER_MANIFEST
    layer_type = ('application/vnd.oci.image.layer.v1.tar+gzip' if oci else
                  'application/vnd.docker.image.rootfs.diff.tar.gzip')
    config_type = ('application/vnd.oci.image.config.v1+json' if oci else
                   'application/vnd.docker.container.image.v1+json')
    manifest = {'schemaVersion': 2, 'mediaType': kind,
                'config': {'mediaType': config_type, 'size': len(config), 'digest': digest_of(config)},
                'layers': [{'mediaType': layer_type, 'size': len(x), 'digest': digest_of(x)} for x in packed]}
    return {'blobs': packed + [config], 'type': kind, 'manifest': json.dumps(manifest, indent=3).encode()}


class DebianRegistry(Registry):
    """`docker-registry serve` with a storage of its own."""

    def command(self):
        lines = ['version: 0.1', 'log:', '  level: error', '  accesslog:', '    disabled: true', 'storage:',
                 '  filesystem:', f'    rootdirectory: {self.dir}/data', '  delete:', '    enabled: true', 'http:',
                 f'  addr: {self.host}']
        if self.tls:
            lines += ['  tls:', f'    certificate: {self.dir}/server.crt', f'    key: {self.dir}/server.key']
            if self.tls == 'client':
                lines += ['    clientcas:', f'      - {self.dir}/ca.crt']
        if self.user:
            lines += ['auth:', '  htpasswd:', '    realm: test', f'    path: {self.dir}/htpasswd']
        with open(os.path.join(self.dir, 'config.yml'), 'w') as f:
            f.write('\n'.join(lines) + '\n')
        return ['docker-registry', 'serve', os.path.join(self.dir, 'config.yml')]


class OwnRegistry(Registry):
    """`dockerc registry serve`."""

    def root(self):
        return self.dir + '/data'

    def command(self):
        options = ['--listen', self.host, '--root', self.root()]
        if self.user:
            options += ['--htpasswd', self.dir + '/htpasswd']
        if self.tls:
            options += ['--tls-cert', self.dir + '/server.crt', '--tls-key', self.dir + '/server.key']
        return [harness.built('dockerc'), 'registry', 'serve', *options]


class EngineRegistry(OwnRegistry):
    """`dockerc registry serve --from-engine`."""

    def __init__(self, engine, **keys):
        self.engine = engine
        super().__init__(**keys)

    def command(self):
        program, *rest = super().command()
        return [program, '-H', 'unix://' + self.engine.socket, *rest, '--from-engine']


class CuttingProxy:
    """In front of a registry; the first connection that sends more than `bytes_max` is cut there."""

    def __init__(self, port, bytes_max):
        self.target, self.bytes_max = port, bytes_max
        self.cut = False
        self.heads = []            # the first lines of what passed, with their Content-Range
        self.listening = socket.create_server(('127.0.0.1', 0))
        self.host = f'127.0.0.1:{self.listening.getsockname()[1]}'
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.listening.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            server = socket.create_connection(('127.0.0.1', self.target))
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.back, args=(server, client), daemon=True).start()

    def forward(self, client, server):
        sent = 0
        while data := self.receive(client):
            if data[:5] in (b'PUT /', b'PATCH'):
                head = data.split(b'\r\n\r\n')[0].decode().splitlines()
                ranges = [line for line in head if line.lower().startswith('content-range:')]
                self.heads.append((head[0].split()[0], ranges[0].split()[1] if ranges else None))
            sent += len(data)
            server.sendall(data)
            if sent > self.bytes_max and not self.cut:
                self.cut = True
                client.shutdown(socket.SHUT_RDWR)
                break
        server.shutdown(socket.SHUT_WR)

    def back(self, server, client):
        while data := self.receive(server):
            try:
                client.sendall(data)
            except OSError:
                break
        client.close()

    @staticmethod
    def receive(end):
        try:
            return end.recv(65536)
        except OSError:
            return b''


class Misbehaving(http.server.ThreadingHTTPServer):
    """A registry made of one dictionary: path -> bytes or function(handler). Everything asked is kept in `seen`."""
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.port = self.server_address[1]
        self.host = f'127.0.0.1:{self.port}'
        self.answers = {}
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass

    def serve_image(self, repo, tag, layers, config, **keys):
        made = build(layers, config, **keys)
        self.serve_built(repo, tag, made)
        return made

    def serve_built(self, repo, tag, made):
        for data in made['blobs']:
            self.answers[f'/v2/{repo}/blobs/{digest_of(data)}'] = data
        kind = made['type']
        for name in (tag, digest_of(made['manifest'])):
            self.answers[f'/v2/{repo}/manifests/{name}'] = \
                lambda h, body=made['manifest']: h.answer(200, body, {'Content-Type': kind})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, body=b'', headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split('?')[0]
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        found = self.server.answers.get(path)
        if callable(found):
            found(self)
        elif found is not None:
            self.answer(200, found, {'Content-Type': 'application/octet-stream'})
        elif path == '/v2/':
            self.answer(200, b'{}')
        else:
            self.answer(404, json.dumps({'errors': [{'code': 'MANIFEST_UNKNOWN',
                                                     'message': 'manifest unknown'}]}).encode())

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET
