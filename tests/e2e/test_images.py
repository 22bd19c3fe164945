"""load, import, tag, list, remove."""
import gzip
import io
import json
import os
import re
import subprocess
import tarfile
import unittest
import unittest.mock

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

    def test_the_root_is_an_overlay(self):
        info = self.engine.get('/info')
        self.assertIn(info['Driver'], ('overlay2', 'vfs'))
        root = self.sh("grep ' / ' /proc/self/mountinfo")
        # A copy's folder may lie on somebody's overlay too.
        own = re.search(r'upperdir=\S*containers/\w{64}/upper', root)
        self.assertEqual(own is not None, info['Driver'] == 'overlay2', root)

    def test_inspect(self):
        i = self.engine.get('/images/busybox/json')
        self.assertEqual((i['Os'], i['Architecture'], i['RepoTags']), ('linux', 'amd64', ['busybox:latest']))
        self.assertEqual(i['Config']['Cmd'], ['sh'])
        self.assertEqual(len(i['RootFS']['Layers']), 1)

    def test_a_wrong_archive_is_told_in_the_stream(self):
        status, body, _ = self.engine.load(b'not a tar at all' * 100)
        self.assertEqual(status, 200)
        answer = json.loads(body)
        self.assertEqual(answer['errorDetail']['message'], answer['error'])
        self.assertIn('tar header', answer['error'])

    def test_progress_of_a_load(self):
        data = harness.save_tar('progress:1', [small_layer('p', b'p' * 1000)])
        status, body, _ = self.engine.http('POST', '/images/load?quiet=0', data)
        self.addCleanup(self.docker, 'rmi', '-f', 'progress:1')
        lines = [json.loads(line) for line in body.splitlines()]
        self.assertEqual((status, lines[0]['status'], len(lines[0]['id'])), (200, 'Loading layer', 12))
        self.assertEqual(lines[0]['progressDetail'], {'current': 10240, 'total': 10240})
        self.assertEqual(lines[-1], {'stream': 'Loaded image: progress:1\n'})
        again = self.engine.http('POST', '/images/load?quiet=0', data)[1]
        self.assertEqual(json.loads(again), lines[-1])  # nothing new

    def test_import_with_changes(self):
        query = ('fromSrc=-&repo=changed&tag=1&message=by+hand&platform=linux%2Farm64%2Fv8&changes=ENV+A%3D1'
                 '&changes=EXPOSE+80&changes=LABEL+made%3Dhere&changes=USER+user&changes=WORKDIR+%2Fhome')
        status, body, _ = self.engine.http('POST', '/images/create?' + query, harness.busybox_layer())
        self.assertEqual(status, 200, body)
        self.addCleanup(self.docker, 'rmi', '-f', 'changed:1')
        i = self.engine.get('/images/changed:1/json')
        self.assertEqual(json.loads(body)['status'], i['Id'])
        config = i['Config']
        self.assertEqual([config[x] for x in ('Env', 'ExposedPorts', 'Labels', 'User', 'WorkingDir')],
                         [['A=1'], {'80/tcp': {}}, {'made': 'here'}, 'user', '/home'])
        self.assertEqual((i['Comment'], i['Architecture'], i['Variant'], i['Os']), ('by hand', 'arm64', 'v8', 'linux'))
        self.assertNotEqual(i['Metadata']['LastTagTime'], '0001-01-01T00:00:00Z')
        for query, words in (('changes=RUN+x', 'run is not a valid change command'), ('repo=UP', 'must be lowercase'),
                             ('repo=x&tag=-', 'invalid tag format'), ('platform=plan9', 'not supported')):
            status, body, _ = self.engine.http('POST', '/images/create?fromSrc=-&' + query, b'')
            self.assertEqual((status, words in json.loads(body)['message']), (400, True), body)

    def test_tag_errors(self):
        for query, status, words in (('repo=UP&tag=1', 400, 'must be lowercase'),
                                     ('repo=x&tag=a+b', 400, 'invalid tag'),
                                     ('repo=a@sha256:' + 'a' * 64, 400, 'digest'), ('repo=sha256', 400, 'ambiguous'),
                                     ('', 400, 'invalid reference format')):
            got, body, _ = self.engine.http('POST', '/images/busybox/tag?' + query)
            self.assertEqual((got, words in json.loads(body)['message']), (status, True), body)
        status, body, _ = self.engine.http('POST', '/images/nothing/tag?repo=x')
        self.assertEqual((status, json.loads(body)['message']), (404, 'No such image: nothing:latest'))

    def test_removal_tells_what_went(self):
        self.engine.load(harness.save_tar('gone:1', [small_layer('g', b'g')]))
        image = self.engine.get('/images/gone:1/json')
        self.ok('tag', 'gone:1', 'gone:2')
        status, body, _ = self.engine.http('DELETE', '/images/gone:1')
        self.assertEqual((status, json.loads(body)), (200, [{'Untagged': 'gone:1'}]))
        self.ok('tag', 'gone:2', 'gone:3')
        short = image['Id'][7:19]
        status, body, _ = self.engine.http('DELETE', '/images/' + short)
        self.assertEqual((status, json.loads(body)['message']), (409, f'conflict: unable to delete {short} '
                         '(must be forced) - image is referenced in multiple repositories'))
        status, body, _ = self.engine.http('DELETE', f'/images/{short}?force=1&noprune=1')
        self.assertEqual((status, json.loads(body)),
                         (200, [{'Untagged': 'gone:2'}, {'Untagged': 'gone:3'}, {'Deleted': image['Id']},
                                {'Deleted': image['RootFS']['Layers'][0]}]))
        self.assertEqual(self.engine.http('GET', '/images/gone:2/json')[0], 404)

    def test_a_used_image_stays(self):
        self.ok('tag', 'busybox', 'used:1')
        self.addCleanup(self.docker, 'rmi', '-f', 'used:1')
        self.engine.load(harness.save_tar('sole:1', [harness.busybox_layer(), small_layer('s', b's')]))
        cid = self.start('sole:1', 'sleep', '100')
        self.addCleanup(self.docker, 'rmi', '-f', 'sole:1')
        short = self.engine.get('/images/sole:1/json')['Id'][7:19]
        for name, words in (('sole:1', 'unable to remove repository reference "sole:1" (must force) - container '
                                       f'{cid[:12]} is using its referenced image {short}'),
                            (short, f'unable to delete {short} (cannot be forced) - image is being used by running '
                                    f'container {cid[:12]}')):
            status, body, _ = self.engine.http('DELETE', '/images/' + name)
            self.assertEqual((status, json.loads(body)['message']), (409, 'conflict: ' + words))
        self.ok('kill', cid)
        self.ok('wait', cid)
        status, body, _ = self.engine.http('DELETE', '/images/' + short)
        self.assertEqual((status, json.loads(body)['message']),
                         (409, f'conflict: unable to delete {short} (must be forced) - image is being used by stopped '
                               f'container {cid[:12]}'))
        self.ok('rmi', '-f', short)  # its container goes on, over a restart of the engine too
        self.engine.stop()
        self.engine.start()
        self.ok('start', cid)
        self.ok('rm', '-f', cid)

    def test_shapes_by_version(self):
        def one(version, path):
            return self.engine.get(f'/v{version}/images/{path}')
        old, new = one('1.40', 'busybox/json'), one('1.51', 'busybox/json')
        self.assertEqual(old['VirtualSize'], old['Size'])
        self.assertIn('ContainerConfig', old)
        self.assertEqual((old['Config']['Hostname'], old['Config']['AttachStdin']), ('', False))
        for key in ('VirtualSize', 'ContainerConfig', 'Container'):
            self.assertNotIn(key, new)
        self.assertNotIn('Hostname', new['Config'])
        self.assertEqual(new['GraphDriver']['Name'], self.engine.get('/info')['Driver'])
        self.assertEqual(new['Created'], '2020-01-01T00:00:00Z')
        old, new = ([x for x in one(v, 'json') if 'busybox:latest' in x['RepoTags']][0] for v in ('1.40', '1.51'))
        self.assertEqual((old['Containers'], old['VirtualSize'], old['SharedSize']), (-1, old['Size'], -1))
        self.assertNotIn('VirtualSize', new)
        self.assertGreaterEqual(new['Containers'], 0)
        self.assertEqual((new['Created'], new['RepoDigests'], new['ParentId']), (1577836800, [], ''))

    def test_disk_usage(self):
        cid = self.start('busybox', 'sh', '-c', 'head -c 100000 /dev/zero > /z; sleep 100')
        harness.until(lambda: self.engine.get('/system/df')['Containers'][0].get('SizeRw') == 100000, what='the size')
        usage = self.engine.get('/system/df')
        image = [x for x in usage['Images'] if 'busybox:latest' in x['RepoTags']][0]
        self.assertGreaterEqual(usage['LayersSize'], image['Size'])
        self.assertEqual((image['Containers'], usage['Volumes'], usage['BuildCache']), (1, [], []))
        self.assertEqual([x['Id'] for x in usage['Containers']], [cid])
        only = self.engine.get('/system/df?type=image')
        self.assertEqual((only['Containers'], len(only['Images'])), (None, len(usage['Images'])))
        self.assertEqual(self.engine.http('GET', '/system/df?type=nope')[0], 400)
        self.assertEqual(self.engine.get('/v1.40/system/df')['BuilderSize'], 0)
        for cli in harness.clis():
            r = self.docker('system', 'df', cli=cli)
            self.assertEqual((r.returncode, 'Local Volumes' in r.stdout), (0, True), r.stderr)

    def test_list_filters(self):
        label = {'Labels': {'kind': 'listed', 'n': '1'}}
        self.load(harness.save_tar('my/listed:1', [small_layer('l', b'l')], **label), 'my/listed:1')
        self.ok('tag', 'my/listed:1', 'my/listed:2')
        self.engine.load(harness.save_tar('bare:1', [small_layer('b', b'b')]))
        self.engine.load(harness.save_tar('bare:1', [small_layer('b', b'c')]))
        self.addCleanup(self.docker, 'rmi', '-f', 'bare:1')
        dangling = [x for x in self.engine.get('/images/json?filters={"dangling":["true"]}')]
        self.assertEqual([x['RepoTags'] for x in dangling], [[]])
        self.addCleanup(self.docker, 'rmi', '-f', dangling[0]['Id'])
        none = [x for x in self.engine.get('/v1.40/images/json') if x['Id'] == dangling[0]['Id']][0]
        self.assertEqual((none['RepoTags'], none['RepoDigests']), (['<none>:<none>'], ['<none>@<none>']))

        def names(**filters):
            got = self.engine.get('/images/json?filters=' + json.dumps(filters).replace(' ', ''))
            return sorted(tag for x in got for tag in x['RepoTags'])
        self.assertEqual(names(reference=['my/*']), ['my/listed:1', 'my/listed:2'])
        self.assertEqual(names(reference=['*/*:2']), ['my/listed:2'])
        self.assertEqual(names(reference=['*listed*']), [])
        self.assertEqual(names(label=['kind=listed', 'n']), ['my/listed:1', 'my/listed:2'])
        self.assertEqual(names(label=['kind=other']), [])
        self.assertNotIn('my/listed:1', names(dangling=['true']))
        self.assertIn('bare:1', names(dangling=['false']))
        self.assertEqual(names(until=['2019-01-01']), [])
        self.assertIn('bare:1', names(until=['1h']))
        self.assertEqual(names(before=['bare:1']), [])  # all of one moment
        for text, status in (('{"nope":["1"]}', 400), ('{"dangling":["maybe"]}', 400), ('{"before":["nothing"]}', 404)):
            self.assertEqual(self.engine.http('GET', '/images/json?filters=' + text)[0], status, text)
        old = self.engine.get('/v1.24/images/json?filter=my/listed')
        self.assertEqual([x['RepoTags'] for x in old], [['my/listed:1', 'my/listed:2']])


class ImagesOfEachClient(EngineCase):
    """The same story told by the newest docker CLI and by Debian's."""
    def test_story(self):
        for cli in harness.clis():
            with self.subTest(cli=cli):
                self.story(cli)

    def story(self, cli):
        def ok(*args, **keys):
            r = self.docker(*args, cli=cli, **keys)
            self.assertEqual(r.returncode, 0, (args, r.stderr))
            return r.stdout
        data = harness.save_tar('story:1', [harness.busybox_layer(), small_layer('s', b'told')], Labels={'a': 'b'})
        self.assertEqual(ok('load', input=data), b'Loaded image: story:1\n')
        self.assertEqual(ok('load', '-q', input=gzip.compress(data, 1)), b'Loaded image: story:1\n')
        self.assertEqual(ok('run', '--rm', '--network', 'none', 'story:1', 'cat', '/s'), 'told')
        ok('tag', 'story:1', 'localhost:5000/other/story:two')
        listed = ok('images', '--filter', 'label=a=b', '--format', '{{.Repository}}:{{.Tag}}').splitlines()
        self.assertEqual(sorted(listed), ['localhost:5000/other/story:two', 'story:1'])
        self.assertEqual(ok('images', '-q', 'story').count('\n'), 1)
        self.assertEqual(ok('history', '--format', '{{.CreatedBy}}', 'story:1'), 'test\ntest\n')
        form = '{{.Os}} {{.Config.Cmd}}'
        self.assertEqual(ok('inspect', '--type', 'image', '--format', form, 'story:1'), 'linux [sh]\n')
        layer = self.engine.dir + '/layer.tar'
        with open(layer, 'wb') as f:
            f.write(harness.busybox_layer())
        changes = ('-c', 'CMD ["echo","imported"]', '-c', 'ENV PATH=/bin', '-m', 'said')
        made = ok('import', *changes, layer, 'came:in').strip()
        self.assertEqual(ok('image', 'inspect', '--format', '{{.Id}} {{.Comment}}', 'came:in').strip(), made + ' said')
        self.assertEqual(ok('run', '--rm', '--network', 'none', 'came:in'), 'imported\n')
        self.assertEqual(ok('rmi', 'localhost:5000/other/story:two'), 'Untagged: localhost:5000/other/story:two\n')
        removed = ok('rmi', 'story:1', 'came:in').splitlines()
        self.assertEqual([x.split(':')[0] for x in removed], ['Untagged', 'Deleted', 'Deleted', 'Untagged', 'Deleted'])
        r = self.docker('rmi', 'story:1', cli=cli)
        self.assertEqual((r.returncode, 'No such image: story:1' in r.stderr), (1, True), r.stderr)
        r = self.docker('load', cli=cli, input=b'x' * 2000)
        self.assertEqual((r.returncode, b'tar header' in r.stderr), (1, True), r.stderr)


class CopiedRoots(unittest.TestCase):
    """Where overlay cannot be: each container has a copy, with the same view, kept over restarts."""
    def test_vfs(self):
        engine = harness.Engine()
        self.addCleanup(engine.destroy)
        vfs = {'DOCKERCD': ' '.join(harness.engine_command()) + ' --storage-driver vfs'}
        environment = unittest.mock.patch.dict(os.environ, vfs)
        environment.start()
        self.addCleanup(environment.stop)
        engine.start()
        self.assertEqual(engine.get('/info')['Driver'], 'vfs')
        upper = io.BytesIO()
        with tarfile.open(fileobj=upper, mode='w') as tar:
            harness.add(tar, 'etc/.wh.group')
        engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer(), upper.getvalue()]))
        r = engine.docker('run', '--name', 'kept', '--network', 'none', 'busybox', 'sh', '-c',
                          'ls /etc/group; echo x >> /kept; cat /kept')
        self.assertEqual(r.stdout, 'x\n', r.stderr)
        cid = [x for x in os.listdir(engine.data + '/containers')][0]
        # Its own bytes, not those of the copy.
        self.assertEqual(engine.get('/containers/json?all=1&size=1')[0]['SizeRw'], 2)
        for count in (2, 3):
            self.assertEqual(engine.http('POST', '/containers/kept/start')[0], 204)
            self.assertEqual(engine.http('POST', '/containers/kept/wait')[0], 200)
            with open(f'{engine.data}/containers/{cid}/rootfs/kept') as f:
                self.assertEqual(f.read(), 'x\n' * count)
            engine.stop()
            engine.start()
        self.assertEqual(engine.docker('rm', 'kept').returncode, 0)
        harness.until(lambda: os.listdir(engine.data + '/tmp') == [], what='the copy is deleted')

    def test_unknown_driver(self):
        r = subprocess.run(harness.engine_command()[:1] + ['--storage-driver', 'btrfs', '--data-root', '/nowhere'],
                           capture_output=True, text=True)
        self.assertEqual((r.returncode, 'btrfs' in r.stderr), (125, True), r.stderr)
