"""What must be true after every fault, and the load under which faults happen."""
import json
import os
import random
import threading

import harness
from case import EngineCase


def cgroups_of(ids):
    """Control groups of these containers that are there."""
    found = []
    for root, directories, _ in os.walk('/sys/fs/cgroup'):
        if os.path.basename(root) == 'docker':
            found += [os.path.join(root, d) for d in directories if d in ids]
            directories.clear()
        elif root.count('/') > 5:
            directories.clear()
    return found


class Load:
    """Clients that create, start, wait for and remove containers until told to stop, or until the engine goes."""

    def __init__(self, engine, clients=3, commands=(('true',), ('sh', '-c', 'echo out; exit 3'), ('sleep', '100'))):
        self.engine = engine
        self.commands = commands
        self.kept = set()      # create was acknowledged and nobody asked for the removal
        self.asked = set()     # every id ever seen
        self.over = False
        self.threads = [threading.Thread(target=self.work) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def post(self, path, body=None):
        status, answer, _ = self.engine.http('POST', path, body, timeout=20)
        return status, answer

    def work(self):
        while not self.over:
            try:
                self.one()
            except (OSError, ValueError, harness.http.client.HTTPException):  # the engine is gone
                return

    def one(self):
        command = random.choice(self.commands)
        body = {'Image': 'busybox', 'Cmd': list(command), 'HostConfig': {'NetworkMode': 'none'}}
        status, answer = self.post('/containers/create', body)
        if status != 201:
            raise ValueError(answer)
        cid = json.loads(answer)['Id']
        self.asked.add(cid)
        self.kept.add(cid)
        self.post(f'/containers/{cid}/start')
        if command[0] == 'sleep' and random.random() < 0.5:
            return
        if command[0] != 'sleep':
            self.post(f'/containers/{cid}/wait')
        if random.random() < 0.5:
            self.kept.discard(cid)
            self.engine.http('DELETE', f'/containers/{cid}?force=1', timeout=20)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


class FaultCase(EngineCase):
    def state(self, cid):
        return self.engine.get(f'/containers/{cid}/json')['State']

    def listed(self):
        return {c['Id'] for c in self.engine.get('/containers/json?all=1')}

    def check_invariants(self, kept=(), asked=()):
        """Acknowledged things are there, nothing is half-made, every answer is true."""
        listed = self.listed()
        self.assertEqual(set(kept) - listed, set(), 'acknowledged containers are gone')
        harness.until(lambda: set(os.listdir(self.engine.data + '/containers')) == self.listed(),
                      what='no stray folders')
        harness.until(lambda: os.listdir(self.engine.data + '/tmp') == [], what='nothing half-made in tmp')
        running = set()
        for cid in listed:
            state = self.state(cid)
            if state['Running']:
                running.add(cid)
                with open(f'/proc/{state["Pid"]}/cgroup') as f:
                    self.assertIn(cid, f.read(), 'the pid belongs to the container')
            else:
                self.assertEqual(state['Pid'], 0)
        gone = (set(asked) | listed) - running
        try:
            harness.until(lambda: cgroups_of(gone - self.running_now()) == [], what='no stray control groups')
        except AssertionError:
            left = cgroups_of(gone - self.running_now())
            self.fail(f'stray control groups: {left}, engine: {self.engine.log()[-2000:]}')
        with open('/proc/self/mountinfo') as f:
            self.assertNotIn(self.engine.dir + '/data/', f.read())
        return listed

    def logged(self, cid):
        """What the container's log files hold, oldest first: the text of whole records."""
        base = f'{self.engine.data}/containers/{cid}/{cid}-json.log'
        text = ''
        for path in (base + '.2', base + '.1', base):
            if os.path.exists(path):
                with open(path) as f:
                    text += ''.join(json.loads(line)['log'] for line in f)
        return text

    def running_now(self):
        return {c['Id'] for c in self.engine.get('/containers/json')}

    def remove_all(self):
        for cid in self.listed():
            status, body, _ = self.engine.http('DELETE', f'/containers/{cid}?force=1')
            self.assertIn(status, (204, 404, 409), body)
        harness.until(lambda: self.listed() == set(), what='all containers are gone')

    def keeper_pid(self):
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as f:
                    words = f.read().split(b'\0')
            except OSError:
                continue
            if words[0].endswith(b'dockercd-keeper') and (self.engine.dir + '/').encode() in words[1]:
                return int(pid)
        return None
