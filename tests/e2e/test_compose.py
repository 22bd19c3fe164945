"""docker-compose brings up a project of two services with a network of its own and a published port."""
import os
import shutil
import subprocess
import unittest

import harness
from network_case import NetworkCase

PROJECT = '''\
version: "3.7"
services:
  web:
    image: busybox
    command: sh -c 'while true; do (echo from web; nc -w 2 store 5000 </dev/null) | nc -l -p 80 >/dev/null; done'
    ports: ["8700:80"]
    depends_on: [store]
    networks: [front, back]
  store:
    image: busybox
    hostname: shelf
    command: sh -c 'while true; do echo $$WORDS | nc -l -p 5000 >/dev/null; done'
    environment: {WORDS: from store}
    networks:
      back:
        aliases: [shop]
networks:
  front:
  back:
    ipam:
      config:
        - subnet: 10.88.0.0/24
'''


@unittest.skipUnless(shutil.which('docker-compose'), 'no docker-compose on PATH')
class ComposeTest(NetworkCase):
    def compose(self, *args):
        environment = dict(os.environ, DOCKER_HOST='unix://' + self.engine.socket)
        r = subprocess.run(['docker-compose', '-p', 'shop', '-f', self.file, *args], env=environment, text=True,
                           capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual(r.returncode, 0, (args, r.stdout[-800:], r.stderr[-800:], self.engine.log()[-800:]))
        return r.stdout

    def test_up_and_down(self):
        self.file = os.path.join(self.engine.dir, 'docker-compose.yml')
        with open(self.file, 'w') as f:
            f.write(PROJECT)
        before = self.links()
        self.compose('up', '-d')
        self.addCleanup(self.compose, 'down')
        harness.until(lambda: 'from store' in self.heard(self.peer, '10.99.0.1', 8700), what='web answers with store')
        self.assertIn('from web', self.heard(self.peer, '10.99.0.1', 8700))
        self.assertIn('0.0.0.0:8700->80/tcp', self.compose('ps'))
        self.assertTrue(self.address('shop_store_1', 'shop_back').startswith('10.88.0.'))
        self.compose('restart', '-t', '0')
        harness.until(lambda: 'from store' in self.heard(self.peer, '10.99.0.1', 8700), what='after the restart')
        self.compose('up', '-d', '--scale', 'store=2')
        self.assertEqual(len(self.inside('shop_web_1', 'dig', '+short', '@127.0.0.11', 'shop').split()), 2)
        self.compose('down', '-t', '0')
        self.assertEqual(self.engine.get('/containers/json?all=1'), [])
        self.assertEqual({n['Name'] for n in self.engine.get('/networks')}, {'bridge', 'host', 'none'})
        harness.until(lambda: self.links() == before, what='bridges and links are gone')


if __name__ == '__main__':
    unittest.main()
