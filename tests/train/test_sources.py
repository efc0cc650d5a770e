import hashlib
from pathlib import Path

import pytest

from dist_bp.plugins import import_own
from dist_bp.train.sources import digests_of_modules, own_digest


def test_modules_of_the_users_own_are_told_with_those_that_they_use(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(workplace)
    texts = {
        "src_layers": "import numpy\nimport src_rates\nfrom dist_bp.nn import Layer\nfrom src_sizes import width\n",
        "src_rates": "import src_layers\nRATE = 2\n",
        "src_sizes": "def width(): return 4\n",
        "src_unused": "",
    }
    for name, text in texts.items():
        (workplace / f"{name}.py").write_text(text)
    assert import_own("src_layers:width")() == 4
    found = digests_of_modules(["src_layers:Wide", "src_missing:Other", "numpy:array", "dist_bp.nn:Model"])
    used = ("src_layers", "src_rates", "src_sizes")
    assert found == {name: hashlib.sha256(texts[name].encode()).hexdigest() for name in used}
    assert len(own_digest()) == 64
