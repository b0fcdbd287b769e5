# SPDX-License-Identifier: Apache-2.0
"""The README's matrix is the one of the tests."""
import matrix


def test_the_readme_lists_each_case_and_no_other():
    assert matrix.written() == matrix.table(matrix.cases()), "run tests/integration/matrix.py"


def test_a_case_has_one_test():
    names = [(bullet, name) for bullet, name, *_ in matrix.cases()]
    assert len(names) > 20 and len(set(names)) == len(names)


def test_a_missing_row_and_a_foreign_one_are_seen():
    found = matrix.cases()
    text = f"{matrix.BEGIN}\n{matrix.table(found)}\n{matrix.END}"
    assert matrix.written(text) == matrix.table(found)
    assert matrix.written(text) != matrix.table(found[1:])
    assert matrix.written(text) != matrix.table([*found, ("Forks", "a case that no test proves", "both", "test_x.py")])
