"""Restart policies: what is started again, and when not."""
import time

import harness
from verb_case import VerbCase


class Policy(VerbCase):
    """Restart policies."""

    def settled(self, cid, status='exited'):
        harness.until(lambda: self.state(cid)['Status'] == status, what=f'{status}')

    def count(self, cid):
        return self.engine.get(f'/containers/{cid}/json')['RestartCount']

    def test_on_failure(self):
        cid = self.start('--restart', 'on-failure:2', 'busybox', 'sh', '-c', 'echo run; exit 3')
        self.settled(cid)
        self.assertEqual((self.count(cid), self.state(cid)['ExitCode']), (2, 3))
        self.assertEqual(self.ok('logs', cid).split(), ['run'] * 3)
        self.assertEqual(self.words(cid), ['create', 'start', 'die', 'start', 'die', 'start', 'die'])
        self.ok('start', cid)   # counts anew
        self.settled(cid)
        self.assertEqual(self.count(cid), 2)
        ok = self.start('--restart', 'on-failure', 'busybox', 'true')
        self.settled(ok)
        self.assertEqual(self.count(ok), 0)

    def test_restarting_is_shown(self):
        for cli in harness.clis():
            cid = self.start('--restart', 'always', 'busybox', 'sh', '-c', 'exit 5')
            harness.until(lambda: self.count(cid) >= 3)
            self.settled(cid, 'restarting')
            state = self.state(cid)
            self.assertEqual((state['Running'], state['Restarting'], state['Pid'], state['ExitCode']),
                             (True, True, 0, 5))
            self.assertIn('Restarting (5) ', self.ok('ps', '--filter', 'id=' + cid, '--format', '{{.Status}}', cli=cli))
            self.assertEqual(self.post(f'{cid}/pause'), (409, f'Container {cid} is restarting, wait until the '
                                                         'container is running'))
            self.assertEqual(self.post(f'{cid}/start')[0], 304)
            self.assertEqual(self.answer('GET', f'/containers/{cid}/top')[0], 409)
            self.assertEqual(self.answer('DELETE', f'/containers/{cid}')[0], 409)
            self.ok('stop', cid, cli=cli)
            self.assertEqual(self.state(cid)['Status'], 'exited')
            self.assertEqual(self.words(cid)[-1], 'stop')
            count = self.count(cid)
            time.sleep(0.5)
            self.assertEqual(self.count(cid), count)
            self.ok('rm', cid)

    def test_ended_in_the_pause(self):
        for how in (('kill',), ('rm', '-f'), ('stop',)):
            cid = self.start('--restart', 'always', 'busybox', 'false')
            harness.until(lambda: self.count(cid) >= 3)
            self.settled(cid, 'restarting')
            self.ok(*how, cid)
            if how[0] == 'rm':
                self.assertEqual(self.engine.http('GET', f'/containers/{cid}/json')[0], 404)
            else:
                self.assertEqual(self.state(cid)['Status'], 'exited')

    def test_wait_ends_with_each_run(self):
        cid = self.start('--restart', 'always', 'busybox', 'sh', '-c', 'sleep 0.3; exit 6')
        self.assertEqual(self.ok('wait', cid), '6')
        self.ok('rm', '-f', cid)

    def test_stopped_by_hand(self):
        for policy in ('always', 'unless-stopped', 'on-failure'):
            cid = self.start('--restart', policy, 'busybox', 'sleep', '1000')
            self.ok('stop', '-t', '0', cid)
            time.sleep(0.3)
            self.assertEqual((self.state(cid)['Status'], self.count(cid)), ('exited', 0), policy)

    def test_killed_from_within(self):
        cid = self.start('--restart', 'unless-stopped', 'busybox', 'sh', '-c', 'sleep 0.2; kill -9 $$; exit 9')
        harness.until(lambda: self.count(cid) >= 1)
        self.ok('restart', '-t', '0', cid)
        self.assertIn(self.count(cid), (0, 1))

    def test_changed_by_update(self):
        cid = self.start('busybox', 'sh', '-c', 'sleep 0.5; exit 1')
        self.ok('update', '--restart', 'on-failure:1', cid)
        harness.until(lambda: self.count(cid) == 1)
        self.settled(cid)
        cid = self.start('--restart', 'always', 'busybox', 'sh', '-c', 'sleep 0.2')
        harness.until(lambda: self.count(cid) >= 1)
        self.ok('update', '--restart', 'no', cid)
        self.settled(cid)

    def test_a_start_that_fails_is_not_tried_again(self):
        r = self.docker('run', '-d', '--name', 'hopeless', '--restart', 'always', '--network', 'none', 'busybox',
                        '/nonesuch')
        self.addCleanup(self.docker, 'rm', '-f', 'hopeless')
        self.assertEqual(r.returncode, 127)
        self.assertEqual(self.state('hopeless')['Status'], 'created')

    def test_refused(self):
        for policy, want in (({'Name': 'sometimes'}, 'unknown policy'), ({'Name': 'always', 'MaximumRetryCount': 1},
                             'can only be used with'), ({'Name': 'on-failure', 'MaximumRetryCount': -1}, 'negative')):
            status, message = self.answer('POST', '/containers/create', {
                'Image': 'busybox', 'HostConfig': {'NetworkMode': 'none', 'RestartPolicy': policy}})
            self.assertEqual((status, want in message), (400, True), message)
        status, message = self.answer('POST', '/containers/create', {
            'Image': 'busybox', 'HostConfig': {'AutoRemove': True, 'RestartPolicy': {'Name': 'always'}}})
        self.assertEqual((status, message), (400, "can't create 'AutoRemove' container with restart policy"))
