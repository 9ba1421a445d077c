import re
import sys
from pathlib import Path

import pytest
import yaml

from coursework.errors import SetupError
from coursework.report import doctor
from coursework.report.doctor import Probes, diagnose, kernel_problem

SOUND = {
    "python": (3, 12, 1),
    "requirements": lambda: ["torch", "jupyter-book"],
    "version": lambda name: "1.0.4.post1",
    "torch": lambda: {"torch": "2.15.0", "gpu": "A card"},
    "kernel": lambda: None,
    "which": lambda name: f"/usr/bin/{name}",
    "fonts": lambda: "\n".join([*doctor.FONTS, "Other, TeX Gyre Heros"]),
    "style": lambda name: f"/usr/share/{name}",
    "data": lambda name: Path("/data"),
}


def test_a_sound_environment_has_no_remedies(capsys):
    findings = diagnose(Probes(**SOUND))
    assert {finding.state for finding in findings} == {"ok"}
    assert not any(finding.remedy for finding in findings)
    assert doctor.print_findings(Probes(**SOUND)) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(findings)


@pytest.mark.parametrize(
    ("change", "subject", "state", "words"),
    [
        ({"python": (3, 10, 4)}, "Python", "broken", r"3\.10\.4 is older.*PYTHON="),
        ({"version": lambda name: None}, "packages", "broken", "torch, jupyter-book.*pip install"),
        ({"version": lambda name: "2.1.7"}, "Jupyter Book", "broken", r"2\.1\.7.*jupyter-book==1\.0"),
        (
            {
                "torch": lambda: {
                    "torch": "2.15.0+cpu",
                    "torchvision": "RuntimeError: operator torchvision::nms does not",
                }
            },
            "torchvision",
            "broken",
            r"2\.15\.0\+cpu.*different builds.*both from the same place",
        ),
        ({"torch": lambda: {"torch": "2", "torchvision": "ImportError: x"}}, "torchvision", "broken", "ImportError: x"),
        ({"torch": lambda: {"torch": None, "error": "ImportError: libc"}}, "torch", "broken", "libc.*pip install"),
        ({"torch": lambda: {"torch": "2", "gpu": None}}, "GPU", "limited", "CPU.*nvidia-smi"),
        ({"kernel": lambda: "it is another's: run this."}, "kernel", "broken", "another's.*Run this"),
        ({"which": lambda name: None}, "TeX", "limited", "no xelatex, no latexmk, no make.*make report"),
        ({"style": lambda name: ""}, "TeX", "limited", r"unicode-math\.sty.*make report"),
        ({"fonts": lambda: "Arial"}, "fonts", "limited", "TeX Gyre Pagella Math.*make report"),
        ({"data": lambda name: None}, "data", "limited", "dataset-fashion-mnist"),
    ],
)
def test_each_fault_is_named_with_a_remedy(change, subject, state, words, capsys):
    probes = Probes(**(SOUND | change))
    found = [finding for finding in diagnose(probes) if finding.subject == subject]
    assert [finding.state for finding in found] == [state]
    assert re.search(words, f"{found[0].message} {found[0].remedy}")
    assert doctor.print_findings(probes) == (SetupError.exit_code if state == "broken" else 0)


def test_fonts_are_those_of_the_configuration():
    settings = yaml.safe_load((Path(__file__).parents[2] / "_config.yml").read_text(encoding="utf-8"))
    fontpkg = settings["sphinx"]["config"]["latex_elements"]["fontpkg"]
    assert set(re.findall(r"font\{([^}]+)\}", fontpkg)) == set(doctor.FONTS)


def test_the_kernel_must_be_this_interpreter(tmp_path):
    assert kernel_problem() is None
    folder = tmp_path / "share" / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    assert "has no Jupyter kernel" in kernel_problem(tmp_path)
    for argv, sound in (("python", True), (sys.executable, True), ("/opt/other/bin/python", False)):
        (folder / "kernel.json").write_text(f'{{"argv": ["{argv}", "-m", "x"]}}', encoding="utf-8")
        problem = kernel_problem(tmp_path)
        assert (problem is None) == sound
        assert sound or "/opt/other/bin/python" in problem
    for damage in ("", "[]", "{}", '{"argv": []}'):
        (folder / "kernel.json").write_text(damage, encoding="utf-8")
        assert "damaged" in kernel_problem(tmp_path)


def test_the_real_probes_see_this_environment():
    probes = Probes()
    assert {"torch", "papermill", "jupyter-book"} <= set(probes.requirements())
    assert "pytest" not in probes.requirements()
    assert probes.version("torch")
    assert probes.version("no-such-package-here") is None
    assert probes.python == sys.version_info[:3]
