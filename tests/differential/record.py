#!/usr/bin/env python3
"""Records what Debian's dockerd (20.10) answers to the lines: record.py [FILE], recorded.json when no file is named.

dockerd, containerd and runc are taken out of their packages into a directory of their own, run with roots of their own
and no network, and removed with everything they made. Nothing is installed."""
import glob
import os
import shutil
import socket as socketlib
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests/e2e'))
sys.path.insert(0, HERE)
import harness  # noqa: E402
import session  # noqa: E402

# What dockerd and containerd make outside of the roots they are given.
OUTSIDE = ('/etc/docker/key.json', '/etc/docker', '/opt/containerd', '/var/lib/docker', '/run/docker')
PACKAGES = ('docker.io', 'containerd', 'runc', 'tini')


def unpack(into):
    subprocess.run(['apt-get', '-qq', '-o', 'APT::Sandbox::User=root', 'download', *PACKAGES], cwd=into, check=True)
    for package in glob.glob(into + '/*.deb'):
        subprocess.run(['dpkg-deb', '-x', package, into + '/root'], check=True)
    init = into + '/root/usr/bin/docker-init'   # a link to where tini would be installed
    os.unlink(init)
    shutil.copy(into + '/root/usr/bin/tini-static', init)


def wait_for(socket, process):
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            with socketlib.socket(socketlib.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(socket)
                s.sendall(b'GET /_ping HTTP/1.0\r\n\r\n')
                if b'OK' in s.recv(4096):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError('dockerd did not start')


def clean(directory):
    """What dockerd leaves: mounts, processes, control groups."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                if directory.encode() + b'/' in f.read() and int(pid) != os.getpid():
                    os.kill(int(pid), 9)
        except OSError:
            continue
    for line in reversed(open('/proc/self/mountinfo').read().splitlines()):
        target = line.split()[4]
        if target.startswith(directory + '/'):
            subprocess.run(['umount', '-l', target], stderr=subprocess.DEVNULL)
    for path in glob.glob('/sys/fs/cgroup/*/dockerd-recorded') + glob.glob('/sys/fs/cgroup/dockerd-recorded'):
        for child in glob.glob(path + '/*/'):
            os.rmdir(child)
        os.rmdir(path)


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, 'recorded.json')
    directory = tempfile.mkdtemp(prefix='dockerd-recorded.')
    os.chmod(directory, 0o755)
    process = None
    outside = [path for path in OUTSIDE if not os.path.exists(path)]
    try:
        unpack(directory)
        root, socket = directory + '/root', directory + '/docker.sock'
        environment = dict(os.environ, PATH=f'{root}/usr/sbin:{root}/usr/bin:' + os.environ['PATH'])
        command = [root + '/usr/sbin/dockerd', '-H', 'unix://' + socket, '--data-root', directory + '/data',
                   '--exec-root', directory + '/exec', '--pidfile', directory + '/pid', '--bridge=none',
                   '--iptables=false', '--ip-forward=false', '--cgroup-parent', '/dockerd-recorded',
                   '--default-cgroupns-mode', 'private']
        with open(directory + '/log', 'wb') as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(socket, process)
        with open(directory + '/image.tar', 'wb') as f:
            f.write(harness.save_tar('busybox:latest', [harness.busybox_layer()]))
        cli = root + '/usr/bin/docker'
        subprocess.run([cli, '-H', 'unix://' + socket, 'load', '-i', directory + '/image.tar'], check=True)
        session.save(target, session.run(cli, socket, directory + '/config'))
        print('recorded', target)
    except Exception:
        if os.path.exists(directory + '/log'):
            print(open(directory + '/log').read()[-3000:], file=sys.stderr)
        raise
    finally:
        if process:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        clean(directory)
        for path in [directory] + outside:
            subprocess.run(['rm', '-rf', path])


if __name__ == '__main__':
    main()
