"""pause, restart, rename, top, resize: what they do, what they answer in every state."""
import time

import harness
from verb_case import VerbCase

TICK = 'i=0; while true; do i=$((i+1)); echo $i; sleep 0.02; done'


class Pause(VerbCase):
    def test_nothing_runs_meanwhile(self):
        for cli in harness.clis():
            cid = self.start('busybox', 'sh', '-c', TICK)
            harness.until(lambda: self.lines(cid) > 2)
            self.assertEqual(self.ok('pause', cid, cli=cli), cid)
            state = self.state(cid)
            self.assertEqual((state['Status'], state['Running'], state['Paused']), ('paused', True, True))
            time.sleep(0.05)
            before = self.lines(cid)
            time.sleep(0.2)
            self.assertEqual(self.lines(cid), before)
            self.assertIn('(Paused)', self.ok('ps', '--filter', 'status=paused', '--format', '{{.Status}}', cli=cli))
            self.assertEqual(self.engine.get('/info')['ContainersPaused'], 1)
            self.ok('unpause', cid, cli=cli)
            harness.until(lambda: self.lines(cid) > before)
            self.assertEqual(self.state(cid)['Status'], 'running')
            self.assertEqual(self.words(cid), ['create', 'start', 'pause', 'unpause'])
            self.ok('rm', '-f', cid)

    def test_answers(self):
        cid = self.start('--name', 'iced', 'busybox', 'sleep', '1000')
        self.assertEqual(self.post('iced/unpause'), (500, f'Container {cid} is not paused'))
        self.assertEqual(self.post('iced/pause')[0], 204)
        self.assertEqual(self.post('iced/pause'), (409, f'Container {cid} is already paused'))
        self.assertEqual(self.post('iced/start'), (409, 'cannot start a paused container, try unpause instead'))
        self.assertEqual(self.answer('DELETE', '/containers/iced'),
                         (409, 'cannot remove container "/iced": container is paused and must be unpaused first'))
        self.assertEqual(self.post('iced/unpause')[0], 204)
        self.assertEqual(self.post('nobody/pause'), (404, 'No such container: nobody'))
        self.assertEqual(self.post('nobody/unpause'), (404, 'No such container: nobody'))
        self.ok('kill', 'iced')
        self.assertEqual(self.post('iced/pause'), (409, f'container {cid} is not running'))
        self.assertEqual(self.post('iced/unpause'), (500, f'Container {cid} is not paused'))

    def test_ended_while_paused(self):
        cid = self.trapping('exit 7', 'TERM')
        self.ok('pause', cid)
        self.ok('stop', cid)
        self.assertEqual(self.state(cid)['ExitCode'], 7)
        self.assertEqual(self.words(cid)[2:], ['pause', 'kill', 'unpause', 'die', 'stop'])
        for how in (('kill',), ('rm', '-f'), ('restart', '-t', '0')):
            cid = self.start('busybox', 'sleep', '1000')
            self.ok('pause', cid)
            self.ok(*how, cid)
        self.assertEqual(self.state(cid)['Status'], 'running')

    def test_only_its_stop_signal_thaws(self):
        cid = self.trapping('exit 8', 'USR2', '--stop-signal', 'USR2')
        self.ok('pause', cid)
        self.ok('kill', '-s', 'USR1', cid)
        self.assertEqual(self.state(cid)['Status'], 'paused')
        self.ok('kill', '-s', 'USR2', cid)
        self.ok('wait', cid)

    def test_many_processes(self):
        script = 'for i in $(seq 30); do (while true; do true & wait; done) & done; wait'
        cid = self.start('busybox', 'sh', '-c', script)
        for _ in range(3):
            self.ok('pause', cid)
            self.ok('unpause', cid)
        self.ok('rm', '-f', cid)


class Restart(VerbCase):
    def test_running_and_not(self):
        for cli in harness.clis():
            cid = self.start('busybox', 'sleep', '1000')
            pid = self.state(cid)['Pid']
            self.assertEqual(self.ok('restart', '-t', '0', cid, cli=cli), cid)
            self.assertNotEqual(self.state(cid)['Pid'], pid)
            self.assertEqual(self.words(cid), ['create', 'start', 'kill', 'kill', 'die', 'stop', 'start', 'restart'])
            self.ok('kill', cid)
            self.ok('restart', cid, cli=cli)
            self.assertTrue(self.state(cid)['Running'])
            self.assertEqual(self.words(cid)[-4:], ['kill', 'die', 'start', 'restart'])

    def test_auto_remove_waits_for_the_last_end(self):
        cid = self.ok('run', '-d', '--rm', '--network', 'none', 'busybox', 'sleep', '1000')
        self.ok('restart', '-t', '0', cid)
        self.assertTrue(self.state(cid)['Running'])
        self.ok('kill', cid)
        harness.until(lambda: self.engine.http('GET', f'/containers/{cid}/json')[0] == 404, what='auto-remove')

    def test_answers(self):
        self.assertEqual(self.post('nobody/restart'), (404, 'No such container: nobody'))
        cid = self.start('busybox', 'sleep', '1000')
        self.assertEqual(self.post(f'{cid}/restart?t=x')[0], 400)
        self.assertEqual(self.post(f'{cid}/restart?signal=NONE'),
                         (500, f'Cannot restart container {cid}: invalid signal: NONE'))
        self.assertTrue(self.state(cid)['Running'])
        bad = self.ok('create', '--network', 'none', 'busybox', '/nonesuch')
        self.addCleanup(self.docker, 'rm', '-f', bad)
        status, message = self.post(f'{bad}/restart')
        self.assertEqual(status, 500)
        self.assertTrue(message.startswith(f'Cannot restart container {bad}: '), message)

    def test_signal(self):
        cid = self.trapping('exit 3', 'USR1')
        self.assertEqual(self.post(f'{cid}/restart?signal=USR1&t=20')[0], 204)
        kill = [e for e in self.actions(cid) if e['Action'] == 'kill']
        self.assertEqual(kill[0]['Actor']['Attributes']['signal'], '10')


class Rename(VerbCase):
    def test_rename(self):
        cid = self.start('--name', 'before', 'busybox', 'sleep', '1000')
        self.ok('rename', 'before', 'after')
        self.assertEqual(self.engine.get('/containers/after/json')['Name'], '/after')
        self.assertEqual(self.engine.http('GET', '/containers/before/json')[0], 404)
        event = self.actions(cid)[-1]
        self.assertEqual((event['Action'], event['Actor']['Attributes']),
                         ('rename', {'image': 'busybox', 'name': 'after', 'oldName': '/before'}))
        other = self.start('--name', 'before', 'busybox', 'sleep', '1000')   # the old name is free
        self.assertEqual(self.post('after/rename?name=before'),
                         (409, 'Error when allocating new name: Conflict. The container name "/before" is already in '
                               f'use by container "{other}". You have to remove (or rename) that container to be able '
                               'to reuse that name.'))
        self.engine.stop()
        self.engine.start()
        self.assertEqual(self.engine.get('/containers/after/json')['Id'], cid)

    def test_refused(self):
        cid = self.start('--name', 'kept', 'busybox', 'sleep', '1000')
        self.assertEqual(self.post('kept/rename'), (400, 'Neither old nor new names may be empty'))
        self.assertEqual(self.post('kept/rename?name='), (400, 'Neither old nor new names may be empty'))
        for same in ('kept', '/kept'):
            self.assertEqual(self.post(f'{cid}/rename?name={same}'),
                             (400, 'Renaming a container with the same name as its current name'))
        for bad in ('a%20b', '-x', '..%2F..%2Fetc', '%2F', 'x', '%C3%A4%C3%B6', 'a%00b'):
            status, message = self.post(f'kept/rename?name={bad}')
            self.assertEqual(status, 400, bad)
            self.assertTrue(message.startswith('Error when allocating new name: Invalid container name (/'), message)
        self.assertEqual(self.post('nobody/rename?name=other'), (404, 'No such container: nobody'))
        self.assertEqual(self.engine.get('/containers/kept/json')['Id'], cid)
        long = 'n' * 10240
        self.assertIn(self.post(f'kept/rename?name={long}')[0], (204, 400))
        self.assertEqual(self.engine.http('GET', f'/containers/{cid}/json')[0], 200)


class Top(VerbCase):
    def test_its_processes_only(self):
        cid = self.start('busybox', 'sh', '-c', 'sleep 1000 & exec sleep 1001')
        for cli in harness.clis():
            lines = self.ok('top', cid, cli=cli).splitlines()
            self.assertEqual(lines[0].split()[:3], ['UID', 'PID', 'PPID'])
            self.assertEqual(sorted(line.split()[-1] for line in lines[1:]), ['1000', '1001'])
            lines = self.ok('top', cid, '-o', 'pid,args', cli=cli).splitlines()
            self.assertEqual(lines[0].split(), ['PID', 'COMMAND'])
            self.assertEqual(len(lines), 3)
            self.assertEqual(len(self.ok('top', cid, 'axf', cli=cli).splitlines()), 3)   # f does not go with -q
        table = self.engine.get(f'/containers/{cid}/top?ps_args=-o%20pid')
        self.assertEqual(table['Titles'], ['PID'])
        self.assertIn([str(self.state(cid)['Pid'])], table['Processes'])
        self.assertIn('top', self.words(cid))
        self.ok('pause', cid)
        self.assertEqual(len(self.ok('top', cid).splitlines()), 3)

    def test_answers(self):
        cid = self.start('busybox', 'sleep', '1000')
        get = lambda query: self.answer('GET', f'/containers/{cid}/top?ps_args={query}')   # noqa: E731
        self.assertEqual(get('-o%20ppid=PID'), (500, 'specifying "ppid=PID" is not allowed'))
        self.assertEqual(get('-o%20comm'), (500, "Couldn't find PID field in ps output"))
        status, message = get('-o%20nonsense')
        self.assertEqual((status, message.startswith('ps: error: ')), (500, True), message)
        self.assertEqual(get('!' * 10240)[0], 500)
        self.assertEqual(self.answer('GET', '/containers/nobody/top'), (404, 'No such container: nobody'))
        self.ok('kill', cid)
        self.assertEqual(get(''), (409, f'container {cid} is not running'))


class Resize(VerbCase):
    def test_sizes(self):
        cid = self.start('-t', 'busybox', 'sh', '-c', 'while true; do stty size; sleep 0.1; done')
        for h, w in ((0, 0), (65535, 65535)):   # busybox takes these for no size
            self.assertEqual(self.post(f'{cid}/resize?h={h}&w={w}')[0], 200)
        for h, w in ((40, 132), (1000, 500)):
            self.assertEqual(self.post(f'{cid}/resize?h={h}&w={w}')[0], 200)
            harness.until(lambda: f'{h} {w}' in self.ok('logs', '--tail', '2', cid))
        for h, why in (('', 'invalid syntax'), ('x', 'invalid syntax'), ('-1', 'value out of range'),
                       ('65536', 'value out of range'), ('99999999999999999999999', 'value out of range')):
            self.assertEqual(self.post(f'{cid}/resize?h={h}&w=5'), (400, f'invalid resize height "{h}": {why}'))
        event = self.actions(cid)[-1]
        self.assertEqual((event['Action'], event['Actor']['Attributes']['height']), ('resize', '1000'))
        self.ok('kill', cid)
        self.assertEqual(self.post(f'{cid}/resize?h=4&w=5'), (409, f'container {cid} is not running'))
        self.assertEqual(self.post('nobody/resize?h=4&w=5')[0], 404)


class References(VerbCase):
    def test_names_that_are_none(self):
        self.start('--name', 'real', 'busybox', 'sleep', '1000')
        for name in ('%20', '..', '..%2F..%2Fetc%2Fpasswd', 'a' * 10240, '%00', '%ff%fe', 'real%2F', '%2F%2Freal',
                     'real%0a', '*', '.'):
            for method, verb in (('POST', '/pause'), ('POST', '/stop'), ('POST', '/kill'), ('POST', '/restart'),
                                 ('GET', '/json'), ('GET', '/top'), ('POST', '/wait'), ('DELETE', ''),
                                 ('POST', '/rename?name=x1'), ('POST', '/resize?h=1&w=1')):
                status = self.engine.http(method, f'/containers/{name}{verb}')[0]
                self.assertIn(status, (400, 404), (name, verb))
        self.assertTrue(self.state('real')['Running'])
        self.assertEqual(self.answer('GET', '/containers//json')[0], 404)

    def test_ambiguous_prefix(self):
        ids = []
        while True:
            ids.append(self.ok('create', '--network', 'none', 'busybox'))
            self.addCleanup(self.docker, 'rm', ids[-1])
            first = [i[0] for i in ids]
            twice = next((c for c in first if first.count(c) > 1), None)
            if twice:
                break
        self.assertEqual(self.answer('GET', f'/containers/{twice}/json'),
                         (400, f'multiple IDs found with provided prefix: {twice}'))
        self.assertEqual(self.answer('GET', '/containers/' + ids[0] + '/json')[0], 200)
