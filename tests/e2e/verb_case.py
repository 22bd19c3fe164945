"""What tests of verbs share: answers, states, events, control groups."""
import json
import os
import time

from case import EngineCase


class VerbCase(EngineCase):
    def answer(self, method, path, body=None):
        status, text, _ = self.engine.http(method, path, body)
        return status, json.loads(text)['message'] if text and status >= 400 else ''

    def post(self, path, body=None):
        return self.answer('POST', '/containers/' + path, body)

    def state(self, name):
        return self.engine.get(f'/containers/{name}/json')['State']

    def actions(self, name):
        filters = json.dumps({'container': [name], 'type': ['container']}).replace(' ', '')
        _, body, _ = self.engine.http('GET', f'/events?since=1h&until={time.time():.9f}&filters={filters}')
        return [json.loads(line) for line in body.splitlines()]

    def words(self, name):
        return [e['Action'] for e in self.actions(name)]

    def lines(self, cid):
        return len(self.ok('logs', cid).split())

    def value(self, controller, cid, file):
        """A control group's file: of version 1 by `controller`, of version 2 by the same call's other name."""
        names = [file] if isinstance(file, str) else file
        for root in (f'/sys/fs/cgroup/{controller}/docker/{cid}/', f'/sys/fs/cgroup/docker/{cid}/'):
            for name in names:
                if os.path.exists(root + name):
                    with open(root + name) as f:
                        return f.read().strip()
        self.fail(f'none of {names}')

    def host_has(self, controller, file):
        """This host's control groups know the limit."""
        if not os.path.exists('/sys/fs/cgroup/cgroup.controllers'):
            return os.path.exists(f'/sys/fs/cgroup/{controller}/{file}')
        with open('/sys/fs/cgroup/cgroup.controllers') as f:
            if controller not in f.read().split():
                return False
        return controller != 'memory' or os.path.exists('/sys/fs/cgroup/docker/memory.swap.max')
