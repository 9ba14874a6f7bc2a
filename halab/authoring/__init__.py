"""Tools for the authors of labs.

new      makes a lab, or a step, to start from
stated   records the checks of a step or an exam, without a cluster
proofs   whether each check has a wrong solution
prose    links and commands in what people read
lint     everything that is wrong with a lab
schemas  what editors know of lab.toml and exam.toml
"""
