"""The exam quorum: does its grader tell right solutions from wrong ones?"""

from tests.exams.proving import *

EXAM = "exam-quorum"
