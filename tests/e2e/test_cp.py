"""docker cp both ways, diff, export: on the overlay driver and on the copying one."""
import base64
import http.client
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import threading
import unittest

import harness
from case import EngineCase


def tar_of(*items):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for name, data, fields in items:
            harness.add(tar, name, data, **fields)
    return out.getvalue()


class Files(EngineCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='dockercd-test-cp.')
        self.addCleanup(shutil.rmtree, self.dir, True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def create(self, *args):
        cid = self.ok('create', '--network', 'none', *args)
        self.addCleanup(self.docker, 'rm', '-f', cid)
        return cid

    def sleeper(self, *args):
        return self.start(*args, 'busybox', 'sleep', '300')

    def stat(self, cid, path):
        status, body, headers = self.engine.http('HEAD', f'/containers/{cid}/archive?path={path}')
        if status != 200:
            return status
        return json.loads(base64.b64decode(headers['X-Docker-Container-Path-Stat']))

    def get(self, cid, path):
        status, body, headers = self.engine.http('GET', f'/containers/{cid}/archive?path={path}')
        self.assertEqual(status, 200, body[:300])
        self.assertEqual(headers['Content-Type'], 'application/x-tar')
        return tarfile.open(fileobj=io.BytesIO(body))

    def put(self, cid, path, data, query=''):
        return self.engine.http('PUT', f'/containers/{cid}/archive?path={path}{query}', data)

    def both(self, *args):
        """A container that was never started, and a running one."""
        return [self.create(*args, 'busybox', 'sleep', '300'), self.sleeper(*args)]

    def test_into_and_out_of(self):
        os.makedirs(self.path('in', 'sub'))
        with open(self.path('in', 'sub', 'file'), 'w') as f:
            f.write('text')
        os.chmod(self.path('in', 'sub', 'file'), 0o640)
        os.utime(self.path('in', 'sub', 'file'), (1000000000, 1000000000))
        for cli in harness.clis():
            for cid in self.both():
                self.ok('cp', self.path('in'), cid + ':/home', cli=cli)
                self.ok('cp', self.path('in', 'sub', 'file'), cid + ':/etc/renamed', cli=cli)
                out = self.path('out')
                self.ok('cp', cid + ':/home/in', out, cli=cli)
                with open(os.path.join(out, 'sub', 'file')) as f:
                    self.assertEqual(f.read(), 'text')
                facts = os.stat(os.path.join(out, 'sub', 'file'))
                self.assertEqual((stat.S_IMODE(facts.st_mode), int(facts.st_mtime)), (0o640, 1000000000))
                shutil.rmtree(out)
                self.ok('cp', cid + ':/etc/renamed', self.path('one'), cli=cli)
                with open(self.path('one')) as f:
                    self.assertEqual(f.read(), 'text')
                self.ok('start', cid, cli=cli)
                self.assertEqual(self.stat(cid, '/home/in/sub/file')['size'], 4)  # still there once it runs

    def test_a_copied_file_is_seen_by_the_container(self):
        cid = self.start('busybox', 'sh', '-c', 'while ! [ -e /tmp/go ]; do sleep 0.05; done; cat /tmp/go')
        self.assertEqual(self.put(cid, '/tmp', tar_of(('go', b'gone', {})))[0], 200)
        self.ok('wait', cid)
        self.assertEqual(self.ok('logs', cid), 'gone')

    def test_stat(self):
        for cid in self.both():
            facts = self.stat(cid, '/etc/passwd')
            self.assertEqual((facts['name'], facts['mode'], facts['linkTarget']), ('passwd', 0o644, ''))
            self.assertEqual(self.stat(cid, '/tmp')['mode'], 1 << 31 | 1 << 20 | 0o777)
            link = self.stat(cid, '/bin/sh')
            self.assertEqual((link['name'], link['mode'] & 1 << 27, link['linkTarget']),
                             ('sh', 1 << 27, '/bin/busybox'))
            self.assertEqual(self.stat(cid, '/')['name'], '/')
            self.assertEqual(self.stat(cid, 'etc/../etc/')['name'], 'etc')
            self.assertEqual(self.stat(cid, '/not/there'), 404)
            status, body, _ = self.engine.http('GET', f'/containers/{cid}/archive?path=/not/there')
            self.assertEqual((status, json.loads(body)['message']),
                             (404, f'Could not find the file /not/there in container {cid}'))
            status, body, _ = self.engine.http('GET', f'/containers/{cid}/archive')
            self.assertEqual((status, json.loads(body)['message']),
                             (400, "bad parameter: 'path' cannot be empty"))
        self.assertEqual(self.stat('nobody', '/etc'), 404)

    def test_names_in_the_archive(self):
        cid = self.create('busybox')
        names = lambda path: self.get(cid, path).getnames()
        self.assertEqual(names('/etc/passwd'), ['passwd'])
        self.assertEqual(names('/home'), ['home'])
        self.assertEqual(names('/home/.'), ['.'])
        self.assertIn('etc/passwd', names('/etc'))
        self.assertIn('./passwd', names('/etc/.'))
        self.assertIn('/etc/passwd', names('/'))
        link = self.get(cid, '/bin/sh').getmembers()[0]
        self.assertEqual((link.name, link.issym(), link.linkname), ('sh', True, 'busybox'))

    def test_refusals(self):
        for cid in self.both():
            message = lambda answer: (answer[0], json.loads(answer[1])['message'])
            archive = tar_of(('x', b'x', {}))
            self.assertEqual(message(self.put(cid, '/etc/passwd', archive)),
                             (400, 'extraction point is not a directory'))
            self.assertEqual(message(self.put(cid, '/none', archive)),
                             (404, f'Could not find the file /none in container {cid}'))
            self.assertEqual(self.put(cid, '/tmp', b'this is no archive' * 100)[0], 500)
            self.put(cid, '/tmp', tar_of(('d/f', b'', {})))
            self.assertEqual(message(self.put(cid, '/tmp', tar_of(('d', b'file', {})), '&noOverwriteDirNonDir=1')),
                             (500, 'cannot overwrite directory "/tmp/d" with non-directory "/tmp"'))
            self.assertEqual(
                message(self.put(cid, '/tmp', tar_of(('d/f', b'', {'type': tarfile.DIRTYPE})),
                                 '&noOverwriteDirNonDir=1')),
                (500, 'cannot overwrite non-directory "/tmp/d/f" with directory "/tmp"'))
            self.assertEqual(self.put(cid, '/tmp', tar_of(('d', b'file', {})))[0], 200)
            self.assertEqual(self.get(cid, '/tmp/d').extractfile('d').read(), b'file')
            self.assertEqual(message(self.put(cid, '/tmp', tar_of(('../up', b'', {}))))[0], 500)
            self.assertEqual(self.stat(cid, '/up'), 404)

    def test_read_only(self):
        host = self.path('host')
        os.mkdir(host)
        for cid in self.both('--read-only', '-v', host + ':/rw', '-v', host + ':/ro:ro'):
            archive = tar_of(('x', b'x', {}))
            message = lambda answer: (answer[0], json.loads(answer[1])['message'])
            self.assertEqual(message(self.put(cid, '/tmp', archive)), (400, 'container rootfs is marked read-only'))
            self.assertEqual(message(self.put(cid, '/ro', archive)), (400, 'mounted volume is marked read-only'))
            self.assertEqual(self.put(cid, '/rw', archive)[0], 200)
            with open(os.path.join(host, 'x')) as f:
                self.assertEqual(f.read(), 'x')
            os.unlink(os.path.join(host, 'x'))

    def test_binds_and_own_files(self):
        host = self.path('host')
        os.makedirs(os.path.join(host, 'below'))
        with open(os.path.join(host, 'below', 'f'), 'w') as f:
            f.write('of the host')
        for cid in self.both('-v', host + ':/data/deep', '--hostname', 'named'):
            self.assertEqual(self.get(cid, '/data/deep/below/f').extractfile('f').read(), b'of the host')
            self.assertIn(b'named', self.get(cid, '/etc/hostname').extractfile('hostname').read())
            self.put(cid, '/data/deep', tar_of(('new', b'1', {'uid': 5, 'gid': 6})))
            facts = os.stat(os.path.join(host, 'new'))
            self.assertEqual((facts.st_uid, facts.st_gid), (5, 6))
            os.unlink(os.path.join(host, 'new'))

    def test_owner(self):
        cid = self.create('--user', 'user', 'busybox')
        self.put(cid, '/tmp', tar_of(('a', b'', {'uid': 7, 'gid': 8})))
        self.put(cid, '/tmp', tar_of(('b', b'', {'uid': 7, 'gid': 8})), '&copyUIDGID=true')
        members = {m.name: (m.uid, m.gid) for m in self.get(cid, '/tmp').getmembers()}
        self.assertEqual((members['tmp/a'], members['tmp/b']), ((7, 8), (1000, 1000)))

    def test_symlinks_lead_nowhere_else(self):
        secret = self.path('secret')
        with open(secret, 'w') as f:
            f.write('of the host')
        for cid in self.both():
            self.put(cid, '/tmp', tar_of(
                ('out', b'', {'type': tarfile.SYMTYPE, 'linkname': secret}),
                ('up', b'', {'type': tarfile.SYMTYPE, 'linkname': '../../../../../../..' + self.dir}),
                ('root', b'', {'type': tarfile.SYMTYPE, 'linkname': '/'}),
                ('loop', b'', {'type': tarfile.SYMTYPE, 'linkname': 'loop'}),
                ('sub', b'', {'type': tarfile.SYMTYPE, 'linkname': self.dir})))
            self.assertEqual(self.stat(cid, '/tmp/out')['linkTarget'], secret)
            self.assertTrue(self.get(cid, '/tmp/out').getmembers()[0].issym())
            self.assertEqual(self.stat(cid, '/tmp/up/secret'), 404)
            self.assertEqual(self.stat(cid, '/tmp/sub/secret'), 404)
            self.assertNotEqual(self.stat(cid, '/tmp/loop/x'), 200)
            self.assertEqual(self.stat(cid, '/tmp/root/etc/passwd')['name'], 'passwd')
            self.assertEqual(self.put(cid, '/tmp/root/tmp', tar_of(('through', b'', {})))[0], 200)
            self.assertEqual(self.stat(cid, '/tmp/through')['size'], 0)
            self.put(cid, '/tmp', tar_of(('sub/made', b'evil', {}), ('out', b'evil', {})))
            with open(secret) as f:
                self.assertEqual(f.read(), 'of the host')
            self.assertEqual(sorted(os.listdir(self.dir)), ['secret'])

    def test_symlinks_swapped_meanwhile(self):
        with open(self.path('secret'), 'w') as f:
            f.write('of the host')
        # A container that swaps a folder for a symlink to the host's path, as fast as it can.
        cid = self.start('busybox', 'sh', '-c',
                         f'mkdir -p /w/real && echo inside > /w/real/secret && ln -s {self.dir} /w/link && '
                         'cp -r /w/real /w/x; while :; do mv /w/x /w/y; mv /w/link /w/x; mv /w/x /w/link; '
                         'mv /w/y /w/x; done')
        harness.until(lambda: self.stat(cid, '/w/real/secret') != 404, what='the container is ready')
        for _ in range(60):
            try:
                body = self.engine.http('GET', f'/containers/{cid}/archive?path=/w/x/secret')[1]
            except http.client.IncompleteRead as error:  # what was stat'ed was gone when it was opened
                body = error.partial
            self.assertNotIn(b'of the host', body)
            self.put(cid, '/w/x', tar_of(('written', b'w', {})))
            self.assertEqual(os.listdir(self.dir), ['secret'])

    def test_special_files_are_not_opened(self):
        cid = self.create('--cap-add', 'MKNOD', 'busybox')
        self.put(cid, '/tmp', tar_of(
            ('fifo', b'', {'type': tarfile.FIFOTYPE}),
            ('zero', b'', {'type': tarfile.CHRTYPE, 'devmajor': 1, 'devminor': 5}),
            ('disk', b'', {'type': tarfile.BLKTYPE, 'devmajor': 7, 'devminor': 200})))
        types = {m.name: m.type for m in self.get(cid, '/tmp').getmembers()}
        self.assertEqual(types['tmp/fifo'], tarfile.FIFOTYPE)
        self.assertEqual(types['tmp/zero'], tarfile.CHRTYPE)
        self.assertEqual(types['tmp/disk'], tarfile.BLKTYPE)
        self.assertEqual(self.put(cid, '/tmp/zero', b'')[0], 400)

    def test_huge_sparse_file(self):
        cid = self.sleeper()
        big = self.path('big')
        with open(big, 'wb') as f:
            f.truncate(1 << 40)
            f.seek(1 << 39)
            f.write(b'middle')
        packed = subprocess.run(['tar', '-C', self.dir, '--format=pax', '-cSf', '-', 'big'], stdout=subprocess.PIPE,
                                check=True).stdout
        self.assertEqual(self.put(cid, '/tmp', packed)[0], 200)
        status, body, _ = self.engine.http('GET', f'/containers/{cid}/archive?path=/tmp/big')
        self.assertLess(len(body), 1 << 20)
        member = tarfile.open(fileobj=io.BytesIO(body)).getmembers()[0]
        self.assertEqual((member.name, member.size), ('big', 1 << 40))

    def test_changes(self):
        cid = self.ok('run', '-d', '--network', 'none', 'busybox', 'sh', '-c',
                      'echo x >> /etc/passwd; rm /etc/group; mkdir /new; touch /new/file; chmod 700 /home')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        self.ok('wait', cid)
        for cli in harness.clis():
            self.assertEqual(sorted(self.ok('diff', cid, cli=cli).split('\n')),
                             sorted(['C /etc', 'C /etc/passwd', 'D /etc/group', 'A /new', 'A /new/file', 'C /home']))
        status, body, _ = self.engine.http('GET', f'/containers/{self.create("busybox")}/changes')
        self.assertEqual((status, body.strip()), (200, b'null'))
        self.assertEqual(self.engine.http('GET', '/containers/nobody/changes')[0], 404)

    def test_export(self):
        cid = self.ok('run', '-d', '--network', 'none', 'busybox', 'sh', '-c', 'echo x > /new; rm /etc/group')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        self.ok('wait', cid)
        status, body, headers = self.engine.http('GET', f'/containers/{cid}/export')
        self.assertEqual((status, headers['Content-Type']), (200, 'application/octet-stream'))
        tar = tarfile.open(fileobj=io.BytesIO(body))
        names = tar.getnames()
        self.assertIn('bin/busybox', names)
        self.assertNotIn('etc/group', names)
        self.assertEqual(tar.extractfile('new').read(), b'x\n')
        self.ok('export', '-o', self.path('tar'), cid)
        self.assertEqual(tarfile.open(self.path('tar')).getnames(), names)
        running = self.sleeper()
        self.assertIn('bin/busybox', tarfile.open(fileobj=io.BytesIO(
            self.engine.http('GET', f'/containers/{running}/export')[1])).getnames())

    def test_nothing_is_left(self):
        before = set(os.listdir(os.path.join(self.engine.data, 'tmp')))
        host = self.path('host')
        os.mkdir(host)
        for cid in self.both('-v', host + ':/v'):
            self.put(cid, '/tmp', tar_of(('x', b'x', {})))
            self.get(cid, '/v')
            self.stat(cid, '/v')
        harness.until(lambda: set(os.listdir(os.path.join(self.engine.data, 'tmp'))) <= before,
                      what='work folders are gone')
        self.assertNotIn(self.engine.dir, open('/proc/self/mountinfo').read().replace(self.engine.data + ' ', ''))

    def test_a_client_that_goes_away(self):
        cid = self.sleeper()
        self.put(cid, '/tmp', tar_of(('big', b'x' * (8 << 20), {})))
        for _ in range(5):
            with self.engine.connect() as s:
                s.sendall(f'GET /containers/{cid}/archive?path=/tmp HTTP/1.1\r\nHost: d\r\n\r\n'.encode())
                s.recv(1000)
            with self.engine.connect() as s:
                s.sendall(f'PUT /containers/{cid}/archive?path=/tmp HTTP/1.1\r\nHost: d\r\n'
                          'Content-Length: 1000000\r\n\r\n'.encode() + b'x' * 1000)
        workers = lambda: [p for p in filter(str.isdigit, os.listdir('/proc')) if self.is_worker(p)]
        harness.until(lambda: not workers(), what='workers are gone')

    def is_worker(self, pid):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                line = f.read()
            return b'\0worker\0' in line and self.engine.dir.encode() in line
        except OSError:
            return False

    def test_events(self):
        cid = self.create('busybox')
        self.put(cid, '/tmp', tar_of(('x', b'x', {})))
        self.get(cid, '/tmp')
        self.engine.http('GET', f'/containers/{cid}/export')
        told = [e['Action'] for e in self.events() if e['Actor']['ID'] == cid]
        self.assertEqual(told, ['create', 'extract-to-dir', 'archive-path', 'export'])


class FilesOnCopies(Files):
    """The same with the driver that copies."""
    engine_options = ('--storage-driver', 'vfs')

    def test_driver(self):
        self.assertEqual(self.engine.get('/info')['Driver'], 'vfs')


if __name__ == '__main__':
    unittest.main()
