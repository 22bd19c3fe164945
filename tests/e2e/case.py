"""One engine with the busybox image loaded, for each class of tests."""
import json
import time
import unittest

import harness


class EngineCase(unittest.TestCase):
    engine_options = ()
    run_options = ('--network', 'none')   # of every container

    @classmethod
    def setUpClass(cls):
        if not harness.clis():
            raise unittest.SkipTest('no docker CLI: none on PATH, none unpacked')
        cls.begin_engine()
        cls.load_busybox()

    @classmethod
    def begin_engine(cls, **keys):
        cls.engine = harness.Engine(options=cls.engine_options, **keys)
        cls.addClassCleanup(cls.engine.destroy)
        cls.engine.start()

    @classmethod
    def load_busybox(cls):
        status, body, _ = cls.engine.load(harness.save_tar('busybox:latest', [harness.busybox_layer()]))
        if status != 200 or b'"error"' in body:
            raise AssertionError(f'loading busybox: {status} {body!r}')

    def events(self):
        """Everything told so far. The CLI's --until knows whole seconds only."""
        until = f'{time.time():.9f}'
        return [json.loads(line) for line in
                self.engine.http('GET', f'/events?since=1&until={until}')[1].splitlines() if line]

    def tearDown(self):
        if not self.engine.alive():
            log = self.engine.log()[-3000:]
            self.engine.start()
            self.fail('the engine died: ' + log)

    def docker(self, *args, **keys):
        return self.engine.docker(*args, **keys)

    def ok(self, *args, **keys):
        """Output of a docker command that must succeed."""
        r = self.docker(*args, **keys)
        self.assertEqual(r.returncode, 0, (args, r.stdout[-500:], r.stderr[-500:]))
        return r.stdout.strip()

    def run_(self, *args, **keys):
        """docker run --rm ARGS."""
        return self.docker('run', '--rm', *self.run_options, *args, **keys)

    def sh(self, script, *options, image='busybox'):
        """What a shell script in a fresh container prints."""
        r = self.run_(*options, image, 'sh', '-c', script)
        self.assertEqual(r.returncode, 0, (script, r.stdout[-500:], r.stderr[-500:]))
        return r.stdout.strip()

    def start(self, *args):
        """Id of a detached container, removed when the test ends."""
        cid = self.ok('run', '-d', *self.run_options, *args)
        self.addCleanup(self.docker, 'rm', '-f', cid)
        return cid

    def trapping(self, action, signals, *options):
        """Id of a detached container whose shell does ACTION upon SIGNALS; its traps are set."""
        cid = self.start(*options, 'busybox', 'sh', '-c',
                         f'trap "{action}" {signals}; echo trapped; while true; do sleep 0.05; done')
        harness.until(lambda: 'trapped' in self.docker('logs', cid).stdout, what='its traps are set')
        return cid
