"""The command lines that are compared, in order: one session, one state. SH lines are run by sh in the container's
stead: only `docker` lines are compared."""

LINES = r'''
docker ps -a
docker create --name c1 --network none busybox true
docker create --name c1 --network none busybox true
docker create --name -bad --network none busybox true
docker create --name c2 --pull never --network none nonesuch:latest true
docker create --name c3 --network none busybox
docker ps -a --format {{.Names}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Status}}
docker start nobody
docker start c1
docker wait c1
docker start -a c1
docker ps -a --format {{.Names}}|{{.State}}
docker inspect c1 --format {{.State.Status}}|{{.State.Running}}|{{.State.ExitCode}}|{{.RestartCount}}
docker inspect c1 --format {{.Path}}|{{.Args}}|{{.Config.Cmd}}|{{.Config.Image}}|{{.HostConfig.NetworkMode}}
docker inspect nobody
docker rm nobody
docker rm c1
docker rm c1
docker rm -f c1
docker run --name r1 --network none busybox echo hello
docker run --rm --network none busybox sh -c "echo out; echo err >&2; exit 7"
docker run --rm --network none busybox nonesuch
docker run --rm --network none busybox /etc/passwd
docker run --rm --network none -w relative busybox true
docker run --rm --network none -u nobodyhere busybox true
docker run --rm --network none -e A=1 -e B busybox sh -c "echo $A-$B"
docker run --rm --network none --hostname box busybox hostname
docker run --rm --network none --entrypoint echo busybox one two
docker run --rm --network none --read-only busybox touch /x
docker run --rm --network none -m 4m busybox true
docker run --rm --network none -m 16m --memory-swap 8m busybox true
docker run --rm --network none --memory-swap 64m busybox true
docker run --rm --network none --memory-reservation 1m busybox true
docker run --rm --network none --cpus 1000 busybox true
docker run --rm --network none --cpus 1 --cpu-quota 5000 busybox true
docker run --rm --network none --cpu-period 1 busybox true
docker run --rm --network none --cpu-quota 10 busybox true
docker run --rm --network none --cpuset-cpus 999 busybox true
docker run --rm --network none --cpuset-cpus a busybox true
docker run --rm --network none --cpuset-mems 99 busybox true
docker run --rm --network none --memory-swappiness 101 busybox true
docker run --rm --network none --oom-score-adj 2000 busybox true
docker run --rm --network none --stop-signal NOPE busybox true
docker run --rm --network none --restart always busybox true
docker run --rm --network none --pid nonsense busybox true
docker run --rm --network none --ipc nonsense busybox true
docker run --rm --network none --log-driver nonesuch busybox true
docker run --rm --network none --cap-add NONESUCH busybox true
docker run --rm --network none --security-opt nonsense busybox true
docker run --rm --network none --runtime nonesuch busybox true
docker run --rm --network none --init busybox ps -o pid,args
docker run --rm --network none -v relative/path:/x busybox true
docker run --rm --network none -v /tmp:relative busybox true
docker run --rm --network none --mount type=bind,source=/nonesuch,target=/x busybox true
docker create --name pol --network none --restart sometimes busybox true
docker create --name pol --network none --restart always:3 busybox true
docker logs r1
docker logs --tail 1 r1
docker logs nobody
docker rename r1 r2
docker rename r2 r2
docker rename r2 -bad
docker rename nobody other
docker inspect r2 --format {{.Name}}
docker run -d --name d1 -l tier=front --network none busybox sleep 1000
docker run -d --name d2 -l tier --net none --stop-signal USR1 busybox sh -c "trap 'exit 4' USR1; sleep 99 & wait"
docker rename d1 d2
docker ps --format {{.Names}}|{{.State}}
docker ps -q --no-trunc --filter name=^/d1$
docker ps --filter label=tier --format {{.Names}}
docker ps --filter label=tier=front --format {{.Names}}
docker ps -a --filter exited=0 --format {{.Names}}
docker ps --filter exited=0 --format {{.Names}}
docker ps -a --filter exited=x
docker ps -a --filter status=running --format {{.Names}}
docker ps -a --filter status=nonsense
docker ps -a --filter health=nonsense
docker ps -a --filter nonsense=1
docker ps -a --filter before=d2 --format {{.Names}}
docker ps -a --filter since=d1 --format {{.Names}}
docker ps -a --filter since=nobody
docker ps -a --filter ancestor=busybox --format {{.Names}}
docker ps -a --filter ancestor=nonesuch --format {{.Names}}
docker ps -a --filter is-task=maybe
docker ps -a --filter publish=1:2
docker ps -n 1 --format {{.Names}}
docker ps -l --format {{.Names}}
docker start d1
docker pause d1
docker pause d1
docker ps --format {{.Names}}|{{.State}}
docker start d1
docker rm d1
docker unpause d1
docker unpause d1
docker pause nobody
docker unpause nobody
docker top d1 -o pid,args
docker top d1 -o nonsense
docker top d1 -o ppid=PID
docker top nobody
docker kill -s NOPE d1
docker kill -s 0 d1
docker kill -s 99 d1
docker kill -s USR1 nobody
docker kill -s WINCH d1
docker update d1
docker update --memory 1m d1
docker update --memory 64m d1
docker update --memory 64m --memory-swap -1 d1
docker update --cpus 0.5 d1
docker update --cpu-quota 5000 d1
docker update --cpuset-cpus 999 d1
docker update --pids-limit 50 d1
docker update --restart on-failure:3 d1
docker update --restart sometimes d1
docker update --memory 64m nobody
docker inspect d1 --format {{.HostConfig.Memory}}|{{.HostConfig.MemorySwap}}|{{.HostConfig.NanoCpus}}
docker inspect d1 --format {{.HostConfig.PidsLimit}}|{{.HostConfig.RestartPolicy}}
docker stop -t 0 d1
docker stop d1
docker inspect d1 --format {{.State.Status}}|{{.State.ExitCode}}|{{.State.OOMKilled}}
docker kill d1
docker pause d1
docker top d1
docker restart -t 0 d1
docker inspect d1 --format {{.State.Status}}|{{.RestartCount}}
docker stop d2
docker wait d2
docker restart nobody
docker stop nobody
docker wait nobody
docker rm d1
docker rm -f d1
docker rm --link d2
docker run -d --name fail --restart on-failure:2 --network none busybox sh -c "exit 3"
SETTLE fail
docker inspect fail --format {{.State.Status}}|{{.State.ExitCode}}|{{.RestartCount}}
docker run --name oomy --network none -m 16m --memory-swap 16m busybox sh -c "a=x; while true; do a=$a$a; done"
docker inspect oomy --format {{.State.ExitCode}}|{{.State.OOMKilled}}
docker create --name sized --network none busybox true
docker ps -a --filter name=sized --size --format {{.Names}}
docker container prune --force --filter nonsense=1
docker container prune --force --filter until=x
docker container prune --force --filter label=none
docker container prune --force --filter label!=tier
docker ps -a --format {{.Names}}
docker container prune --force
docker container prune --force
docker ps -aq
'''


def lines():
    return [line for line in LINES.strip().splitlines() if line]
