"""Breaking a cluster, and measuring what its clients notice.

probe     asks the service through the VIP, again and again, from the workstation
probing   the probe as a process, and telling what it sees as it comes
events    what the nodes, their fencing and their BMCs reported, on one clock
outages   turns samples and events into outages, their phases, and times with several owners of the VIP
writes    a counter that is written through the VIP, and which of its numbers the service still has
report    what is kept of a measurement
records   the folder of a measurement, with its report and pictures
run       injects a fault, watches, and heals it
timeline  draws the picture of a run
"""
