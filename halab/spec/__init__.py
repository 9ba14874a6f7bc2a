"""What files say: labs, exams and distros, read and checked."""
