"""pull, push, login, search and distribution against Debian's docker-registry; digests are equal everywhere."""
import base64
import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
import unittest

import harness
import registries
from case import EngineCase


def layer_of(*files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for name, data in files:
            harness.add(tar, name, data)
    return out.getvalue()


def base_layer():
    """busybox, and a file more than the one that is loaded from an archive has."""
    out = io.BytesIO(harness.busybox_layer())
    with tarfile.open(fileobj=out, mode='a') as tar:
        harness.add(tar, 'pulled', b'x')
    return out.getvalue()


def auth_header(user, password):
    text = json.dumps({'username': user, 'password': password}).encode()
    return {'X-Registry-Auth': base64.urlsafe_b64encode(text).decode()}


class RegistryCase(EngineCase):
    @classmethod
    def setUpClass(cls):
        if registries.missing():
            raise unittest.SkipTest(registries.missing())
        super().setUpClass()
        cls.registry = registries.DebianRegistry()
        cls.addClassCleanup(cls.registry.stop)

    def lines(self, method, path, headers=None):
        status, body, _ = self.engine.http(method, path, headers=headers)
        if status != 200:
            return status, [json.loads(body)]
        return status, [json.loads(line) for line in body.splitlines() if line.strip()]

    def image(self, repo, tag='1', layers=None, registry=None, **keys):
        """An image of busybox and one more layer, put there; its name for a pull."""
        registry = registry or self.registry
        layers = layers or [base_layer(), layer_of(('name', repo.encode()))]
        registry.put_image(repo, tag, layers, harness.image_config(layers), **keys)
        name = f'{registry.host}/{repo}:{tag}'
        self.addCleanup(self.forget, harness.image_config(layers))
        return name

    def forget(self, config):
        """The image with this configuration, if it is there."""
        self.docker('rmi', '-f', registries.digest_of(config))

    def remove(self, name):
        """This name, and its image when no other tag names it."""
        info = self.engine.get(f'/images/{name}/json')
        self.ok('rmi', '-f', name)
        if not [tag for tag in info['RepoTags'] if tag != name]:
            self.docker('rmi', '-f', info['Id'])

    def snapshot(self):
        """Files of the store and rows of the database: what a failure must leave as it was."""
        files = sorted(os.listdir(self.engine.data + '/layers'))
        count = subprocess.run(['find', self.engine.data + '/layers', '-xdev'], capture_output=True, text=True)
        images = [(i['Id'], i['RepoTags'], i['RepoDigests']) for i in self.engine.get('/images/json')]
        return files, len(count.stdout.splitlines()), sorted(images)

    def settled(self):
        """What is deleted in the background is gone."""
        harness.until(lambda: not os.listdir(self.engine.data + '/tmp'), what='an empty tmp')
        return self.snapshot()


class Pull(RegistryCase):
    def test_cli(self):
        for cli in harness.clis():
            name = self.image('pull/cli')
            out = self.ok('pull', name, cli=cli)
            self.assertIn('Pulling from pull/cli', out)
            self.assertIn('Pull complete', out)
            self.assertIn('Digest: sha256:', out)
            self.assertIn('Status: Downloaded newer image for ' + name, out)
            self.assertEqual(self.sh('cat /name', image=name), 'pull/cli')
            self.assertIn('Image is up to date for ' + name, self.ok('pull', name, cli=cli))
            self.remove(name)

    def test_digests(self):
        name = self.image('pull/digest')
        body, _ = self.registry.manifest('pull/digest', '1')
        digest = registries.digest_of(body)
        self.ok('pull', name)
        info = self.engine.get(f'/images/{name}/json')
        self.assertEqual(info['RepoDigests'], [f'{self.registry.host}/pull/digest@{digest}'])
        self.assertEqual(info['Id'], json.loads(body)['config']['digest'])
        self.remove(name)
        by_digest = f'{self.registry.host}/pull/digest@{digest}'
        self.assertIn('Status: Downloaded newer image for ' + by_digest, self.ok('pull', by_digest))
        self.assertEqual(self.sh('cat /name', image=by_digest), 'pull/digest')
        listed = self.engine.get('/images/json?digests=1&filters={"reference":["*/pull/digest"]}')
        self.assertEqual(listed[0]['RepoDigests'], [by_digest])
        self.remove(by_digest)

    def test_present_layers_are_not_fetched(self):
        base = base_layer()
        one = self.image('pull/shared', 'a', [base, layer_of(('name', b'a'))])
        two = self.image('pull/shared', 'b', [base, layer_of(('name', b'b'))])
        self.ok('pull', one)
        out = self.ok('pull', two)
        self.assertIn('Already exists', out)
        self.assertEqual(out.count('Pull complete'), 1)
        self.assertEqual(self.sh('cat /name', image=two), 'b')

    def test_all_tags(self):
        for tag in ('a', 'b', 'c'):
            self.image('pull/all', tag, [layer_of(('name', tag.encode()))])
        self.ok('pull', '-a', self.registry.host + '/pull/all')
        tags = self.ok('images', '--format', '{{.Tag}}', self.registry.host + '/pull/all').split()
        self.assertEqual(sorted(tags), ['a', 'b', 'c'])

    def test_index_and_platform(self):
        layers = {a: [layer_of(('arch', a.encode()))] for a in ('amd64', 'arm64')}
        entries = []
        for arch, content in layers.items():
            config = json.loads(harness.image_config(content))
            config['architecture'] = arch
            made = registries.build(content, json.dumps(config).encode(), oci=True)
            for data in made['blobs']:
                self.registry.put_blob('pull/multi', data)
            digest = self.registry.put_manifest('pull/multi', arch, made['manifest'], made['type'])
            entries.append({'mediaType': made['type'], 'size': len(made['manifest']), 'digest': digest,
                            'platform': {'os': 'linux', 'architecture': arch}})
        index = json.dumps({'schemaVersion': 2, 'mediaType': registries.OCI_INDEX, 'manifests': entries}).encode()
        digest = self.registry.put_manifest('pull/multi', '1', index, registries.OCI_INDEX)
        name = self.registry.host + '/pull/multi:1'
        self.addCleanup(self.docker, 'rmi', '-f', name)
        out = self.ok('pull', name)
        self.assertIn('Digest: ' + digest, out)
        self.assertEqual(self.engine.get(f'/images/{name}/json')['Architecture'], 'amd64')
        self.ok('pull', '--platform', 'linux/arm64', name)
        self.assertEqual(self.engine.get(f'/images/{name}/json')['Architecture'], 'arm64')
        status, lines = self.lines('POST', f'/images/create?fromImage={self.registry.host}/pull/multi&tag=1'
                                           '&platform=linux/s390x')
        self.assertEqual((status, lines[0]['message']),
                         (404, 'no matching manifest for linux/s390x in the manifest list entries'))
        seen = self.engine.get(f'/distribution/{name}/json')
        self.assertEqual(seen['Descriptor'], {'mediaType': registries.OCI_INDEX, 'digest': digest, 'size': len(index)})
        self.assertEqual([p['architecture'] for p in seen['Platforms']], ['amd64', 'arm64'])

    def test_compressions(self):
        plain = self.image('pull/plain', compress=lambda x: x)
        packed = self.image('pull/zstd', oci=True, compress=lambda x: subprocess.run(
            ['zstd', '-q'], input=x, capture_output=True, check=True).stdout)
        for name, text in ((plain, 'pull/plain'), (packed, 'pull/zstd')):
            self.ok('pull', name)
            self.assertEqual(self.sh('cat /name', image=name), text)

    def test_not_there(self):
        status, lines = self.lines('POST', f'/images/create?fromImage={self.registry.host}/no/such&tag=1')
        self.assertEqual(status, 404)
        self.assertIn(f'manifest for {self.registry.host}/no/such:1 not found: manifest unknown', lines[0]['message'])
        port = registries.free_port()
        r = self.docker('pull', f'127.0.0.1:{port}/a')
        self.assertEqual(r.returncode, 1)
        self.assertIn('connection refused', r.stderr)
        self.assertEqual(self.lines('POST', f'/images/create?fromImage=127.0.0.1:{port}/a&tag=1')[0], 500)
        self.assertEqual(self.lines('GET', '/images/search?term=x')[0], 500)
        status, lines = self.lines('POST', '/images/create?fromImage=upper/CASE')
        self.assertEqual((status, lines[0]['message']),
                         (400, 'invalid reference format: repository name (upper/CASE) must be lowercase'))

    def test_two_pulls_at_once_share(self):
        big = layer_of(('big', os.urandom(8 << 20)))
        name = self.image('pull/twice', '1', [big])
        clients = [self.engine.popen('pull', name, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for _ in range(4)]
        for client in clients:
            out, err = client.communicate(timeout=60)
            self.assertEqual(client.returncode, 0, err)
            self.assertIn('Digest: sha256:', out)
        self.settled()

    def test_skopeo_reads_what_was_pulled_and_pushed(self):
        name = self.image('pull/skopeo')
        self.ok('pull', name)
        copy = f'{self.registry.host}/copied/skopeo:2'
        self.ok('tag', name, copy)
        self.addCleanup(self.docker, 'rmi', '-f', copy)
        self.ok('push', copy)
        seen = subprocess.run(['skopeo', 'inspect', '--tls-verify=false', 'docker://' + copy], capture_output=True,
                              text=True, check=True)
        before, _ = self.registry.manifest('pull/skopeo', '1')
        self.assertEqual(json.loads(seen.stdout)['Digest'], registries.digest_of(before))


class Push(RegistryCase):
    def test_what_was_pulled_goes_as_it_came(self):
        other = registries.DebianRegistry()
        self.addCleanup(other.stop)
        for oci in (False, True):
            name = self.image(f'push/same{int(oci)}', oci=oci)
            self.ok('pull', name)
            there = f'{other.host}/renamed/same{int(oci)}:2'
            self.ok('tag', name, there)
            self.addCleanup(self.docker, 'rmi', '-f', there)
            for cli in harness.clis():
                out = self.ok('push', there, cli=cli)
                self.assertIn(f'The push refers to repository [{other.host}/renamed/same{int(oci)}]', out)
            before, headers_before = self.registry.manifest(f'push/same{int(oci)}', '1')
            after, headers_after = other.manifest(f'renamed/same{int(oci)}', '2')
            self.assertEqual(before, after)
            self.assertEqual(headers_before['content-type'], headers_after['content-type'])
            self.assertIn('2: digest: ' + registries.digest_of(before), out)
            self.assertIn('Layer already exists', self.ok('push', there))

    def test_a_loaded_image(self):
        name = f'{self.registry.host}/push/loaded:1'
        self.ok('tag', 'busybox', name)
        self.addCleanup(self.docker, 'rmi', '-f', name)
        out = self.ok('push', name)
        self.assertIn('Pushed', out)
        body, _ = self.registry.manifest('push/loaded', '1')
        manifest = json.loads(body)
        self.assertEqual(manifest['config']['digest'], self.engine.get('/images/busybox/json')['Id'])
        status, blob, _ = self.registry.request('GET', '/v2/push/loaded/blobs/' + manifest['layers'][0]['digest'])
        self.assertEqual(status, 200)
        diff = self.engine.get('/images/busybox/json')['RootFS']['Layers'][0]
        self.assertEqual(registries.digest_of(gzip.decompress(blob)), diff)
        # Another repository of the registry: mounted, nothing sent.
        elsewhere = f'{self.registry.host}/push/elsewhere:1'
        self.ok('tag', 'busybox', elsewhere)
        self.addCleanup(self.docker, 'rmi', '-f', elsewhere)
        self.assertIn('Mounted from push/loaded', self.ok('push', elsewhere))
        self.assertEqual(self.registry.manifest('push/elsewhere', '1')[0], body)
        self.assertIn('Layer already exists', self.ok('push', elsewhere))
        self.remove(name)
        self.remove(elsewhere)
        self.ok('pull', name)
        self.assertEqual(self.engine.get(f'/images/{name}/json')['Id'], manifest['config']['digest'])

    def test_all_tags(self):
        name = self.registry.host + '/push/all'
        for tag in ('x', 'y'):
            self.ok('tag', 'busybox', f'{name}:{tag}')
            self.addCleanup(self.docker, 'rmi', '-f', f'{name}:{tag}')
        self.ok('push', '-a', name)
        status, body, _ = self.registry.request('GET', '/v2/push/all/tags/list')
        self.assertEqual(sorted(json.loads(body)['tags']), ['x', 'y'])

    def test_a_cut_push_goes_on_where_it_was(self):
        layers = [base_layer(), layer_of(('big', os.urandom(6_000_000)))]
        name = self.image('push/cut', layers=layers)
        self.ok('pull', name)
        for make in (registries.DebianRegistry, registries.OwnRegistry):
            other = make()
            self.addCleanup(other.stop)
            proxy = registries.CuttingProxy(other.port, 4_000_000)
            self.addCleanup(proxy.stop)
            there = f'{proxy.host}/cut/image:1'
            self.ok('tag', name, there)
            self.addCleanup(self.docker, 'rmi', '-f', there)
            self.ok('push', there)
            self.assertTrue(proxy.cut)
            # Debian's registry gives an upload up whose size is not what its location says: that begins anew.
            if make is registries.OwnRegistry:
                resumed = [bytes_ for verb, bytes_ in proxy.heads if verb == 'PATCH']
                self.assertEqual(len(resumed), 1, proxy.heads)
                self.assertGreater(int(resumed[0].split('-')[0]), 100_000)
            self.assertEqual(other.manifest('cut/image', '1')[0], self.registry.manifest('push/cut', '1')[0])

    def test_nothing_to_push(self):
        name = self.registry.host + '/no/such'
        r = self.docker('push', name)
        self.assertEqual(r.returncode, 1)
        self.assertIn('An image does not exist locally with the tag: ' + name, r.stderr)
        self.ok('tag', 'busybox', name + ':other')
        self.addCleanup(self.docker, 'rmi', '-f', name + ':other')
        self.assertIn(f'tag does not exist: {name}:1', self.docker('push', name + ':1').stderr)


class Auth(RegistryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.locked = registries.DebianRegistry(user='ann', password='secret')
        cls.addClassCleanup(cls.locked.stop)

    def test_login(self):
        for cli in harness.clis():
            r = self.docker('login', '-u', 'ann', '--password-stdin', self.locked.host, input='wrong', cli=cli)
            self.assertEqual(r.returncode, 1)
            self.assertIn('401 Unauthorized', r.stderr)
            self.assertIn('Login Succeeded', self.ok('login', '-u', 'ann', '--password-stdin', self.locked.host,
                                                     input='secret', cli=cli))
            name = self.image('auth/one', registry=self.locked)
            self.ok('pull', name, cli=cli)
            self.ok('tag', 'busybox', self.locked.host + '/auth/two:1', cli=cli)
            self.addCleanup(self.docker, 'rmi', '-f', self.locked.host + '/auth/two:1')
            self.ok('push', self.locked.host + '/auth/two:1', cli=cli)
            self.remove(name)
            self.ok('logout', self.locked.host, cli=cli)
            r = self.docker('pull', name, cli=cli)
            self.assertEqual(r.returncode, 1)
            self.assertIn('no basic auth credentials', r.stderr)

    def test_credentials_in_the_header(self):
        self.image('auth/three', registry=self.locked)
        path = f'/images/create?fromImage={self.locked.host}/auth/three&tag=1'
        self.assertEqual(self.lines('POST', path)[0], 500)
        status, lines = self.lines('POST', path, auth_header('ann', 'wrong'))
        self.assertEqual(status, 500)
        self.assertIn('unauthorized: authentication required', lines[0]['message'])
        status, lines = self.lines('POST', path, auth_header('ann', 'secret'))
        self.assertEqual(status, 200, lines)
        self.assertIn('Downloaded newer image', lines[-1]['status'])
        several = {self.locked.host: {'username': 'ann', 'password': 'secret'}, 'other.example': {}}
        several = base64.urlsafe_b64encode(json.dumps(several).encode()).decode()
        for headers in (auth_header('ann', 'secret'), {'X-Registry-Config': several}):
            status, body, _ = self.engine.http('GET', f'/distribution/{self.locked.host}/auth/three:1/json',
                                               headers=headers)
            self.assertEqual(status, 200, body)


class Tls(RegistryCase):
    def certificates(self, host, **files):
        """/etc/docker/certs.d/HOST with these files, gone when the test ends."""
        folder = '/etc/docker/certs.d/' + host
        os.makedirs(folder, exist_ok=True)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        for name, source in files.items():
            shutil.copy(source, os.path.join(folder, name.replace('_', '.')))

    def test_verification(self):
        registry = registries.DebianRegistry(tls=True)
        self.addCleanup(registry.stop)
        name = self.image('tls/one', registry=registry)
        # 127.0.0.0/8 is insecure, as dockerd has it: there any certificate passes.
        self.ok('pull', name)
        self.remove(name)
        # 0.0.0.0 leads here too, and is no loopback address by its letters.
        host = f'0.0.0.0:{registry.port}'
        name = host + '/tls/one:1'
        r = self.docker('pull', name)
        self.assertEqual(r.returncode, 1)
        self.assertIn('failed to verify certificate', r.stderr)
        self.certificates(host, ca_crt=registry.dir + '/ca.crt')
        self.ok('pull', name)
        self.remove(name)

    def test_client_certificate(self):
        registry = registries.DebianRegistry(tls='client')
        self.addCleanup(registry.stop)
        host = f'0.0.0.0:{registry.port}'
        self.image('tls/two', registry=registry)
        name = host + '/tls/two:1'
        self.certificates(host, ca_crt=registry.dir + '/ca.crt')
        self.assertEqual(self.docker('pull', name).returncode, 1)
        self.certificates(host, client_cert=registry.dir + '/client.crt')
        r = self.docker('pull', name)
        self.assertIn('missing key client.key for client certificate client.cert', r.stderr)
        self.certificates(host, client_key=registry.dir + '/client.key')
        self.ok('pull', name)


class Search(RegistryCase):
    def test_catalog(self):
        for repo in ('find/needle', 'find/needle-two', 'find/other'):
            self.image(repo, layers=[layer_of(('x', b'x'))])
        found = self.engine.get(f'/images/search?term={self.registry.host}/needle')
        self.assertEqual([f['name'] for f in found], [self.registry.host + '/find/needle',
                                                      self.registry.host + '/find/needle-two'])
        self.assertEqual(len(self.engine.get(f'/images/search?term={self.registry.host}/needle&limit=1')), 1)
        starred = f'/images/search?term={self.registry.host}/needle&filters={{"stars":["3"]}}'
        self.assertEqual(self.engine.get(starred), [])
        self.assertIn('find/needle', self.ok('search', self.registry.host + '/needle'))
        status, body, _ = self.engine.http('GET', '/images/search?term=x&filters={"nonsense":["1"]}')
        self.assertEqual((status, json.loads(body)['message']), (400, "invalid filter 'nonsense'"))


class Clients(RegistryCase):
    def test_python_docker(self):
        try:
            import docker
        except ImportError:
            self.skipTest('python3-docker is not installed')
        client = docker.DockerClient(base_url='unix://' + self.engine.socket)
        self.addCleanup(client.close)
        self.image('python/one')
        name = self.registry.host + '/python/one'
        image = client.images.pull(name, tag='1')
        self.assertEqual(image.tags, [name + ':1'])
        self.assertTrue(image.tag(self.registry.host + '/python/two', '2'))
        said = list(client.images.push(self.registry.host + '/python/two', tag='2', stream=True, decode=True))
        self.assertNotIn('error', said[-1])
        body, _ = self.registry.manifest('python/one', '1')
        self.assertEqual(said[-1]['aux'], {'Tag': '2', 'Digest': registries.digest_of(body), 'Size': len(body)})
        self.assertEqual(client.images.get_registry_data(name + ':1').id, registries.digest_of(body))
        with self.assertRaises(docker.errors.NotFound):
            client.images.pull(self.registry.host + '/python/none', tag='1')

    def dockerc(self, *args, input=None):
        return subprocess.run([harness.built('dockerc'), *args], input=input, text=True,
                              env=self.engine.environment(), capture_output=True, timeout=60)

    def test_dockerc(self):
        locked = registries.DebianRegistry(user='ann', password='secret')
        self.addCleanup(locked.stop)
        name = self.image('dockerc/one', registry=locked)
        r = self.dockerc('pull', name)
        self.assertEqual((r.returncode, 'no basic auth credentials' in r.stderr), (1, True), r.stderr)
        r = self.dockerc('login', '-u', 'ann', '--password-stdin', locked.host, input='wrong')
        self.assertEqual((r.returncode, '401 Unauthorized' in r.stderr), (1, True), r.stderr)
        r = self.dockerc('login', '-u', 'ann', '--password-stdin', locked.host, input='secret\n')
        self.assertEqual((r.returncode, r.stdout), (0, 'Login Succeeded\n'), r.stderr)
        with open(os.path.join(self.engine.dir, 'config', 'config.json')) as f:
            kept = json.load(f)
        self.assertEqual(base64.b64decode(kept['auths'][locked.host]['auth']), b'ann:secret')
        # docker reads what dockerc wrote.
        self.ok('pull', name)
        r = self.dockerc('pull', name)
        self.assertEqual((r.returncode, r.stdout.splitlines()[-1]), (0, name), r.stderr)
        self.assertIn('Status: Image is up to date for ' + name, r.stdout)
        copy = locked.host + '/dockerc/two:2'
        self.ok('tag', name, copy)
        r = self.dockerc('push', copy)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('2: digest: sha256:', r.stdout)
        r = self.dockerc('search', locked.host + '/dockerc')
        self.assertIn(locked.host + '/dockerc/one', r.stdout)
        self.assertEqual(self.dockerc('logout', locked.host).stdout, f'Removing login credentials for {locked.host}\n')
        self.assertEqual(self.dockerc('logout', locked.host).stdout, f'Not logged in to {locked.host}\n')
        self.assertEqual(self.dockerc('push', copy).returncode, 1)

    def test_credential_helper(self):
        locked = registries.DebianRegistry(user='ann', password='secret')
        self.addCleanup(locked.stop)
        self.image('helper/one', registry=locked)
        tools = os.path.join(self.engine.dir, 'helpers')
        os.makedirs(tools, exist_ok=True)
        program = os.path.join(tools, 'docker-credential-test')
        with open(program, 'w') as f:
            f.write(f"""#!/bin/sh
store={tools}/kept
case $1 in
    store) cat >$store ;;
    get) cat >/dev/null; [ -f $store ] && exec cat $store; echo "credentials not found in native keychain"; exit 1 ;;
    erase) cat >/dev/null; rm -f $store ;;
esac
""")
        os.chmod(program, 0o755)
        config = os.path.join(self.engine.dir, 'helper-config')
        os.makedirs(config, exist_ok=True)
        with open(os.path.join(config, 'config.json'), 'w') as f:
            json.dump({'credsStore': 'test', 'psFormat': 'kept'}, f)
        environment = dict(self.engine.environment(), DOCKER_CONFIG=config, PATH=tools + ':' + os.environ['PATH'])

        def dockerc(*args, input=None):
            return subprocess.run([harness.built('dockerc'), *args], input=input,
                                  text=True, env=environment, capture_output=True, timeout=60)
        r = dockerc('login', '-u', 'ann', '--password-stdin', locked.host, input='secret')
        self.assertEqual(r.returncode, 0, r.stderr)
        with open(os.path.join(tools, 'kept')) as f:
            self.assertEqual(json.load(f), {'ServerURL': locked.host, 'Username': 'ann', 'Secret': 'secret'})
        with open(os.path.join(config, 'config.json')) as f:
            kept = json.load(f)
        self.assertEqual((kept['auths'], kept['psFormat']), ({locked.host: {}}, 'kept'))
        r = dockerc('pull', locked.host + '/helper/one:1')
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(dockerc('logout', locked.host).returncode, 0)
        self.assertFalse(os.path.exists(os.path.join(tools, 'kept')))


class Options(unittest.TestCase):
    """Engines of their own, with options or little room."""

    def engine(self, *options, **keys):
        engine = harness.Engine(options=options, **keys)
        self.addCleanup(engine.destroy)
        return engine.start()

    def setUp(self):
        if registries.missing():
            self.skipTest(registries.missing())
        self.registry = registries.DebianRegistry()
        self.addCleanup(self.registry.stop)
        self.layers = [layer_of(('name', b'mirrored'))]
        self.registry.put_image('library/mirrored', 'latest', self.layers, harness.image_config(self.layers))

    def test_mirror(self):
        engine = self.engine('--registry-mirror', 'http://' + self.registry.host)
        r = engine.docker('pull', 'mirrored')
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(engine.get('/images/mirrored/json')['RepoTags'], ['mirrored:latest'])
        told = engine.get('/info')['RegistryConfig']
        self.assertEqual(told['Mirrors'], [f'http://{self.registry.host}/'])
        self.assertEqual(told['IndexConfigs']['docker.io']['Official'], True)

    def test_proxy(self):
        proxy = registries.Misbehaving()
        self.addCleanup(proxy.stop)
        proxy.serve_image('via/proxy', '1', self.layers, harness.image_config(self.layers))
        proxy.answers = {'http://plain.test' + path: answer for path, answer in proxy.answers.items()}
        os.environ['HTTP_PROXY'] = f'http://user:secret@{proxy.host}'
        self.addCleanup(os.environ.pop, 'HTTP_PROXY', None)
        engine = self.engine('--insecure-registry', 'plain.test')
        r = engine.docker('pull', 'plain.test/via/proxy:1')
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertTrue(all(headers['Proxy-Authorization'].startswith('Basic ') for _, _, headers in proxy.seen))
        self.assertEqual(engine.get('/info')['HttpProxy'], f'http://xxxxx:xxxxx@{proxy.host}')
        # This host is reached without it.
        r = engine.docker('pull', self.registry.host + '/library/mirrored')
        self.assertEqual(r.returncode, 0, r.stderr)

    def test_full_disk(self):
        engine = self.engine(data_mount='size=24m')
        big = [layer_of(('small', b'x')), layer_of(('big', os.urandom(40 << 20)))]
        self.registry.put_image('full/big', '1', big, harness.image_config(big))
        r = engine.docker('pull', self.registry.host + '/full/big:1')
        self.assertEqual(r.returncode, 1)
        self.assertIn('No space left on device', r.stderr)
        self.assertIn('pulling layer', r.stderr)
        harness.until(lambda: not os.listdir(engine.data + '/tmp'), what='an empty tmp')
        self.assertEqual(engine.get('/images/json'), [])
        self.assertEqual([n for n in os.listdir(engine.data + '/layers') if n != '0'], [])
        r = engine.docker('pull', self.registry.host + '/library/mirrored')
        self.assertEqual(r.returncode, 0, r.stderr)

    def test_insecure_registry(self):
        name = f'0.0.0.0:{self.registry.port}/library/mirrored'
        engine = self.engine()
        self.assertEqual(engine.docker('pull', name).returncode, 1)
        for option in ('0.0.0.0/32', f'0.0.0.0:{self.registry.port}'):
            engine = self.engine('--insecure-registry', option)
            r = engine.docker('pull', name)
            self.assertEqual(r.returncode, 0, r.stderr)


if __name__ == '__main__':
    unittest.main()
