"""dockerode, fetched by npm into build/tools the first time."""
import json
import os
import shutil
import subprocess
import unittest

import harness
from case import EngineCase

PLACE = os.path.join(harness.ROOT, 'build/tools/dockerode')
MODULE = os.path.join(PLACE, 'node_modules/dockerode')


def install():
    """None when it is there, else why not."""
    if not shutil.which('node') or not shutil.which('npm'):
        return 'node and npm are not there'
    if os.path.isdir(MODULE):
        return None
    os.makedirs(PLACE, exist_ok=True)
    r = subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--silent', '--prefix', PLACE, 'dockerode@4'],
                       capture_output=True, text=True, timeout=300)
    return None if r.returncode == 0 else 'npm cannot install dockerode: ' + r.stderr[-300:]


class Dockerode(EngineCase):
    def test_attach_logs_and_events(self):
        reason = install()
        if reason:
            self.skipTest(reason)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'dockerode_streams.js')
        r = subprocess.run(['node', script, MODULE, self.engine.socket], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        seen = json.loads(r.stdout)
        self.assertEqual((seen['exit'], seen['died'], seen['out'], seen['err']), (0, True, 'typed\n', 'err\n'))
        self.assertEqual(sorted(seen['logs'].split()), ['err', 'typed'])


if __name__ == '__main__':
    unittest.main()
