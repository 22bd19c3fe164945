"""docker exec: what runs, what it sees, what is answered when it cannot."""
import base64
import json
import os
import socket
import struct
import subprocess
import time

import harness
from case import EngineCase

DOCKERC = harness.built('dockerc')


def frames(data):
    """(stream, bytes) of a multiplexed stream."""
    out = []
    while data:
        stream, length = struct.unpack('>BxxxL', data[:8])
        out.append((stream, data[8:8 + length]))
        data = data[8 + length:]
    return out


class ExecCase(EngineCase):
    def create(self, cid, version='', **config):
        config.setdefault('AttachStdout', True)
        config.setdefault('AttachStderr', True)
        status, body, _ = self.engine.http('POST', f'{version}/containers/{cid}/exec', config)
        self.assertEqual(status, 201, body)
        return json.loads(body)['Id']

    def refused(self, method, path, body=None, **keys):
        status, answer, _ = self.engine.http(method, path, body, **keys)
        return status, json.loads(answer)['message']

    def inspect(self, eid):
        return self.engine.get(f'/exec/{eid}/json')

    def open(self, eid, body=None, upgrade=True, version='', timeout=20):
        """A started, attached exec: (socket, head, bytes that came with it)."""
        text = json.dumps(body or {}).encode()
        s = self.engine.connect(timeout)
        s.sendall(f'POST {version}/exec/{eid}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n'
                  f'Content-Length: {len(text)}\r\n'.encode() +
                  (b'Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n' if upgrade else b'\r\n') + text)
        data = b''
        while b'\r\n\r\n' not in data:
            more = s.recv(65536)
            self.assertTrue(more, data)
            data += more
        head, _, rest = data.partition(b'\r\n\r\n')
        return s, head.decode(), rest

    def rest(self, s, data=b''):
        while more := s.recv(65536):
            data += more
        s.close()
        return data

    def output(self, cid, *cmd, **config):
        s, _, data = self.open(self.create(cid, Cmd=list(cmd), **config), {'Tty': config.get('Tty', False)})
        return self.rest(s, data)

    def events(self, cid, prefix='exec_'):
        query = f'since=1h&until={time.time():.9f}&filters={{"container":["{cid}"]}}'
        _, body, _ = self.engine.http('GET', '/events?' + query)
        return [e for e in map(json.loads, body.splitlines()) if e['Action'].startswith(prefix)]


class Clients(ExecCase):
    def test_each_cli(self):
        cid = self.start('busybox', 'sleep', '1000')
        for cli in harness.clis() + [DOCKERC]:
            def run(*args, **keys):
                return self.docker('exec', *args, cli=cli, **keys)
            r = run(cid, 'sh', '-c', 'echo out; echo err >&2; exit 5')
            self.assertEqual((r.returncode, r.stdout, r.stderr), (5, 'out\n', 'err\n'), cli)
            self.assertEqual(run('-i', cid, 'cat', input='abc\n').stdout, 'abc\n', cli)
            r = run('-u', 'user', '-w', '/tmp', '-e', 'A=b', cid, 'sh', '-c', 'id -un; pwd; echo $A')
            self.assertEqual(r.stdout, 'user\n/tmp\nb\n', cli)
            self.assertEqual(run('-d', cid, 'sh', '-c', 'echo yes > /tmp/made').returncode, 0)
            harness.until(lambda: run(cid, 'cat', '/tmp/made').stdout == 'yes\n')
            self.ok('exec', cid, 'rm', '/tmp/made')
            r = run(cid, 'nosuchcommand')
            self.assertEqual(r.returncode, 127, cli)
            self.assertIn('OCI runtime exec failed: exec failed: unable to start container process: exec: '
                          '"nosuchcommand": executable file not found in $PATH', r.stdout + r.stderr)
            r = run('nosuchcontainer', 'true')
            self.assertEqual(r.returncode, 1, cli)
            self.assertRegex(r.stderr, '^Error( response from daemon)?: No such container: nosuchcontainer\n$')

    def test_env_file(self):
        cid = self.start('busybox', 'sleep', '1000')
        path = os.path.join(self.engine.dir, 'env')
        with open(path, 'w') as f:
            f.write('# comment\nFROM_FILE=1\n')
        for cli in harness.clis() + [DOCKERC]:
            out = self.docker('exec', '--env-file', path, '-e', 'B=2', cid, 'env', cli=cli).stdout.split('\n')
            self.assertTrue({'FROM_FILE=1', 'B=2'} <= set(out), (cli, out))

    def test_python(self):
        import docker
        cid = self.start('busybox', 'sleep', '1000')
        client = docker.DockerClient(base_url='unix://' + self.engine.socket, version='1.41')
        self.addCleanup(client.close)
        container = client.containers.get(cid)
        self.assertEqual(container.exec_run(['sh', '-c', 'echo out; echo err >&2; exit 3'], demux=True),
                         (3, (b'out\n', b'err\n')))
        self.assertEqual(container.exec_run('echo hi', tty=True), (0, b'hi\r\n'))
        self.assertEqual(container.exec_run('id -u', user='user', workdir='/tmp', environment={'A': 'b'}),
                         (0, b'1000\n'))
        self.assertEqual(b''.join(container.exec_run('seq 1 3', stream=True).output), b'1\n2\n3\n')
        self.assertIsNone(container.exec_run('sleep 5', detach=True).exit_code)
        with self.assertRaises(docker.errors.APIError) as refused:
            container.exec_run('true', user='nobodyhere')
        self.assertEqual(refused.exception.status_code, 400)


class Process(ExecCase):
    """What the process is: seen from inside."""

    def probe(self, cid, **config):
        data = frames(self.output(cid, 'probe', **config))
        return json.loads(b''.join(b for _, b in data))

    def own(self, *options):
        """A container, and what its first process sees."""
        cid = self.start(*options, 'busybox', 'sh', '-c', 'probe; sleep 1000')
        text = harness.until(lambda: (t := self.docker('logs', cid).stdout).endswith('}\n') and t)
        return cid, json.loads(text)

    def test_as_the_first_process(self):
        for options in ((), ('--privileged',), ('--cap-add', 'SYS_TIME', '--cap-drop', 'CHOWN'),
                        ('-u', 'user', '--group-add', '77'), ('--security-opt', 'no-new-privileges'),
                        ('--security-opt', 'seccomp=unconfined'),
                        ('--ulimit', 'nofile=100:200', '--oom-score-adj', '7'),
                        ('-w', '/tmp', '-e', 'A=b', '-h', 'box'), ('--pid', 'host'),
                        ('--ipc', 'host', '--uts', 'host')):
            with self.subTest(options=options):
                cid, first = self.own(*options)
                seen = self.probe(cid)
                for key in ('pid', 'sid', 'fds', 'cgroup', 'env'):
                    first.pop(key, None), seen.pop(f'{key}_', None)
                self.assertEqual({k: seen[k] for k in first}, first)
                self.docker('rm', '-f', cid)

    def test_descriptors_and_groups(self):
        cid, first = self.own('-e', 'X=1')
        seen = self.probe(cid)
        self.assertEqual(sorted(seen['fds']), ['0', '1', '2'])
        self.assertEqual(seen['fds']['0'], '/dev/null')
        self.assertTrue(seen['fds']['1'].startswith('pipe:'))
        self.assertEqual(sorted(seen['cgroup']), sorted(first['cgroup']))
        self.assertEqual(sorted(seen['env']), sorted(set(first['env']) - {'PWD=/', 'SHLVL=1'}))   # the shell's own
        self.assertGreater(seen['pid'], 1)
        self.assertEqual(seen['sid'], seen['pid'])
        self.assertEqual(seen['tty'], '')
        self.assertFalse(seen['controlling_tty'])

    def test_privileged(self):
        cid, first = self.own()
        seen = self.probe(cid, Privileged=True)
        everything = self.probe(self.start('--privileged', 'busybox', 'sleep', '1000'))['CapBnd']
        self.assertEqual(seen['CapBnd'], everything)
        self.assertEqual(seen['CapEff'], everything)
        self.assertEqual(seen['Seccomp'], first['Seccomp'])

    def test_users(self):
        cid = self.start('busybox', 'sleep', '1000')
        for user, uid, gid, groups, home in (
                ('user', 1000, 1000, '1000 2000', '/home'), ('1000', 1000, 1000, '1000 2000', '/home'),
                ('user:extra', 1000, 2000, '2000', '/home'), ('4711', 4711, 0, '0', '/'),
                ('4711:42', 4711, 42, '42', '/'), ('root', 0, 0, '0', '/root'), ('', 0, 0, '0', '/root')):
            seen = self.probe(cid, User=user)
            self.assertEqual((seen['uid'], seen['gid'], seen['Groups']), (uid, gid, groups), user)
            self.assertIn('HOME=' + home, seen['env'])
        # Names are those the running container has now.
        self.ok('exec', cid, 'sh', '-c', 'echo late:x:77:88::/late:/bin/sh >> /etc/passwd')
        self.assertEqual(self.ok('exec', '-u', 'late', cid, 'id', '-u'), '77')

    def test_environment(self):
        cid = self.start('-e', 'KEPT=1', '-e', 'GONE=1', '-e', 'OTHER=1', 'busybox', 'sleep', '1000')
        env = self.probe(cid, Env=['OTHER=2', 'GONE', 'NEW=3', 'NEVER', 'EMPTY='])['env']
        self.assertEqual([v for v in env if v.split('=')[0] in ('KEPT', 'GONE', 'OTHER', 'NEW', 'NEVER', 'EMPTY')],
                         ['KEPT=1', 'OTHER=2', 'NEW=3', 'EMPTY='])
        self.assertNotIn('TERM=xterm', env)
        tty = self.output(cid, 'env', Tty=True)
        self.assertIn(b'TERM=xterm', tty)

    def test_the_hosts_null_device_is_out_of_reach(self):
        before = os.stat('/dev/null')
        cid = self.start('busybox', 'sh', '-c', 'chmod 600 /proc/self/fd/0; sleep 1000')
        self.ok('exec', cid, 'chmod', '600', '/proc/self/fd/0')
        self.assertEqual(os.stat('/dev/null').st_mode, before.st_mode)

    def test_working_directory_by_descriptor(self):
        cid = self.start('busybox', 'sleep', '1000')
        for n in range(0, 20):
            r = self.docker('exec', '-w', f'/proc/self/fd/{n}', cid, 'pwd')
            self.assertNotEqual(r.returncode, 0, r.stdout)


class Errors(ExecCase):
    def started(self, cid, *cmd, **config):
        """(status, message, exit code) of a detached start."""
        eid = self.create(cid, Cmd=list(cmd), **config)
        status, body, _ = self.engine.http('POST', f'/exec/{eid}/start', {'Detach': True})
        return status, json.loads(body)['message'] if body else '', self.inspect(eid)['ExitCode']

    def test_cannot_be_executed(self):
        cid = self.start('busybox', 'sh', '-c', 'echo true > /tmp/plain; echo true > /tmp/script; '
                         'chmod +x /tmp/script; echo "#!/no/interpreter" > /tmp/bad; chmod +x /tmp/bad; '
                         'ln -s loop /tmp/loop; sleep 1000')
        harness.until(lambda: self.docker('exec', cid, 'test', '-x', '/tmp/bad').returncode == 0)
        prefix = 'OCI runtime exec failed: exec failed: unable to start container process: '
        for cmd, code, text in (
                ('nosuch', 127, 'exec: "nosuch": executable file not found in $PATH: unknown'),
                ('', 127, 'exec: "": executable file not found in $PATH: unknown'),
                ('/no/such', 127, 'exec: "/no/such": stat /no/such: no such file or directory: unknown'),
                ('/tmp', 126, 'exec: "/tmp": is a directory: unknown'),
                ('/tmp/loop', 128, 'exec: "/tmp/loop": stat /tmp/loop: too many levels of symbolic links: unknown'),
                ('/tmp/plain', 126, 'exec: "/tmp/plain": permission denied: unknown'),
                ('/etc/passwd/x', 127, 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory: unknown: Are you')):
            status, message, ended = self.started(cid, cmd)
            self.assertEqual((status, ended), (500 if 'loop' in cmd else 400, code), (cmd, message))
            self.assertTrue(message.startswith(prefix + text), message)
        # Looked at and found executable: from there on it is the process's own failure.
        for cmd, why in (('/tmp/script', 'exec format error'), ('/tmp/bad', 'no such file or directory')):
            r = self.docker('exec', cid, cmd)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (255, '', f'exec {cmd}: {why}\n'))
        self.assertEqual(self.started(cid, 'x' * 10240)[2], 127)
        self.assertEqual(self.started(cid, '/' + 'x' * 10240)[0], 500)
        self.assertEqual(self.docker('exec', cid, 'true').returncode, 0)

    def test_working_directory(self):
        cid = self.start('busybox', 'sleep', '1000')
        prefix = 'OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd '
        missing = '("/no/such") set in config.json failed: no such file or directory: unknown'
        self.assertEqual(self.started(cid, 'true', WorkingDir='/no/such'), (400, prefix + missing, 127))
        status, message, code = self.started(cid, 'true', WorkingDir='/etc/passwd')
        self.assertEqual((status, code), (400, 127))
        self.assertTrue(message.startswith(prefix + '("/etc/passwd") set in config.json failed: not a directory'))
        self.assertEqual(self.started(cid, 'true', WorkingDir='relative')[0], 500)

    def test_attached_failure_comes_in_the_stream(self):
        cid = self.start('busybox', 'sleep', '1000')
        for tty in (False, True):
            data = self.output(cid, 'nosuch', Tty=tty)
            text = data if tty else b''.join(b for s, b in frames(data) if s == 1)
            self.assertTrue(text.endswith(b'executable file not found in $PATH: unknown\r\n'), data)

    def test_users(self):
        cid = self.start('busybox', 'sleep', '1000')
        for user, message in (('nobodyhere', 'unable to find user nobodyhere: no matching entries in passwd file'),
                              ('user:nogroup', 'unable to find group nogroup: no matching entries in group file'),
                              ('4294967296', 'uids and gids must be in range 0-2147483647'),
                              ('x' * 10240,
                               'unable to find user ' + 'x' * 10240 + ': no matching entries in passwd file')):
            self.assertEqual(self.refused('POST', f'/containers/{cid}/exec', {'Cmd': ['true'], 'User': user}),
                             (400, message))
        # A passwd that is a pipe is empty, and holds nobody up.
        self.ok('exec', cid, 'sh', '-c', 'rm /etc/passwd; mkfifo /etc/passwd')
        self.assertEqual(self.refused('POST', f'/containers/{cid}/exec', {'Cmd': ['true'], 'User': 'user'})[0], 400)
        self.assertIn('"uid":5,', self.ok('exec', '-u', '5', cid, 'probe'))

    def test_bodies(self):
        cid = self.start('busybox', 'sleep', '1000')
        path = f'/containers/{cid}/exec'
        json_header = {'Content-Type': 'application/json'}
        for body, message in (
                ({}, 'No exec command specified'), ({'Cmd': []}, 'No exec command specified'),
                ({'Cmd': None}, 'No exec command specified'),
                ({'Cmd': 'true'}, 'cannot unmarshal string into Go struct field ExecOptions.Cmd of type []string'),
                ({'Cmd': ['true', 1]}, 'cannot unmarshal number into Go struct field ExecOptions.Cmd of type string'),
                ({'Cmd': ['true'], 'Tty': 'yes'},
                 'cannot unmarshal string into Go struct field ExecOptions.Tty of type bool'),
                ({'Cmd': ['true'], 'ConsoleSize': [-1, 2]}, 'ConsoleSize'),
                ({'Cmd': ['true'], 'DetachKeys': 'ctrl-'}, 'Invalid escape keys (ctrl-) provided'),
                ({'Cmd': ['tr\0ue']}, 'NUL')):
            status, text = self.refused('POST', path, body)
            self.assertEqual(status, 400, (body, text))
            self.assertIn(message, text)
        for raw in (b'{', b'[]', b'{"Cmd":["a"]} x', b'\xff'):
            self.assertEqual(self.refused('POST', path, raw, headers=json_header)[0], 400)
        status, text = self.refused('POST', path, b'{"Cmd":["true"]}', headers={'Content-Type': 'text/plain'})
        self.assertEqual((status, text),
                         (400, "unsupported Content-Type header (text/plain): must be 'application/json'"))
        eid = self.create(cid, Cmd=['true'])
        for body in ({'Detach': 1}, {'Tty': []}, {'ConsoleSize': 'x'}):
            self.assertEqual(self.refused('POST', f'/exec/{eid}/start', body)[0], 400)

    def test_states(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.create(cid, Cmd=['sleep', '1000'])
        self.assertEqual(self.engine.http('POST', f'/exec/{eid}/start', {'Detach': True})[0], 200)
        self.assertEqual(self.refused('POST', f'/exec/{eid}/start', {'Detach': True}),
                         (409, f'Error: Exec command {eid} is already running'))
        s, head, data = self.open(eid)
        self.assertIn('101 UPGRADED', head)
        self.assertIn(b'is already running\r\n', self.rest(s, data))
        ended = self.create(cid, Cmd=['true'])
        self.rest(*self.open(ended)[::2])
        self.assertEqual(self.refused('POST', f'/exec/{ended}/start', {'Detach': True}),
                         (409, f'Error: Exec command {ended} has already run'))
        for method, path in (('GET', 'json'), ('POST', 'start'), ('POST', 'resize?h=1&w=1')):
            for name in ('nosuch', '0' * 64, eid[:12], 'x' * 10240):
                self.assertEqual(self.refused(method, f'/exec/{name}/{path}', None if method == 'GET' else {}),
                                 (404, 'No such exec instance: ' + name))
        self.ok('stop', '-t', '0', cid)
        self.assertEqual(self.refused('POST', f'/containers/{cid}/exec', {'Cmd': ['true']}),
                         (409, f'container {cid} is not running'))
        self.assertEqual(self.refused('POST', f'/exec/{ended}/start', {'Detach': True})[0], 409)
        self.assertEqual(self.refused('POST', '/containers/nosuch/exec', {'Cmd': ['true']}),
                         (404, 'No such container: nosuch'))
        self.assertEqual(self.inspect(ended)['ExitCode'], 0)
        self.ok('rm', cid)
        self.assertEqual(self.refused('GET', f'/exec/{ended}/json')[0], 404)

    def test_paused(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.create(cid, Cmd=['true'])
        if self.engine.http('POST', f'/containers/{cid}/pause')[0] != 204:
            self.skipTest('this engine does not pause')
        message = f'Container {cid} is paused, unpause the container before exec'
        self.assertEqual(self.refused('POST', f'/containers/{cid}/exec', {'Cmd': ['true']}), (409, message))
        self.assertEqual(self.refused('POST', f'/exec/{eid}/start', {}), (409, message))
        self.ok('unpause', cid)
        self.assertEqual(self.engine.http('POST', f'/exec/{eid}/start', {'Detach': True})[0], 200)


class Streams(ExecCase):
    def test_forms_of_the_answer(self):
        cid = self.start('busybox', 'sleep', '1000')
        raw, multiplexed = 'application/vnd.docker.raw-stream', 'application/vnd.docker.multiplexed-stream'
        for upgrade, version, tty, status, kind in (
                (True, '', False, '101 UPGRADED', multiplexed), (True, '/v1.41', False, '101 UPGRADED', raw),
                (True, '', True, '101 UPGRADED', raw), (False, '', False, '200 OK', raw)):
            eid = self.create(cid, Cmd=['echo', 'hi'], Tty=tty)
            s, head, data = self.open(eid, {'Tty': tty}, upgrade, version)
            self.assertIn(f'HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n', head)
            data = self.rest(s, data)
            self.assertEqual(data, b'hi\r\n' if tty else b'\x01\0\0\0\0\0\0\x03hi\n')
        eid = self.create(cid, Cmd=['true'])
        self.assertEqual(self.engine.http('POST', f'/exec/{eid}/start', {'Detach': True})[:2], (200, b''))

    def test_only_what_was_asked_for(self):
        cid = self.start('busybox', 'sleep', '1000')
        script = ['sh', '-c', 'echo out; echo err >&2']
        self.assertEqual(frames(self.output(cid, *script, AttachStderr=False)), [(1, b'out\n')])
        self.assertEqual(frames(self.output(cid, *script, AttachStdout=False)), [(2, b'err\n')])
        self.assertEqual(self.output(cid, *script, AttachStdout=False, AttachStderr=False), b'')
        self.assertEqual(frames(self.output(cid, 'cat')), [])   # stdin was not asked for: /dev/null

    def test_half_close(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.create(cid, Cmd=['sh', '-c', 'sort; echo done'], AttachStdin=True)
        s, _, data = self.open(eid)
        s.sendall(b'b\na\n')
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(b''.join(b for _, b in frames(self.rest(s, data))), b'a\nb\ndone\n')
        self.assertEqual(self.inspect(eid)['ExitCode'], 0)

    def test_input_open_when_the_process_ends(self):
        cid = self.start('busybox', 'sleep', '1000')
        s, _, data = self.open(self.create(cid, Cmd=['head', '-n', '1'], AttachStdin=True))
        s.sendall(b'one\n')
        self.assertEqual(b''.join(b for _, b in frames(self.rest(s, data))), b'one\n')   # closed without our closing

    def test_many_bytes(self):
        cid = self.start('busybox', 'sleep', '1000')
        data = os.urandom(1 << 20) * 20
        for cli in harness.clis():
            r = self.docker('exec', '-i', cid, 'cat', cli=cli, input=data)
            self.assertEqual((len(r.stdout), r.stdout == data), (len(data), True), r.stderr[-300:])

    def test_a_client_that_leaves(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.create(cid, Cmd=['sh', '-c', 'while ! test -e /tmp/go; do echo x; sleep 0.05; done; exit 4'])
        s, _, _ = self.open(eid)
        s.close()
        self.assertTrue(self.inspect(eid)['Running'])
        self.ok('exec', cid, 'touch', '/tmp/go')
        harness.until(lambda: self.inspect(eid)['ExitCode'] == 4)

    def test_a_background_process_does_not_hold_the_client(self):
        cid = self.start('busybox', 'sleep', '1000')
        r = self.docker('exec', cid, 'sh', '-c', 'sleep 500 & echo hi', timeout=30)
        self.assertEqual((r.returncode, r.stdout), (0, 'hi\n'))

    def test_terminal(self):
        cid = self.start('busybox', 'sleep', '1000')
        text = self.output(cid, 'sh', '-c', 'tty; stty size; test -t 2 && echo yes; ls -l $(tty)', Tty=True,
                           ConsoleSize=[33, 111])
        self.assertEqual(text.split(b'\r\n')[:3], [b'/dev/pts/0', b'33 111', b'yes'])
        eid = self.create(cid, Cmd=['sh', '-c', 'stty size; read x; stty size'], Tty=True, AttachStdin=True,
                          ConsoleSize=[1, 2])
        s, _, data = self.open(eid, {'Tty': True, 'ConsoleSize': [44, 55]})
        while b'44 55' not in data:
            data += s.recv(1000)
        for size in ('h=0&w=0', 'h=66&w=77'):
            self.assertEqual(self.engine.http('POST', f'/exec/{eid}/resize?{size}')[0], 200)
        s.sendall(b'\n')
        self.assertIn(b'66 77', self.rest(s, data))
        # Sizes came with API 1.42.
        eid = self.create(cid, '/v1.41', Cmd=['stty', 'size'], Tty=True, ConsoleSize=[44, 55])
        s, _, data = self.open(eid, {'Tty': True, 'ConsoleSize': [44, 55]}, version='/v1.41')
        self.assertEqual(self.rest(s, data), b'stty: standard input\r\n')   # busybox tells no size of 0x0

    def test_terminal_of_a_user(self):
        cid = self.start('busybox', 'sleep', '1000')
        out = self.output(cid, 'sh', '-c', 'stat -c "%U %a" $(tty); echo open > $(tty)', Tty=True, User='user')
        self.assertEqual(out.split(b'\r\n')[:2], [b'user 620', b'open'])

    def test_resize_refused(self):
        cid = self.start('busybox', 'sleep', '1000')
        eid = self.create(cid, Cmd=['sleep', '1000'], Tty=True)
        self.engine.http('POST', f'/exec/{eid}/start', {'Detach': True, 'Tty': True})
        for query in ('', '?h=1', '?w=1', '?h=x&w=1', '?h=-1&w=1', '?h=1&w=4294967296'):
            self.assertEqual(self.refused('POST', f'/exec/{eid}/resize{query}')[0], 400, query)

    def test_detach_keys(self):
        cid = self.start('busybox', 'sleep', '1000')
        for keys, typed in (('', b'\x10\x11'), ('ctrl-a,x', b'\x01x')):
            eid = self.create(cid, Cmd=['cat'], Tty=True, AttachStdin=True, DetachKeys=keys)
            s, _, data = self.open(eid, {'Tty': True})
            s.sendall(b'hello\n')
            while b'hello\r\nhello\r\n' not in data:
                data += s.recv(1000)
            s.sendall(typed)
            self.rest(s)
            self.assertTrue(self.inspect(eid)['Running'])
            self.assertEqual(base64.b64decode(self.inspect(eid)['DetachKeys']), typed if keys else b'')
        self.assertEqual(len(self.events(cid, 'exec_detach')), 2)


class Records(ExecCase):
    def test_inspect(self):
        cid = self.start('busybox', 'sleep', '1000')
        self.assertIsNone(self.engine.get(f'/containers/{cid}/json')['ExecIDs'])
        eid = self.create(cid, Cmd=['sleep', '1000'], User='user', AttachStdin=True, AttachStderr=False)
        expected = {'ID': eid, 'Running': False, 'ExitCode': None, 'ProcessConfig': {
            'tty': False, 'entrypoint': 'sleep', 'arguments': ['1000'], 'privileged': False, 'user': 'user'},
            'OpenStdin': True, 'OpenStderr': False, 'OpenStdout': True, 'CanRemove': False, 'ContainerID': cid,
            'DetachKeys': '', 'Pid': 0}
        self.assertEqual(self.inspect(eid), expected)
        self.assertEqual(self.engine.get(f'/containers/{cid}/json')['ExecIDs'], [eid])
        self.engine.http('POST', f'/exec/{eid}/start', {'Detach': True})
        seen = self.inspect(eid)
        with open(f'/proc/{seen["Pid"]}/cmdline') as f:
            self.assertEqual(f.read(), 'sleep\x001000\x00')
        self.assertEqual(seen, {**expected, 'Running': True, 'Pid': seen['Pid']})
        os.kill(seen['Pid'], 9)
        seen = harness.until(lambda: (e := self.inspect(eid))['ExitCode'] is not None and e)
        self.assertEqual((seen['Running'], seen['ExitCode']), (False, 137))
        self.assertIsNone(self.engine.get(f'/containers/{cid}/json')['ExecIDs'])

    def test_events(self):
        cid = self.start('-l', 'tier=front', '--name', 'told', 'busybox', 'sleep', '1000')
        self.docker('exec', cid, 'sh', '-c', 'exit 3')
        events = harness.until(lambda: len(e := self.events(cid)) == 3 and e)
        eid = events[0]['Actor']['Attributes']['execID']
        common = {'execID': eid, 'image': 'busybox', 'name': 'told', 'tier': 'front'}
        self.assertEqual([(e['Action'], e['Actor']['Attributes']) for e in events], [
            ('exec_create: sh -c exit 3', common), ('exec_start: sh -c exit 3', common),
            ('exec_die', {**common, 'exitCode': '3'})])
        self.assertEqual({e['Actor']['ID'] for e in events}, {cid})

    def test_the_end_of_the_container_ends_them(self):
        for options in ((), ('--pid', 'host')):
            cid = self.start(*options, 'busybox', 'sleep', '1000')
            running = self.create(cid, Cmd=['sleep', '1000'])
            waiting = self.create(cid, Cmd=['true'])
            s, _, data = self.open(running)
            pid = self.inspect(running)['Pid']
            self.ok('kill', cid)
            self.rest(s, data)
            self.assertEqual(harness.until(lambda: self.inspect(running)['ExitCode']), 137)
            self.assertEqual(self.refused('GET', f'/exec/{waiting}/json')[0], 404)
            self.assertFalse(os.path.exists(f'/proc/{pid}'))
            self.ok('start', cid)
            self.assertEqual(self.docker('exec', cid, 'true').returncode, 0)

    def test_thousand_leave_nothing(self):
        cid = self.start('busybox', 'sleep', '1000')
        engine = self.engine.process.pid

        def keeper():
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try:
                    with open(f'/proc/{pid}/cmdline', 'rb') as f:
                        if (self.engine.dir + '/run/keeper.sock').encode() in f.read():
                            return pid
                except OSError:
                    continue

        def descriptors(pid):
            return len(os.listdir(f'/proc/{pid}/fd'))

        def inside():
            return self.ok('exec', cid, 'sh', '-c', 'set -- /proc/[0-9]*; echo $#')

        one = self.create(cid, Cmd=['true'])
        self.rest(*self.open(one)[::2])
        before = descriptors(engine), descriptors(keeper()), inside()
        for i in range(1000):
            eid = self.create(cid, Cmd=['sh', '-c', f'exit {i % 200}'], Tty=i % 2 == 0)
            s, _, data = self.open(eid, {'Tty': i % 2 == 0})
            self.rest(s, data)
            self.assertEqual(self.inspect(eid)['ExitCode'], i % 200)
        # Fewer when what was before the first exec was still on its way out.
        harness.until(lambda: descriptors(engine) <= before[0] and descriptors(keeper()) <= before[1] and
                      inside() == before[2], what=f'as before: {before}')
        self.assertIsNone(self.engine.get(f'/containers/{cid}/json')['ExecIDs'])
        self.ok('rm', '-f', cid)
        self.assertEqual(self.refused('GET', f'/exec/{one}/json')[0], 404)
