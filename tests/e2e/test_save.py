"""save, load, commit, history, remove, prune: the ways of an image."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import harness
from case import EngineCase
from test_images import small_layer


class Ways(EngineCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='dockercd-test-save.')
        self.addCleanup(shutil.rmtree, self.dir, True)

    def container(self, script, *options, image='busybox'):
        cid = self.ok('run', '-d', '--network', 'none', *options, image, 'sh', '-c', script)
        self.addCleanup(self.docker, 'rm', '-f', cid)
        self.ok('wait', cid)
        return cid

    def committed(self, script, tag, *options, args=()):
        image = self.ok('commit', *args, self.container(script, *options), tag)
        self.addCleanup(self.docker, 'rmi', '-f', tag)
        return image

    def saved(self, *names):
        status, body, headers = self.engine.http('GET', '/images/get?' + '&'.join('names=' + n for n in names))
        self.assertEqual((status, headers['Content-Type']), (200, 'application/x-tar'), body[:300])
        return body

    def exact(self):
        """Can the layers' archives be made as they came?"""
        layers = os.path.join(self.engine.data, 'layers')
        return any('split' in os.listdir(os.path.join(layers, n)) for n in os.listdir(layers))

    def inspect(self, name):
        return self.engine.get(f'/images/{name}/json')

    def counts(self):
        layers = [n for n in os.listdir(os.path.join(self.engine.data, 'layers')) if n != '0']
        return sorted(layers), sorted(i['Id'] for i in self.engine.get('/images/json?all=1'))

    # commit

    def test_commit(self):
        for cli in harness.clis():
            cid = self.container('echo new > /new; rm /etc/group', '-e', 'A=1', '--label', 'of=container')
            image = self.ok('commit', '-a', 'Someone', '-m', 'why', '-c', 'ENV B=2', '-c', 'CMD ["cat", "/new"]', '-c',
                            'EXPOSE 80', cid, 'mine:1', cli=cli)
            self.addCleanup(self.docker, 'rmi', '-f', 'mine:1')
            facts = self.inspect('mine:1')
            self.assertEqual((facts['Id'], facts['Author'], facts['Comment']), (image, 'Someone', 'why'))
            self.assertEqual(facts['Parent'], self.inspect('busybox')['Id'])
            self.assertEqual(facts['Config']['Env'], ['B=2', 'A=1', 'PATH=/bin'])
            self.assertEqual(facts['Config']['Cmd'], ['cat', '/new'])
            self.assertEqual(facts['Config']['ExposedPorts'], {'80/tcp': {}})
            self.assertEqual(facts['Config']['Labels'], {'of': 'container'})
            self.assertEqual(len(facts['RootFS']['Layers']), 2)
            old = self.engine.get('/v1.43/images/mine:1/json')
            self.assertEqual((old['Container'], old['ContainerConfig']['Cmd'][:2]), (cid, ['sh', '-c']))
            self.assertEqual(self.run_('mine:1').stdout, 'new\n')
            self.assertEqual(self.sh('ls /etc/group 2>&1 | grep -c No', image='mine:1'), '1')
            history = self.engine.get('/images/mine:1/history')
            self.assertEqual((history[0]['Id'], history[0]['Comment'], history[0]['Tags'], history[0]['Size']),
                             (image, 'why', ['mine:1'], 4))
            self.assertEqual((history[1]['Id'], history[1]['Tags']), (facts['Parent'], ['busybox:latest']))
            self.assertEqual(self.ok('history', '-q', '--no-trunc', 'mine:1', cli=cli).split('\n')[0], image)

    def test_commit_of_nothing(self):
        before = self.counts()[0]
        cid = self.ok('create', 'busybox', 'true')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        status, body, _ = self.engine.http('POST', f'/commit?container={cid}&repo=same&tag=1')
        self.assertEqual(status, 201, body)
        self.addCleanup(self.docker, 'rmi', '-f', 'same:1')
        facts = self.inspect('same:1')
        self.assertEqual(facts['RootFS'], self.inspect('busybox')['RootFS'])
        self.assertEqual(facts['Config']['Cmd'], ['true'])
        self.assertEqual(self.counts()[0], before)
        self.assertEqual(self.engine.get('/images/same:1/history')[0]['Size'], 0)

    def test_refused_commits(self):
        cid = self.ok('create', 'busybox')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        before = self.counts()
        ask = lambda query, body=None: self.engine.http('POST', '/commit?' + query, body)[0]
        self.assertEqual(ask('container=nobody'), 404)
        self.assertEqual(ask(f'container={cid}&repo=UPPER'), 400)
        self.assertEqual(ask(f'container={cid}&repo=a&tag=-b'), 400)
        self.assertEqual(ask(f'container={cid}&changes=RUN+true'), 400)
        self.assertEqual(ask(f'container={cid}', b'{not json'), 400)
        self.assertEqual(self.counts(), before)

    def test_commit_keeps_every_bit(self):
        self.committed('mkdir /d; echo a > /d/a; ln /d/a /d/b; ln -s a /d/l; mkfifo /d/p; chmod 4711 /d/a; '
                       'chown 1234:5678 /d/p; touch -d "2001-02-03 04:05:06" /d/a; dd if=/dev/zero of=/d/hole bs=1 '
                       'count=1 seek=50000000 2>/dev/null', 'bits:1')
        script = 'cd /d; stat -c "%n %a %u %g %Y %h %F" *; readlink l; du -k hole | cut -f1; wc -c < hole'
        first = self.sh(script, image='bits:1')
        self.assertIn('a 4711 0 0 981173106 2 regular', first)
        data = self.saved('bits:1')
        self.assertLess(len(data), 20 << 20)
        ids = self.inspect('bits:1')
        self.ok('rmi', '-f', 'bits:1')
        status, body, _ = self.engine.load(data)
        self.assertIn(b'Loaded image: bits:1', body)
        self.assertEqual(self.inspect('bits:1')['RootFS']['Layers'][-1], ids['RootFS']['Layers'][-1])
        if self.exact():
            self.assertEqual(self.inspect('bits:1')['RootFS'], ids['RootFS'])
            self.assertEqual(self.inspect('bits:1')['Id'], ids['Id'])
        self.assertEqual(self.sh(script, image='bits:1'), first)

    # save

    def test_saved_archive(self):
        image = self.committed('echo x > /x', 'saved:1')
        self.ok('tag', 'saved:1', 'saved:2')
        self.addCleanup(self.docker, 'rmi', '-f', 'saved:2')
        tar = tarfile.open(fileobj=io.BytesIO(self.saved('saved')))
        read = lambda name: tar.extractfile(name).read()
        manifest = json.loads(read('manifest.json'))
        self.assertEqual(len(manifest), 1)
        self.assertEqual(sorted(manifest[0]['RepoTags']), ['saved:1', 'saved:2'])
        id_of = 'sha256:' + hashlib.sha256(read(manifest[0]['Config'])).hexdigest()
        self.assertEqual('blobs/sha256/' + id_of[7:], manifest[0]['Config'])
        self.assertEqual(id_of == image, self.exact())
        config = json.loads(read(manifest[0]['Config']))
        for path, diff_id in zip(manifest[0]['Layers'], config['rootfs']['diff_ids']):
            self.assertEqual('sha256:' + hashlib.sha256(read(path)).hexdigest(), diff_id)
        self.assertEqual(json.loads(read('oci-layout')), {'imageLayoutVersion': '1.0.0'})
        index = json.loads(read('index.json'))
        self.assertEqual([m['annotations']['io.containerd.image.name'] for m in index['manifests']],
                         ['docker.io/library/saved:1', 'docker.io/library/saved:2'])
        for descriptor in index['manifests']:
            blob = read('blobs/sha256/' + descriptor['digest'][7:])
            self.assertEqual((len(blob), hashlib.sha256(blob).hexdigest()),
                             (descriptor['size'], descriptor['digest'][7:]))
            for part in [json.loads(blob)['config']] + json.loads(blob)['layers']:
                self.assertEqual(len(read('blobs/sha256/' + part['digest'][7:])), part['size'])
        self.assertEqual(sorted(json.loads(read('repositories'))['saved']), ['1', '2'])

    def test_several_images(self):
        self.committed('echo 1 > /x', 'one:1')
        self.committed('echo 2 > /x', 'two:2')
        data = self.saved('one:1', 'two:2')
        self.ok('rmi', 'one:1', 'two:2')
        for cli in harness.clis():
            out = self.docker('load', '-q', cli=cli, input=data).stdout.decode()
            self.assertIn('Loaded image: one:1', out)
            self.assertIn('Loaded image: two:2', out)
            self.assertEqual(self.sh('cat /x', image='two:2'), '2')
            path = os.path.join(self.dir, 'one.tar')
            self.ok('save', '-o', path, 'one:1', cli=cli)
            self.assertEqual(json.load(tarfile.open(path).extractfile('manifest.json'))[0]['RepoTags'], ['one:1'])

    def test_save_by_id_and_unknown(self):
        image = self.inspect('busybox')['Id']
        manifest = json.load(tarfile.open(fileobj=io.BytesIO(self.saved(image))).extractfile('manifest.json'))
        self.assertEqual(manifest[0]['RepoTags'], None)
        status, body, _ = self.engine.http('GET', '/images/get?names=no:such')
        self.assertEqual((status, json.loads(body)['message']), (404, 'No such image: no:such'))
        self.assertEqual(self.engine.http('GET', '/images/busybox/get')[0], 200)

    def test_removed_while_saved(self):
        self.committed('dd if=/dev/urandom of=/r bs=1M count=8 2>/dev/null', 'going:1')
        with self.engine.connect() as s:
            s.sendall(b'GET /images/going:1/get HTTP/1.0\r\nHost: d\r\n\r\n')
            first = s.recv(1000)
            self.ok('rmi', 'going:1')
            rest = first
            while chunk := s.recv(1 << 20):
                rest += chunk
        tar = tarfile.open(fileobj=io.BytesIO(rest.split(b'\r\n\r\n', 1)[1]))
        self.assertIn('manifest.json', tar.getnames())

    # others read what we save

    def peers(self):
        return [p for p in ('skopeo', 'podman') if shutil.which(p)]

    def test_skopeo_and_podman_read_it(self):
        if not self.peers():
            self.skipTest('neither skopeo nor podman is installed')
        self.committed('echo x > /x; ln /x /y; ln -s x /z', 'peers:1')
        path = os.path.join(self.dir, 'saved.tar')
        with open(path, 'wb') as f:
            f.write(self.saved('peers:1'))
        layout = os.path.join(self.dir, 'layout')
        os.mkdir(layout)
        tarfile.open(path).extractall(layout)
        want = json.load(tarfile.open(path).extractfile(
            json.load(tarfile.open(path).extractfile('manifest.json'))[0]['Config']))['rootfs']['diff_ids']
        if 'skopeo' in self.peers():
            for source in ('docker-archive:' + path, 'oci:' + layout + ':1'):
                r = subprocess.run(['skopeo', 'inspect', source], capture_output=True, text=True)
                self.assertEqual(r.returncode, 0, r.stderr)
                self.assertEqual(json.loads(r.stdout)['Layers'], want)
        if 'podman' in self.peers():
            r = subprocess.run(['podman', '--root', os.path.join(self.dir, 'root'), '--runroot',
                                os.path.join(self.dir, 'run'), '--storage-driver', 'vfs', 'load', '-i', path],
                               capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn('peers:1', r.stdout)

    # list, remove, prune

    def test_remove_answers(self):
        image = self.committed('echo x > /x', 'gone:1')
        self.ok('tag', 'gone:1', 'also:1')
        answer = json.loads(self.engine.http('DELETE', '/images/also:1')[1])
        self.assertEqual(answer, [{'Untagged': 'also:1'}])
        container = self.container('true', image='gone:1')
        status, body, _ = self.engine.http('DELETE', '/images/gone:1')
        self.assertEqual((status, json.loads(body)['message']),
                         (409, 'conflict: unable to remove repository reference "gone:1" (must force) - container '
                               f'{container[:12]} is using its referenced image {image[7:19]}'))
        status, body, _ = self.engine.http('DELETE', '/images/' + self.inspect('busybox')['Id'] + '?force=1')
        self.assertEqual((status, json.loads(body)['message'].split(' - ')[1]),
                         (409, 'image has dependent child images'))
        self.ok('rm', container)
        answer = json.loads(self.engine.http('DELETE', '/images/gone:1')[1])
        self.assertEqual(answer[:2], [{'Untagged': 'gone:1'}, {'Deleted': image}])
        self.assertEqual(len(answer), 3)  # and the layer

    def test_parents_go_along(self):
        first = self.committed('echo 1 > /1', 'first')
        cid = self.ok('create', 'first', 'true')
        second = self.ok('commit', cid, 'second')
        self.ok('rm', cid)
        self.ok('rmi', 'first')  # keeps the image: second stands on it
        self.assertNotIn(first, [i['Id'] for i in self.engine.get('/images/json')])
        self.assertIn(first, [i['Id'] for i in self.engine.get('/images/json?all=1')])
        kept = json.loads(self.engine.http('DELETE', '/images/second?noprune=1')[1])
        self.assertIn({'Deleted': second}, kept)
        self.assertIn(first, [i['Id'] for i in self.engine.get('/images/json')])
        self.ok('rmi', first)

    def test_prune(self):
        image = self.committed('dd if=/dev/zero of=/z bs=1000 count=5 2>/dev/null', 'old:1', '--label', 'k=v')
        self.committed('echo other > /o', 'old:1')  # the first has no name now
        ask = lambda filters: json.loads(self.engine.http('POST', '/images/prune?filters=' + json.dumps(filters)
                                                          .replace('"', '%22').replace(' ', ''))[1])
        self.assertEqual(ask({'label': ['k=w']}), {'ImagesDeleted': None, 'SpaceReclaimed': 0})
        self.assertEqual(ask({'until': ['2000-01-01']}), {'ImagesDeleted': None, 'SpaceReclaimed': 0})
        self.assertIn('invalid filter', ask({'nonsense': ['x']})['message'])
        for container in self.engine.get('/containers/json?all=1'):
            self.ok('rm', '-f', container['Id'])
        answer = ask({'label': ['k=v']})
        self.assertEqual(answer['ImagesDeleted'][0], {'Deleted': image})
        self.assertEqual(answer['SpaceReclaimed'], 5000)
        self.assertIn('old:1', [t for i in self.engine.get('/images/json') for t in i['RepoTags'] or []])
        deleted = self.ok('image', 'prune', '-a', '-f', '--filter', 'label!=keep')
        self.assertIn('untagged: old:1', deleted)
        status, body, _ = self.engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))
        self.assertEqual(status, 200)

    def test_image_events(self):
        image = self.committed('echo x > /x', 'told:1')
        data = self.saved('told:1')
        self.ok('tag', 'told:1', 'told:2')
        self.ok('rmi', 'told:2', 'told:1')
        self.engine.load(data)
        told = [(e['Action'], e['Actor']['ID']) for e in self.events() if e['Type'] == 'image']
        self.assertEqual([action for action, actor in told if actor == image][:6],
                         ['tag', 'save', 'tag', 'untag', 'untag', 'delete'])
        self.assertEqual(told[-1][0], 'load')

    def test_shared_sizes(self):
        self.committed('dd if=/dev/zero of=/z bs=1000 count=3 2>/dev/null', 'sized:1')
        base = self.inspect('busybox')['Size']
        by_name = {t: i for i in self.engine.get('/images/json?shared-size=1') for t in i['RepoTags'] or []}
        self.assertEqual((by_name['sized:1']['Size'], by_name['sized:1']['SharedSize']), (base + 3000, base))
        self.assertEqual(by_name['busybox:latest']['SharedSize'], base)
        usage = self.engine.get('/system/df')
        self.assertGreaterEqual(usage['LayersSize'], base + 3000)


class WaysOfCopies(Ways):
    """The same with the driver that copies."""
    engine_options = ('--storage-driver', 'vfs')


if __name__ == '__main__':
    unittest.main()
