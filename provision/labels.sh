#!/bin/sh
# Writes into /labels/listing the label that SELinux's policy has for each file of this root, one "PATH<tab>LABEL" a line.
set -eu
for type in file:f dir:d lnk_file:l chr_file:c blk_file:b pipe:p sock_file:s; do
    find / -xdev -path /labels -prune -o -path /script.sh -prune -o -type "${type#*:}" -print0 |
        xargs -0 --no-run-if-empty matchpathcon -m "${type%:*}"
done >/labels/listing
