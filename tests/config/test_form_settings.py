"""Forms in newsletter.toml: a mistake in a question is told in words, at its place."""

from pathlib import Path

import pytest

from newsletter.config import load_settings
from newsletter.errors import ConfigError

MINIMAL = """[newsletter]
name = "Our News"
base_url = "https://news.example.org"
[identity]
from = "Our News <news@example.org>"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
[forms.chat]
title = "A chat"
fields = [
  { name = "email", label = "Your address", kind = "email" },
"""


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ('{ name = "when", label = "When?", kind = "choice" }', "nothing to choose from"),
        ('{ name = "when", label = "When?", kind = "choice", options = ["Now", "Now"] }', "«Now» is there twice"),
        ('{ name = "when", label = "When?", options = ["Now", "Later"] }', "«choice» only"),
        ('{ name = "email", label = "Another address" }', "two questions have the name «email»"),
        ('{ name = "form-stamp", label = "x" }', "cannot be used as a name"),
        ('{ name = "x", label = "x", kind = "emial" }', "Did you mean «email»?"),
        ('{ name = "x" }', "label of entry 2 of fields in [forms.chat] is missing"),
    ],
)
def test_a_question_that_cannot_be_asked_is_told(tmp_path: Path, question: str, said: str) -> None:
    path = tmp_path / "newsletter.toml"
    path.write_text(f"{MINIMAL}  {question},\n]\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    (finding,) = caught.value.findings
    assert said in f"{finding.what} {finding.fix}"
    assert finding.line is not None
