import re, threading, time
import pytest
from tests.web.served import Project, here, project
from tests.database.opened import database_url, empty_file, server, template

def test_more(project):
    P=[]
    person=project.add_person("rosa@example.org","community", first_name="Rosa")
    from newsletter.programs.access_tokens import Scope
    import inspect
    acc=project.newsletter.access
    tok=acc.create_token("x",[str(s) for s in Scope],lasts=None) if hasattr(acc,"create_token") else None
    with project.client(raise_server_exceptions=False) as c:
        page=c.get("/subscribe").text
        stamp=re.search(r'name="form-stamp"[^>]*value="([^"]+)"',page) or re.search(r'value="([^"]+)"[^>]*name="form-stamp"',page)
        st=stamp[1]
        def t(name,r): P.append((name,r.status_code,r.text[:300] if "api" in name else ""))
        t("origin [", c.post("/subscribe", data={"email":"a@example.org","list":"community","form-stamp":st}, headers={"Origin":"http://["}))
        t("nul", c.post("/subscribe", data={"email":"a@example.org","list":"community\0","form-stamp":st,"first_name":"a\0"}))
        t("nul2", c.post("/forms/updates", data={"email":"a@example.org","news":"a\0b","form-stamp":st}))
        H={"Authorization":f"Bearer {tok}"}
        for w in ('country == "\\u0000"','country == "\\x00"','first_name == "\\ud800"','"'+"("*400, "("*1000, 'contains(first_name, "%")', 'not '*300+'tags', 'joined > "9999-99-99"','attributes.x == 99999999999999999999999999999999999', 'first_name | default("x") == "a"', '1/0', 'a'*1000, 'attributes["\\u0000"] == "a"', 'tags contains "\\u0000"', '"\\u0000" in tags'):
            t("api where "+w[:40], c.get("/api/v1/subscribers", params={"where":w}, headers=H))
        t("api text", c.get("/api/v1/subscribers", params={"text":"%_\\'\";--"}, headers=H))
        t("api text", c.get("/api/v1/subscribers", params={"after":"9"*30}, headers=H))
        t("api auth", c.get("/api/v1/subscribers", headers={b"Authorization":"Bearer nl_é".encode("latin-1")}))
        t("api create", c.post("/api/v1/subscribers", json={"email":"Ro\u017fa@example.org","list":"events","consent":"x"}, headers=H))
        t("api create", c.post("/api/v1/subscribers", json={"email":"\u212aate@example.org","list":"events","consent":"x","joined":"0001-01-01"}, headers=H))
    for x in P: print(x)
    print([m["To"] for m in project.letters()])
    assert 0
