"""Starts an engine of its own, makes images, runs docker CLIs and raw HTTP against it. Python standard library only."""
import hashlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def engine_command():
    command = os.environ.get('DOCKERCD', os.path.join(ROOT, 'build/release/bin/dockercd')).split()
    command[0] = os.path.join(ROOT, command[0])  # an absolute path stays as it is
    return command


def built(name):
    """A binary of the build that the engine is of."""
    engine = next(word for word in engine_command() if os.path.basename(word) == 'dockercd')
    return os.path.join(os.path.dirname(engine), name)


def clis():
    """Every docker CLI there is: the one on PATH, and Debian's unpacked from its package."""
    found = []
    for path in (shutil.which('docker'), os.path.join(ROOT, 'build/tools/docker')):
        if path and os.path.exists(path):
            found.append(path)
    return found


def complaints(log):
    """What a sanitizer, or a broken invariant of ours, has said there."""
    return [line for line in log.splitlines()
            if 'Sanitizer' in line or 'runtime error: ' in line or 'check failed' in line]


class Namespace:
    """A network namespace of the test's own, with lo up; gone when nothing in it runs and this is closed."""

    def __init__(self):
        holder = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'ip link set lo up && echo up && read end'],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if holder.stdout.readline() != b'up\n':
            raise RuntimeError('no network namespace can be made here')
        self.fd = os.open(f'/proc/{holder.pid}/ns/net', os.O_RDONLY)
        holder.communicate(b'\n')

    def enter(self, *command):
        """The command's words, so that it runs in here."""
        return ['nsenter', f'--net=/proc/{os.getpid()}/fd/{self.fd}', *command]

    def run(self, *command, check=True, timeout=30, **keys):
        done = subprocess.run(self.enter(*command), capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, **keys)
        if check and done.returncode != 0:
            raise AssertionError(f'{command}: {done.stdout}{done.stderr}')
        return done

    def close(self):
        os.close(self.fd)


class Engine:
    def __init__(self, data_mount=None, options=(), namespace=None):
        """`options` go behind those that every test engine gets. Without a namespace of its own an engine has no
        default network: the host stays as it is."""
        self.namespace = namespace
        self.options = ([] if namespace else ['--bridge', 'none']) + list(options)
        self.dir = tempfile.mkdtemp(prefix='dockercd-test.')
        self.data = os.path.join(self.dir, 'data')
        self.socket = os.path.join(self.dir, 'docker.sock')
        self.log_path = os.path.join(self.dir, 'engine.log')
        self.process = None
        self.mounted = False
        os.mkdir(self.data)
        if data_mount:
            subprocess.run(['mount', '-t', 'tmpfs', '-o', data_mount, 'dockercd-test', self.data], check=True)
            self.mounted = True

    def start(self, wait=30):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        args = engine_command() + ['-H', 'unix://' + self.socket, '--data-root', self.data,
                                   '--exec-root', os.path.join(self.dir, 'run'),
                                   '--pidfile', os.path.join(self.dir, 'pid')] + self.options
        if self.namespace:
            args = self.namespace.enter(*args)
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.http('GET', '/_ping')[0] == 200:
                    return self
            except OSError:
                time.sleep(0.01)
        raise RuntimeError('the engine did not start: ' + self.log()[-2000:])

    def log(self):
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a crash would: SIGKILL, containers and keeper left alone."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def destroy(self):
        """Removes containers, engine and directory."""
        try:
            if self.alive():
                for c in self.get('/containers/json?all=1'):
                    self.http('DELETE', f'/containers/{c["Id"]}?force=1&v=1')
            self.stop()
            self.check_end()
        finally:
            self.end_processes()
            for line in reversed(open('/proc/self/mountinfo').read().splitlines()):
                target = line.split()[4]
                if target.startswith(self.dir + '/') or target == self.data:
                    subprocess.run(['umount', '-l', target], stderr=subprocess.DEVNULL)
            shutil.rmtree(self.dir, ignore_errors=True)

    def check_end(self):
        """It ended well, and no sanitizer found fault with it."""
        found = complaints(self.log())
        status = self.process.returncode if self.process else 0
        if found or status not in (0, -signal.SIGKILL):
            raise AssertionError(f'the engine ended with {status}: {found[:5]} {self.log()[-1500:]}')

    def end_processes(self):
        """Ends what still names this engine's own directory: its keeper, workers and helpers."""
        deadline = time.monotonic() + 2
        while True:
            ours = []
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try:
                    with open(f'/proc/{pid}/cmdline', 'rb') as f:
                        if (self.dir + '/').encode() in f.read() and int(pid) != os.getpid():
                            ours.append(int(pid))
                except OSError:
                    continue
            if not ours:
                return
            if time.monotonic() > deadline:
                for pid in ours:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                return
            time.sleep(0.05)

    # HTTP

    def connect(self, timeout=30):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(self.socket)
        return s

    def http(self, method, path, body=None, headers=None, timeout=60):
        """(status, body bytes, headers)."""
        c = http.client.HTTPConnection('docker')
        c.sock = self.connect(timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault('Content-Type', 'application/json')
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            return r.status, r.read(), r.headers
        finally:
            c.close()

    def get(self, path):
        status, body, _ = self.http('GET', path)
        if status != 200:
            raise AssertionError(f'GET {path}: {status} {body[:300]!r}')
        return json.loads(body)

    def raw(self, data, timeout=5):
        """What comes back for these bytes until the other side closes or is silent."""
        out = b''
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
                while chunk := s.recv(65536):
                    out += chunk
            except (TimeoutError, socket.timeout, ConnectionError):
                pass
        return out

    # docker CLI

    def environment(self):
        env = dict(os.environ, DOCKER_HOST='unix://' + self.socket, DOCKER_CONFIG=os.path.join(self.dir, 'config'))
        for name in ('DOCKER_CONTEXT', 'DOCKER_TLS_VERIFY', 'DOCKER_API_VERSION'):
            env.pop(name, None)
        return env

    def docker(self, *args, cli=None, input=None, timeout=60):
        """CompletedProcess; output is text, or bytes when the input is bytes."""
        binary = isinstance(input, bytes)
        extra = {} if input is not None else {'stdin': subprocess.DEVNULL}
        return subprocess.run([cli or clis()[0], *args], env=self.environment(), input=input, capture_output=True,
                              text=not binary, timeout=timeout, **extra)

    def popen(self, *args, cli=None, **keys):
        return subprocess.Popen([cli or clis()[0], *args], env=self.environment(), **keys)

    def load(self, data):
        return self.http('POST', '/images/load?quiet=1', data, {'Content-Type': 'application/x-tar'})


# images

def add(tar, name, data=b'', mode=0o644, **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = mode
    for key, value in fields.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def busybox_layer():
    with open(shutil.which('busybox'), 'rb') as f:
        binary = f.read()
    applets = subprocess.run(['busybox', '--list'], capture_output=True, text=True, check=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for directory in ('bin', 'etc', 'root', 'home'):
            add(tar, directory, mode=0o755, type=tarfile.DIRTYPE)
        add(tar, 'tmp', mode=0o1777, type=tarfile.DIRTYPE)
        add(tar, 'bin/busybox', binary, 0o755)
        for applet in applets:
            if applet != 'busybox':
                add(tar, 'bin/' + applet, type=tarfile.SYMTYPE, linkname='busybox')
        probe = built('probe')
        if os.path.exists(probe):
            with open(probe, 'rb') as f:
                add(tar, 'bin/probe', f.read(), 0o755)
        add(tar, 'etc/passwd', b'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n')
        add(tar, 'etc/group', b'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n')
    return out.getvalue()


def image_config(layers, **config):
    config = {'Cmd': ['sh'], 'Env': ['PATH=/bin'], **config}
    return json.dumps({
        'architecture': 'amd64', 'os': 'linux', 'created': '2020-01-01T00:00:00Z', 'config': config,
        'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(x).hexdigest() for x in layers]},
        'history': [{'created': '2020-01-01T00:00:00Z', 'created_by': 'test'} for _ in layers]}).encode()


def save_tar(tag, layers, **config):
    """As `docker save` of Docker 1.10 and later wrote it."""
    conf = image_config(layers, **config)
    conf_name = hashlib.sha256(conf).hexdigest() + '.json'
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        names = []
        for i, layer in enumerate(layers):
            names.append(f'{i}/layer.tar')
            add(tar, names[-1], layer)
        add(tar, conf_name, conf)
        add(tar, 'manifest.json', json.dumps([{'Config': conf_name, 'RepoTags': [tag], 'Layers': names}]).encode())
    return out.getvalue()


def oci_tar(tag, layers, **config):
    """An OCI image layout."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        def blob(data, media):
            digest = hashlib.sha256(data).hexdigest()
            add(tar, 'blobs/sha256/' + digest, data)
            return {'mediaType': media, 'digest': 'sha256:' + digest, 'size': len(data)}
        base = 'application/vnd.oci.image.'
        parts = [blob(x, base + 'layer.v1.tar') for x in layers]
        conf = blob(image_config(layers, **config), base + 'config.v1+json')
        manifest = blob(json.dumps({'schemaVersion': 2, 'mediaType': base + 'manifest.v1+json', 'config': conf,
                                    'layers': parts}).encode(), base + 'manifest.v1+json')
        manifest['annotations'] = {'io.containerd.image.name': 'docker.io/library/' + tag,
                                   'org.opencontainers.image.ref.name': tag.split(':')[1]}
        add(tar, 'oci-layout', b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, 'index.json', json.dumps({'schemaVersion': 2, 'manifests': [manifest]}).encode())
    return out.getvalue()


def until(condition, seconds=15, what='condition'):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f'not within {seconds} s: {what}')
