"""halab: labs to learn Pacemaker/Corosync clusters on, built, verified, reset and broken on purpose."""
