"""Coverage-guided fuzzing of every decoder. What was found is kept in `fixtures/fuzz` and played back by the tests."""
