"""A form for a list that takes no sign-ups puts nobody on another one."""

import re

from newsletter.app import Newsletter
from tests.web.served import Project


def test_a_form_that_names_a_closed_list_signs_up_for_no_other(here: Project) -> None:
    """Also where just one list is open: an old form on another web site may name one that was closed since."""
    source = (here.root / "newsletter.toml").read_text(encoding="utf-8")
    (here.root / "newsletter.toml").write_text(
        source.replace('title = "Events"\nsign_up = true', 'title = "Events"'), encoding="utf-8"
    )
    here.newsletter = Newsletter.open(here.root, here.newsletter.project.environ)
    with here.client() as client:
        stamp = re.findall(r'name="form-stamp" value="([^"]*)"', client.get("/subscribe").text)[0]
        said = {"email": "ada@example.com", "form-stamp": stamp}
        for named in ("events", "donors", "nothing"):
            answer = client.post("/subscribe", data={**said, "list": named}, headers={"Accept": "application/json"})
            assert (answer.status_code, "lists" in answer.json()["problems"]) == (422, True)
            assert client.post("/subscribe", data={**said, "list": named}).status_code == 422
            assert client.get(f"/subscribe/challenge?list={named}").status_code == 404
        assert here.rows()["subscriber"] == []
        assert client.post("/subscribe", data=said).status_code == 200
    assert here.status("ada@example.com") == "pending"
