"""The exam repair: does its grader tell right solutions from wrong ones?"""

from tests.exams.proving import *

EXAM = "exam-repair"
