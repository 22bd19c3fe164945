"""A program in a real terminal: what it prints, what is typed, how large the window is."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time


class Terminal:
    def __init__(self, args, env=None, rows=30, columns=90):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(args, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.text = ''

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('4H', rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, text, seconds=15):
        """Reads until `text` has been printed; what stands before and after it is kept apart."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.master], [], [], left)[0]
            if not ready:
                raise AssertionError(f'{text!r} was not printed: {self.text!r}')
            self.text += os.read(self.master, 65536).decode(errors='replace')
        before, _, self.text = self.text.partition(text)
        return before

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def end(self, seconds=15):
        """The exit code; what is still printed is read meanwhile, so that nobody waits for us."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 65536).decode(errors='replace')
        while select.select([self.master], [], [], 0)[0]:   # what it printed right before its end
            self.text += os.read(self.master, 65536).decode(errors='replace')
        return self.process.poll()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
