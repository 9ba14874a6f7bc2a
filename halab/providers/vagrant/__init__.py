"""Nodes as virtual machines: Vagrant makes them, libvirt switches and saves them."""
