"""Runs the lines through a docker CLI against an engine's socket and makes what they print comparable."""
import json
import os
import re
import shlex
import subprocess
import time

import lines

SETTLED = 20   # seconds at most for a restart policy to come to its end

PATTERNS = (
    (re.compile(r'\b[0-9a-f]{64}\b'), '<id>'),
    (re.compile(r'\b[0-9a-f]{12}\b'), '<id12>'),
    (re.compile(r'(?:Less than a second|About an? (?:minute|hour)|\d+ (?:second|minute|hour)s?)(?: ago)?'), '<time>'),
    (re.compile(r'\d{4}-\d\d-\d\dT[\d:.]+Z?'), '<date>'),
    (re.compile(r'(Total reclaimed space: ).*'), r'\1<size>'),
    (re.compile(r'[ \t]+$', re.M), ''),
)


def normalised(text):
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def sorted_lines(text):
    return ''.join(sorted(text.splitlines(keepends=True)))


def one(cli, environment, line):
    words = [cli] + shlex.split(line)[1:]
    r = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    out, err = normalised(r.stdout), normalised(r.stderr)
    if line.startswith('docker container prune'):
        out = sorted_lines(out)   # in no order
    if ' top ' in line:
        out = re.sub(r'\b\d+\b', '<n>', out)
        out = re.sub(r' +', ' ', out)
    return {'line': line, 'exit': r.returncode, 'stdout': out, 'stderr': err}


def settle(cli, environment, name):
    deadline = time.monotonic() + SETTLED
    while time.monotonic() < deadline:
        r = subprocess.run([cli, 'inspect', name, '--format', '{{.State.Status}}'], env=environment,
                           capture_output=True, text=True)
        if r.stdout.strip() == 'exited':
            return
        time.sleep(0.1)


def run(cli, socket, config):
    environment = dict(os.environ, DOCKER_HOST='unix://' + socket, DOCKER_CONFIG=config)
    for name in ('DOCKER_CONTEXT', 'DOCKER_TLS_VERIFY', 'DOCKER_API_VERSION', 'B'):
        environment.pop(name, None)
    out = []
    for line in lines.lines():
        if line.startswith('SETTLE '):
            settle(cli, environment, line.split()[1])
        else:
            out.append(one(cli, environment, line))
    return out


def load(path):
    with open(path) as f:
        return json.load(f)


def save(path, answers):
    with open(path, 'w') as f:
        json.dump(answers, f, indent=1, sort_keys=True)
        f.write('\n')
