#!/usr/bin/env bash
# Two nodes by hand: what a person would script with the same podman and ip calls, and nothing else.
# Usage: bare_up.sh IMAGE POOL   prints the holder's pid; end with: bare_down.sh PID
set -euo pipefail
image=$1 pool=$2

unshare --net --mount --propagation private sleep infinity </dev/null >/dev/null 2>&1 &
holder=$!
until [ "$(cat /proc/$holder/comm)" = sleep ]; do :; done
enter="nsenter --target=$holder --net --mount"
podman="$enter podman --cgroup-manager=cgroupfs"

$enter sh -e <<'SETUP'
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 bench /sys/fs/cgroup
ip link set lo up
ip link add lan type bridge; ip addr add 192.168.1.1/24 dev lan; ip link set lan up
ip link add mgmt type bridge; ip addr add 192.168.2.1/24 dev mgmt; ip link set mgmt up
SETUP

for number in 1 2; do
    node=node$number
    $podman create --name "bare-$node" --hostname "$node" --network none --systemd=always --no-hosts --pids-limit=0 \
        --uidmap 0:1900000000:65536 --gidmap 0:1900000000:65536 \
        --cap-add NET_ADMIN,NET_RAW,SYS_NICE,IPC_LOCK,SYS_ADMIN,SYS_PTRACE,AUDIT_WRITE,DAC_READ_SEARCH,SYSLOG \
        --shm-size 256m --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=32768:32768 \
        --volume "$pool:/srv/pool:ro" "$image" >/dev/null
    $podman init "bare-$node" >/dev/null
    pid=$($podman inspect --format '{{.State.Pid}}' "bare-$node")
    $enter ip link add "$node-lan" type veth peer name eth0 netns "$pid"
    $enter ip link set "$node-lan" master lan up
    $enter ip link add "$node-mgmt" type veth peer name eth1 netns "$pid"
    $enter ip link set "$node-mgmt" master mgmt up
    inside="nsenter --target=$pid --net ip"
    $inside link set lo up
    $inside addr add "192.168.1.$((9 + number))/24" dev eth0
    $inside link set eth0 up
    $inside addr add "192.168.2.$((9 + number))/24" dev eth1
    $inside link set eth1 up
    $podman start "bare-$node" >/dev/null
done
for node in node1 node2; do
    until state=$($podman exec "bare-$node" systemctl is-system-running) || [ "$state" = degraded ]; do sleep 0.1; done
    printf '127.0.0.1 localhost\n192.168.1.10 node1\n192.168.1.11 node2\n' |
        $podman exec --interactive "bare-$node" tee /etc/hosts >/dev/null
done
echo "$holder"
