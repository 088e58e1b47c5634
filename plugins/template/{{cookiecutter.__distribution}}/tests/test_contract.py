"""The strategy keeps every promise that the server relies on."""

from ostiary.testing import StrategyContract


class Test{{ cookiecutter.__class }}(StrategyContract):
    plugin = "{{ cookiecutter.__slug }}"
    good = {"member": "0042", "phrase": "correct horse battery staple"}
    other = {"member": "0043", "phrase": "another phrase that is long"}
    wrong = {"phrase": "wrong horse battery staple"}
