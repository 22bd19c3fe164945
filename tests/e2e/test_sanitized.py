"""What a sanitizer says of a worker fails the test that it worked for, also from behind its system call filter."""
import os
import signal
import subprocess
import unittest

import harness


def is_sanitized():
    engine = harness.built('dockercd')
    return 'libasan' in subprocess.run(['ldd', engine], capture_output=True, text=True).stdout


def confined_worker(engine, verb):
    """The pid of the engine's worker that does this, once its filter is there."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/status') as f:
                status = f.read()
            with open(f'/proc/{pid}/cmdline') as f:
                words = f.read().split('\0')
        except OSError:
            continue
        if f'PPid:\t{engine.process.pid}\n' in status and 'Seccomp:\t2' in status and verb in words:
            return int(pid)
    return None


class Reports(unittest.TestCase):
    def test_a_confined_worker_is_heard(self):
        if not is_sanitized():
            raise unittest.SkipTest('the engine is not a sanitized one')
        engine = harness.Engine()
        engine.start()
        image = harness.save_tar('busybox:latest', [harness.busybox_layer()])
        with engine.connect() as s:
            s.sendall(b'POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n'
                      b'Content-Length: %d\r\n\r\n' % len(image) + image[:len(image) // 2])
            worker = harness.until(lambda: confined_worker(engine, 'load'), what='a confined worker')
            os.kill(worker, signal.SIGSEGV)  # what a wild pointer would do
            harness.until(lambda: 'ERROR: AddressSanitizer' in engine.log(), what='its report')
        self.assertRaisesRegex(AssertionError, 'AddressSanitizer', engine.destroy)
