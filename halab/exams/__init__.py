"""Exams: labs whose tasks are graded by what the cluster really does.

paper     exam.toml, the task text, and grade.py, read and checked
draw      what a learner is given: a function of exam, instance and seed
hints     what is told for points
sitting   beginning an exam, and what is remembered of it
grade     the result, as data
grading   points, from checks that look, and from checks that break things and put them back
text      what a learner is to do, with the values that were drawn for them
sheets    that, as an instructor hands it out
signing   telling whether an attempt is still what was graded
attempts  what is kept of each grading; who has an exam on this machine
reports   what others read of that: HTML, JUnit, CSV, Gradescope
terminal  what the terminal shows of an exam
"""
