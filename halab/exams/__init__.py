"""Exams: labs whose tasks are graded by what the cluster really does.

actions   what each command does to an instance
draw      what a learner is given: a function of exam, instance and seed
hints     hints, which may cost points
sitting   beginning an exam, and what is remembered of it
grade     the result, as data
grading   points, from checks that only look, and from checks that break things and put them back
text      what a learner is to do, with the values that were drawn for them
sheets    that text, as an instructor hands it out
signing   signatures, which tell whether an attempt is still what was graded
attempts  what is kept of each grading, and who has an exam on this machine
reports   an attempt for other readers: HTML, JUnit, CSV, Gradescope
witness   what the host sees of nodes: is what runs there what its packages contain?
"""
