"""create, ps, inspect, logs, attach, events."""
import json
import os
import pty
import select
import subprocess
import time

import harness
from case import EngineCase


class Containers(EngineCase):
    def create(self, query='', **body):
        body = {'Image': 'busybox', 'HostConfig': {'NetworkMode': 'none'}, **body}
        status, answer, _ = self.engine.http('POST', '/containers/create' + query, body)
        answer = json.loads(answer)
        if status == 201:
            self.addCleanup(self.engine.http, 'DELETE', '/containers/' + answer['Id'] + '?force=1')
        return status, answer

    def test_names(self):
        self.assertEqual(self.create('?name=taken')[0], 201)
        status, answer = self.create('?name=taken')
        self.assertEqual(status, 409)
        self.assertIn('is already in use by container', answer['message'])
        self.assertEqual(self.create('?name=-bad')[0], 400)
        self.assertEqual(self.create('?name=a/b')[0], 400)

    def test_no_such_image(self):
        status, answer = self.create(Image='nothing:here')
        self.assertEqual((status, answer['message']), (404, 'No such image: nothing:here'))

    def test_start_twice_and_remove_running(self):
        cid = self.start('busybox', 'sleep', '100')
        self.assertEqual(self.engine.http('POST', f'/containers/{cid}/start')[0], 304)
        self.assertEqual(self.engine.http('DELETE', f'/containers/{cid}')[0], 409)
        self.assertEqual(self.engine.http('POST', f'/containers/{cid}/kill?signal=NOPE')[0] // 100, 4)

    def test_ps(self):
        cid = self.start('--name', 'listed', '-l', 'colour=blue', 'busybox', 'sleep', '100')
        done = self.start('--name', 'over', 'busybox', 'sh', '-c', 'exit 4')
        self.ok('wait', done)
        for options, want in ((('-q',), [cid[:12]]), (('-aq', '-f', 'exited=4'), [done[:12]]),
                              (('-aq', '-f', 'status=running'), [cid[:12]]),
                              (('-aq', '-f', 'label=colour=blue'), [cid[:12]]),
                              (('-aq', '-f', 'name=over'), [done[:12]]),
                              (('-aq', '-f', 'id=' + cid[:8]), [cid[:12]]), (('-aq', '-n', '1'), [done[:12]])):
            self.assertEqual(self.ok('ps', *options).split(), want, options)
        line = self.ok('ps', '--format', '{{.Names}}|{{.Image}}|{{.Command}}|{{.State}}')
        self.assertEqual(line, 'listed|busybox|"sleep 100"|running')

    def test_inspect(self):
        cid = self.start('--name', 'seen', '-e', 'A=b', '-w', '/tmp', 'busybox', 'sleep', '100')
        c = self.engine.get(f'/containers/{cid}/json')
        self.assertEqual((c['Name'], c['Path'], c['Args']), ('/seen', 'sleep', ['100']))
        self.assertEqual((c['State']['Status'], c['State']['Running']), ('running', True))
        self.assertTrue(os.path.exists(f'/proc/{c["State"]["Pid"]}'))
        self.assertEqual((c['Config']['WorkingDir'], c['HostConfig']['NetworkMode']), ('/tmp', 'none'))
        self.assertIn('A=b', c['Config']['Env'])
        self.assertRegex(c['Created'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$')

    def test_logs(self):
        cid = self.start('busybox', 'sh', '-c', 'for i in 1 2 3 4 5; do echo l$i; done; echo e >&2')
        self.ok('wait', cid)
        self.assertEqual(self.docker('logs', cid).stdout.split(), ['l1', 'l2', 'l3', 'l4', 'l5'])
        self.assertEqual(self.docker('logs', cid).stderr, 'e\n')
        tail = self.docker('logs', '--tail', '2', cid)
        self.assertEqual(len((tail.stdout + tail.stderr).split()), 2)
        self.assertRegex(self.ok('logs', '-t', cid).splitlines()[0], r'^\d{4}-\d\d-\d\dT[\d:.]+Z l1$')
        self.assertEqual(self.ok('logs', '--since', str(int(time.time()) + 100), cid), '')

    def test_follow_across_rotation(self):
        cid = self.start('--log-opt', 'max-size=20k', '--log-opt', 'max-file=3', 'busybox', 'sh', '-c',
                         'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; '
                         '[ $((i % 20)) = 0 ] && sleep 0.1; done')
        out = self.docker('logs', '-f', cid, timeout=60).stdout
        numbers = [int(x.split()[1]) for x in out.splitlines()]
        self.assertEqual(numbers, list(range(numbers[0], 401)))

    def test_events(self):
        since = time.time() - 1
        cid = self.start('busybox', 'true')
        self.ok('wait', cid)
        until = time.time() + 1
        out = self.ok('events', '--since', f'{since:.0f}', '--until', f'{until:.0f}', '-f', 'container=' + cid,
                      '--format', '{{.Action}}')
        names = out.split()
        for name in ('create', 'start', 'die'):
            self.assertIn(name, names)

    def test_tty_and_detach_keys(self):
        master, slave = pty.openpty()
        p = self.engine.popen('run', '-it', '--name', 'tty', '--network', 'none', 'busybox', 'sh',
                              stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.addCleanup(self.docker, 'rm', '-f', 'tty')
        self.addCleanup(os.close, master)
        seen = b''

        def wait_for(text):
            nonlocal seen
            deadline = time.monotonic() + 15
            while text not in seen and time.monotonic() < deadline:
                if select.select([master], [], [], 0.2)[0]:
                    seen += os.read(master, 4096)
            self.assertIn(text, seen)
        wait_for(b'#')
        os.write(master, b'tty; echo $((40+2))\n')
        wait_for(b'42')
        self.assertIn(b'/dev/', seen)
        os.write(master, b'\x10')
        time.sleep(0.2)
        os.write(master, b'\x11')
        try:
            p.wait(15)
        except subprocess.TimeoutExpired:
            p.kill()
            self.fail('detach keys did not detach')
        self.assertEqual(self.ok('inspect', '-f', '{{.State.Running}}', 'tty'), 'true')

    def test_attach(self):
        cid = self.ok('create', '-i', '--network', 'none', 'busybox', 'cat')
        self.addCleanup(self.docker, 'rm', '-f', cid)
        r = self.docker('start', '-ai', cid, input='through\n', timeout=30)
        self.assertEqual((r.returncode, r.stdout), (0, 'through\n'))
        cid = self.start('busybox', 'sh', '-c', 'sleep 1; echo late; exit 2')
        r = self.docker('attach', cid, timeout=30)
        self.assertEqual((r.returncode, r.stdout), (2, 'late\n'))
