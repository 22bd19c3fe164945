"""An engine in a network namespace of its own, a peer (another host) beside it, real traffic between them."""
import json
import os
import subprocess
import unittest

import harness
from case import EngineCase


def namespaces_work():
    try:
        harness.Namespace().close()
        return True
    except (OSError, RuntimeError):
        return False


# What a connection to HOST PORT is told; it is tried again until somebody answers.
HEAR = 'i=0; while [ $i -lt {tries} ]; do busybox nc -w 2 {host} {port} </dev/null && exit 0; ' \
       'i=$((i+1)); sleep 0.1; done; exit 1'


class NetworkCase(EngineCase):
    run_options = ()
    needs_rules = True

    @classmethod
    def setUpClass(cls):
        if not harness.clis():
            raise unittest.SkipTest('no docker CLI: none on PATH, none unpacked')
        if not namespaces_work():
            raise unittest.SkipTest('no rights to make network namespaces')
        cls.host = harness.Namespace()
        cls.addClassCleanup(cls.host.close)
        cls.peer = harness.Namespace()
        cls.addClassCleanup(cls.peer.close)
        cls.join_peer()
        cls.begin_engine(namespace=cls.host)
        if cls.needs_rules and 'No address translation' in cls.engine.log():
            raise unittest.SkipTest('this kernel has no nf_tables: ' + cls.engine.log()[-200:])
        cls.load_busybox()

    @classmethod
    def join_peer(cls):
        """10.99.0.1 is the engine's host, 10.99.0.2 the peer; the peer knows no way to the containers."""
        cls.host.run('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up0', 'netns',
                     f'/proc/{os.getpid()}/fd/{cls.peer.fd}')
        cls.host.run('ip', 'address', 'add', '10.99.0.1/24', 'dev', 'up0')
        cls.host.run('ip', 'link', 'set', 'up0', 'up')
        cls.host.run('ip', 'route', 'add', 'default', 'via', '10.99.0.2')
        cls.peer.run('ip', 'address', 'add', '10.99.0.2/24', 'dev', 'up0')
        cls.peer.run('ip', 'link', 'set', 'up0', 'up')

    def refused(self, words, *args, **keys):
        r = self.docker(*args, **keys)
        self.assertNotEqual(r.returncode, 0, (args, r.stdout))
        self.assertIn(words, r.stdout + r.stderr)

    def serve(self, text, *args, port=80):
        """A container that answers every connection to its port with the text."""
        return self.start(*args, 'busybox', 'sh', '-c',
                          f'while true; do echo {text} | nc -l -p {port} >/dev/null; done')

    def network(self, *args):
        nid = self.ok('network', 'create', *args)
        self.addCleanup(self.docker, 'network', 'rm', nid)
        return nid

    def inspect(self, cid):
        return self.engine.get(f'/containers/{cid}/json')

    def address(self, cid, network='bridge'):
        return self.inspect(cid)['NetworkSettings']['Networks'][network]['IPAddress']

    def heard(self, where, host, port, tries=20):
        """What a connection from there is told; '' when there is none."""
        script = HEAR.format(host=host, port=port, tries=tries)
        return where.run('sh', '-c', script, check=False, timeout=60).stdout.strip()

    def inside(self, cid, *command, check=True):
        """Runs in the container's network namespace, with the host's tools."""
        pid = self.inspect(cid)['State']['Pid']
        r = subprocess.run(['nsenter', f'--net=/proc/{pid}/ns/net', *command], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        if check:
            self.assertEqual(r.returncode, 0, (command, r.stdout, r.stderr))
        return r.stdout.strip()

    def heard_inside(self, cid, host, port, tries=20):
        return self.inside(cid, 'sh', '-c', HEAR.format(host=host, port=port, tries=tries), check=False)

    def links(self):
        return sorted(link['ifname'] for link in json.loads(self.host.run('ip', '-j', 'link').stdout))

    def rules(self):
        return self.host.run('nft', 'list', 'ruleset').stdout

    def elements(self):
        """Published ports in the kernel's maps."""
        found = 0
        for item in json.loads(self.host.run('nft', '-j', 'list', 'ruleset').stdout)['nftables']:
            if 'map' in item and item['map']['name'].startswith('ports'):
                found += len(item['map'].get('elem', []))
        return found
