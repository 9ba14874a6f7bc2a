#!/usr/bin/env bash
# The lab ha-web typed by a script: the same commands on the same nodes, waiting for the same states, checking nothing.
# Usage: bare_walk.sh HOLDER NODE1 NODE2 BMC-USER BMC-PASSWORD   (container names, of an instance with BMCs)
set -euo pipefail
holder=$1 one=$2 two=$3 user=$4 password=$5
hacluster=CorrectHorse

# As halab's own: without it a podman takes away nodes' disks as it ends (halab/providers/podman/containers.py)
podman="podman --cgroup-manager=cgroupfs --storage-opt=overlay.skip_mount_home=true"

on() { nsenter --target="$holder" --net --mount $podman exec "$1" bash -c "$2" >/dev/null 2>&1; }
both() { on "$one" "$1" & on "$two" "$1" & wait %1; wait %2; }
until_on() { until on "$1" "$2"; do sleep 0.25; done; }
served() { nsenter --target="$holder" --net curl --silent --max-time 2 http://192.168.1.100/ | grep -q "$1"; }

both 'apt-get update && apt-get install -y pacemaker pacemaker-cli-utils corosync pcs fence-agents ipmitool &&
      pcs cluster destroy </dev/null &&
      firewall-cmd --permanent --add-service=high-availability && firewall-cmd --reload && systemctl enable --now pcsd'
both "echo hacluster:$hacluster | chpasswd"
on "$one" "pcs host auth node1 node2 -u hacluster -p $hacluster"
on "$one" 'pcs cluster setup ha_cluster node1 node2 && pcs cluster start --all && pcs cluster enable --all'
until_on "$one" 'pcs property set dc-deadtime=1s'
until_on "$one" "pcs status | grep -q 'Online: \[ node1 node2 \]'"
on "$one" 'pcs property set stonith-enabled=false &&
           pcs resource create virtual_ip ocf:heartbeat:IPaddr2 ip=192.168.1.100 cidr_netmask=24 op monitor interval=30s'
until_on "$one" "pcs resource | grep -q 'virtual_ip.*Started'"
both 'apt-get install -y nginx && systemctl disable --now nginx &&
      firewall-cmd --permanent --add-service=http && firewall-cmd --reload &&
      echo "Served by $(hostname)" > /var/www/html/index.html'
on "$one" 'pcs resource create webserver ocf:heartbeat:nginx configfile=/etc/nginx/nginx.conf \
           status10url=http://127.0.0.1/nginx_status op monitor interval=10s'
until_on "$one" "pcs resource | grep -q 'webserver.*Started'"
on "$one" 'pcs constraint colocation add webserver with virtual_ip score=INFINITY &&
           pcs constraint order virtual_ip then webserver'
for node in node2 node1; do
    on "$one" "pcs resource move virtual_ip $node"
    until served "$node"; do sleep 0.25; done
done
for number in 1 2; do
    on "$one" "pcs stonith create fence_node$number fence_ipmilan ip=192.168.2.11$((number - 1)) username=$user \
               password=$password lanplus=1 pcmk_host_list=node$number op monitor interval=60s &&
               pcs constraint location fence_node$number avoids node$number"
done
on "$one" 'pcs property set stonith-enabled=true'
until_on "$one" "[ \$(pcs stonith | grep -c Started) = 2 ]"
on "$one" 'pcs stonith fence node2'
until_on "$one" "pcs status nodes | grep -q 'Online: node1 node2'"
until_on "$two" 'pcs stonith fence node1'
until_on "$two" "pcs status nodes | grep -q 'Online: node1 node2'"
until served Served; do sleep 0.25; done
