"""Where our answers may differ from the recorded ones of dockerd 20.10, and why."""

# dockerd has changed its words since 20.10; ours are those of 25 and later. (pattern in the recorded text, ours)
REWORDED = (
    ('failed to create shim task: OCI', 'failed to create task for container: failed to create shim task: OCI'),
    ('Range of CPUs is', 'range of CPUs is'),
    ('Error response from daemon: Invalid signal: (NOPE|0)\n',
     r'Error response from daemon: cannot kill container: d1: invalid signal: \1\n'),
    ('Invalid signal: ', 'invalid signal: '),
    ('Invalid IPC mode', 'invalid IPC mode'),
    ('Invalid filter', 'invalid filter'),
    ('Unrecognised filter', 'unrecognized filter'),
    ('Unknown runtime specified', 'unknown or invalid runtime name:'),
    ('Cannot kill container', 'cannot kill container'),
    ('The linux daemon', 'the linux daemon'),
    ('Container <id> is not running', 'container <id> is not running'),
    ('no such container nobody', 'No such container: nobody'),
    ('daemon: strconv.Atoi', "daemon: invalid filter 'exited=x': strconv.Atoi"),
    ("invalid restart policy 'sometimes'", "invalid restart policy: unknown policy 'sometimes'; use one of 'no', "
     "'always', 'on-failure', or 'unless-stopped'"),
    ("maximum retry count cannot be used with restart policy 'always'",
     "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    # The recording host forwards no packets; ours turns that on where it makes a bridge.
    ('IPv4 forwarding is disabled. Networking will not work.\n', ''),
)

# Lines whose answers differ in more than that: what of ours is compared instead, and why.
DIFFERENT = {
    'docker run --rm --network none --ipc nonsense busybox true': {
        'reason': 'refused at create, as by newer versions; the CLI has its hint for the other words only',
        'ours': {'exit': 125},
    },
    'docker run --rm --network none --log-driver nonesuch busybox true': {
        'reason': 'the words of newer versions: there are no logging plugins',
        'ours': {'exit': 125},
    },
    'docker run --rm --network none --init busybox ps -o pid,args': {
        'reason': 'our init starts no helper of its own: the next number is 2',
        'ours': {'exit': 0, 'stderr': ''},
    },
    'docker run --rm --network none -v /tmp:relative busybox true': {
        'reason': 'the words of newer versions, which name the kind of mount',
        'ours': {'exit': 125},
    },
    'docker container prune --force --filter until=x': {
        'reason': 'our own words name what a time may be',
        'ours': {'exit': 1},
    },
}
