"""The verbs through docker-py, as Debian packages it."""
import subprocess

from case import EngineCase

PYTHON = '/usr/bin/python3'   # the one that Debian's modules are for
SCRIPT = r'''
import sys
import docker

client = docker.DockerClient(base_url=sys.argv[1])
api = client.api
c = client.containers.run('busybox', ['sleep', '1000'], detach=True, network_mode='none', name='py-a',
                          restart_policy={'Name': 'on-failure', 'MaximumRetryCount': 2}, labels={'made': 'py'},
                          init=True)
try:
    assert c.status == 'created' or c.status == 'running'
    c.pause(); c.reload(); assert c.status == 'paused', c.status
    c.unpause(); c.reload(); assert c.status == 'running', c.status
    c.rename('py-b'); c.reload(); assert c.name == 'py-b', c.name
    top = c.top(ps_args='-o pid,args'); assert top['Titles'] == ['PID', 'COMMAND'], top
    assert any('sleep 1000' in p[1] for p in top['Processes']), top
    c.update(mem_limit='64m', memswap_limit='128m', cpu_shares=512,
             restart_policy={'Name': 'always', 'MaximumRetryCount': 0})
    c.reload(); assert c.attrs['HostConfig']['Memory'] == 64 << 20
    assert c.attrs['HostConfig']['RestartPolicy']['Name'] == 'always'
    c.restart(timeout=0); c.reload(); assert c.status == 'running'
    assert [x.name for x in client.containers.list(filters={'label': 'made=py', 'status': 'running'})] == ['py-b']
    try:
        client.containers.get('nobody').pause()
        raise AssertionError('nobody was found')
    except docker.errors.NotFound as e:
        assert 'No such container: nobody' in str(e), e
    try:
        c.unpause()
        raise AssertionError('it was not paused')
    except docker.errors.APIError as e:
        assert 'is not paused' in str(e), e
    c.kill(signal='KILL')
    assert c.wait()['StatusCode'] == 137
    report = client.containers.prune(filters={'label': 'made=py'})
    assert report['ContainersDeleted'] == [c.id], report
finally:
    for x in client.containers.list(all=True, filters={'label': 'made=py'}):
        x.remove(force=True)
print('all of it')
'''


class DockerPy(EngineCase):
    def test_verbs(self):
        if subprocess.run([PYTHON, '-c', 'import docker'], capture_output=True).returncode != 0:
            self.skipTest('python3-docker is not installed')
        r = subprocess.run([PYTHON, '-c', SCRIPT, 'unix://' + self.engine.socket], capture_output=True, text=True,
                           timeout=60)
        self.assertEqual((r.returncode, r.stdout.strip()), (0, 'all of it'), r.stderr[-1500:])
