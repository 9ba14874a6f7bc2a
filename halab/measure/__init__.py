"""Breaking a cluster and measuring what its clients notice.

probe     asks the service through the VIP, again and again, from the workstation
events    what the nodes, their fencing and their BMCs told, on one clock
outages   from samples and events to outages, their phases, and times with several owners of the VIP
report    what is kept of a measurement
run       injecting, watching, healing
timeline  the picture
"""
