#!/usr/bin/env bash
# Usage: bare_down.sh PID   removes what bare_up.sh made
set -euo pipefail
nsenter --target="$1" --net --mount podman --cgroup-manager=cgroupfs rm --force --time=0 bare-node1 bare-node2 >/dev/null 2>&1 || true
kill "$1"
chown root:root /dev/null # which crun made the nodes' root's
