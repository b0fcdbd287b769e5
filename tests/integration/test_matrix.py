# SPDX-License-Identifier: Apache-2.0
"""The README's matrix is the one of the tests."""
import matrix


def test_the_readme_lists_each_case_and_no_other():
    assert matrix.written() == matrix.table(matrix.cases()), "run tests/integration/matrix.py"


def test_a_file_proves_a_case_once():
    names = [(bullet, name, file) for bullet, name, _, file in matrix.cases()]
    assert len(names) > 20 and len(set(names)) == len(names)


def test_a_case_of_two_files_is_one_row_of_both():
    found = [("Races", "CANCEL", "caller to carrier", "test_a.py"), ("Races", "CANCEL", "both", matrix.SIPP)]
    assert matrix.table(found).splitlines()[2:] == ["| Races | CANCEL | both | `test_a.py`, `test_sipp.py` |"]


def test_a_missing_row_and_a_foreign_one_are_seen():
    found = matrix.cases()
    text = f"{matrix.BEGIN}\n{matrix.table(found)}\n{matrix.END}"
    assert matrix.written(text) == matrix.table(found)
    assert matrix.written(text) != matrix.table(found[1:])
    assert matrix.written(text) != matrix.table([*found, ("Forks", "a case that no test proves", "both", "test_x.py")])
