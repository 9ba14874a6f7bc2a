"""What the author of labs is given.

new        a lab, or a step, to start from
recorded   verify, and an exam's checks, without a cluster
prose      links and commands in what people read
lint       everything that is wrong with a lab
schemas    what editors know of lab.toml and exam.toml
"""
