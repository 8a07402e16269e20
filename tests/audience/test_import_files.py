"""Nasty files: whatever a program or a person wrote, good rows arrive whole, bad ones are told, and nothing shifts."""

import io
import zipfile

import pytest

from newsletter.audience.importing import ImportCounts
from newsletter.audience.subscribers import find_subscriber
from newsletter.database.connection import Database
from newsletter.errors import AudienceError
from tests.audience.imports import addresses

HEAD = "email,first_name,country\n"
ADA = "ada@example.com,Ada,GB\n"
NAMES = "email,first_name\nada@example.com,Zoë Ümlaut\n"

READ: dict[str, tuple[str | bytes, str | None]] = {
    "semicolons": ("email;first_name\nada@example.com;Ada\n", "Ada"),
    "tabs": ("email\tfirst_name\nada@example.com\tAda\n", "Ada"),
    "bars": ("email|first_name\nada@example.com|Ada\n", "Ada"),
    "Excel's sep= line": ("sep=;\r\nemail;first_name\r\nada@example.com;A,da\r\n", "A,da"),
    "Excel's sep= line with an odd sign": ("sep=^\nemail^first_name\nada@example.com^Ada\n", "Ada"),
    "commas within a semicolon file": ("email;first_name;a,b,c,d\nada@example.com;Ada;x\n", "Ada"),
    "one column": ("email\nada@example.com\n", None),
    "UTF-8 mark": (b"\xef\xbb\xbf" + NAMES.encode(), "Zoë Ümlaut"),
    "UTF-16 with a mark": (NAMES.encode("utf-16"), "Zoë Ümlaut"),
    "UTF-16 big with a mark": (b"\xfe\xff" + NAMES.encode("utf-16-be"), "Zoë Ümlaut"),
    "UTF-16 little without a mark": (NAMES.encode("utf-16-le"), "Zoë Ümlaut"),
    "UTF-16 big without a mark": (NAMES.encode("utf-16-be"), "Zoë Ümlaut"),
    "UTF-16 with tabs, Excel's Unicode text": (NAMES.replace(",", "\t").encode("utf-16"), "Zoë Ümlaut"),
    "UTF-32": (NAMES.encode("utf-32"), "Zoë Ümlaut"),
    "Windows-1252": (NAMES.encode("cp1252"), "Zoë Ümlaut"),
    "Windows-1252 with curly quotes": ("email,first_name\nada@example.com,“Ada”\n".encode("cp1252"), "“Ada”"),
    "carriage returns only": (b"email,first_name\rada@example.com,Ada\r", "Ada"),
    "mixed line ends": (b"email,first_name\r\nx@example.com,X\nada@example.com,Ada\r", "Ada"),
    "no line end": (b"email,first_name\nada@example.com,Ada", "Ada"),
    "everything quoted": ('"email","first_name"\n"ada@example.com","Ada"\n', "Ada"),
    "quotes and commas in quotes": ('email,first_name\nada@example.com,"Ada, ""A"""\n', 'Ada, "A"'),
    "empty lines, also before the header": ("\n\n  \nemail,first_name\n\n\nada@example.com,Ada\n\n", "Ada"),
    "a line of commas": ("email,first_name\n,\n , \nada@example.com,Ada\n", "Ada"),
    "trailing separators everywhere": ("email,first_name,,\nada@example.com,Ada,,\n", "Ada"),
    "trailing separators in a row": ("email,first_name\nada@example.com,Ada,,,\n", "Ada"),
    "spaces around": ("  email , first_name \n  ada@example.com ,  Ada  \n", "Ada"),
    "spaces that do not break": ("email,first_name\n\u00a0ada@example.com\u00a0,\u00a0Ada\n", "Ada"),
    "another order": ("first_name,email\nAda,ada@example.com\n", "Ada"),
    "other names of the columns": ("E-Mail Address,First Name\nada@example.com,Ada\n", "Ada"),
    "German names of the columns": ("E-Mail-Adresse;Vorname\nada@example.com;Ada\n", "Ada"),
    "the same person with another case": ("email,first_name\nADA@Example.COM,Ada\nada@example.com,Ada\n", "Ada"),
    "a formula in a name": (
        'email,first_name\nada@example.com,"=HYPERLINK(""http://example.com"")"\n',
        '=HYPERLINK("http://example.com")',
    ),
    "a formula guarded by an apostrophe": ("email,first_name\nada@example.com,'=1+1\n", "=1+1"),
    "an apostrophe that belongs to the name": ("email,first_name\nada@example.com,'Ada\n", "'Ada"),
    "a header that tries to be one": ("email,first_name\nada@example.com,Bcc: x@example.com\n", "Bcc: x@example.com"),
    "SQL in a name": (
        "email,first_name\nada@example.com,'); DROP TABLE subscriber;--\n",
        "'); DROP TABLE subscriber;--",
    ),
    "a slot in a name": ("email,first_name\nada@example.com,{{ 7*7 }}\n", "{{ 7*7 }}"),
    "COPY's end of data": ("email,first_name\nada@example.com,\\.\n", "\\."),
    "COPY's null": ("email,first_name\nada@example.com,\\N\n", "\\N"),
    "NULL as a word": ("email,first_name\nada@example.com,NULL\n", "NULL"),
    "decomposed letters": ("email,first_name\nada@example.com,Zoe\u0308\n", "Zoë"),
    "an emoji family": ("email,first_name\nada@example.com,👩‍👩‍👧\n", "👩‍👩‍👧"),
    "right to left": ("email,first_name\nada@example.com,مريم\n", "مريم"),
}

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "too few cells": ("ada@example.com,Ada", "The row has 2 cells, and there are 3 columns."),
    "too many cells": ("ada@example.com,Lovelace, Ada,GB", "The row has 4 cells, and there are 3 columns."),
    "shifted by one": (",ada@example.com,Ada,GB", "The row has 4 cells"),
    "shifted within the width": ("Ada,ada@example.com,GB", "must have an @-sign"),
    "name where a country belongs": ("ada@example.com,GB,Ada", "country is not a two-letter code"),
    "no address": (",Ada,GB", "There is no address in the row."),
    "NUL in a name": ("ada@example.com,A\0da,GB", "another character that cannot be shown"),
    "NUL in the address": ("a\0da@example.com,Ada,GB", "invalid characters"),
    "a line break in a name": ('ada@example.com,"Ada\nBcc: x@example.com",GB', "first_name has a line break"),
    "a line separator in a name": ("ada@example.com,Ada\u2028x,GB", "first_name has a line break"),
    "an escape code in a name": ("ada@example.com,\x1b[31mAda,GB", "first_name has a line break"),
    "a line break in the address": ('"ada@example.com\nBcc: x@example.com",Ada,GB', "not an email address"),
    "a quote never closed": ('ada@example.com,"Ada,GB', 'A quote (") is opened'),
    "a quote in the wrong place": ('ada@example.com,"A"da,GB', 'A quote (") stands where none belongs'),
    "a cell of a megabyte": (f"ada@example.com,{'A' * 1_000_000},GB", "longer than 100000 characters"),
    "a quoted cell of a megabyte": (f'ada@example.com,"{"A" * 1_000_000}",GB', "longer than 100000 characters"),
    "a name of 300 characters": (f"ada@example.com,{'A' * 300},GB", "first_name is longer than 200"),
    "320 characters": (f"{'a' * 64}@{'b.' * 126}com,Ada,GB", "too long"),
    "a part of 65 characters": (f"{'a' * 65}@example.com,Ada,GB", "too long before the @-sign"),
    "a quoted local part": ('"""ada b""@example.com",Ada,GB', "Quoting the part before the @-sign"),
    "two addresses": ("ada@example.com; eve@example.com,Ada,GB", "not an email address"),
    "a name and an address": ("Ada <ada@example.com>,Ada,GB", "not an email address"),
    "mailto": ("mailto:ada@example.com,Ada,GB", "invalid characters before"),
    "an apostrophe before the address": ("'ada@example.com,Ada,GB", "begins with an apostrophe"),
    "no domain": ("ada@localhost,Ada,GB", "not an email address"),
    "bytes that are no UTF-8": ("ada@example.com,Z\u00fc".encode() + b"\xff,GB", "cannot be read"),
}


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read(sqlite_database: Database, import_sqlite, name: str) -> None:
    content, first = READ[name]
    done, _ = import_sqlite(content)
    assert done.counts.refused == 0
    with sqlite_database.read() as connection:
        assert find_subscriber(connection, "ada@example.com").first_name == first


@pytest.mark.parametrize("name", REFUSED)
def test_a_row_is_refused_and_the_next_is_not(sqlite_database: Database, import_sqlite, name: str) -> None:
    row, reason = REFUSED[name]
    content = HEAD.encode() + (row if isinstance(row, bytes) else row.encode()) + b"\nbob@example.com,Bob,KE\n"
    done, outcomes = import_sqlite(content)
    assert addresses(sqlite_database) == ["bob@example.com"]
    refused = [one for one in outcomes if one.reason]
    assert refused[0].line == 2
    assert reason in refused[0].reason
    assert "ada" not in refused[0].reason.casefold(), "a reason is kept, and says nothing of the person"
    assert done.counts.new == 1


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("-n@example.org", "-n@example.org"),
        ("'-n@example.org", "-n@example.org"),
        ("o'neil@example.org", "o'neil@example.org"),
        ("=1+1@example.org", "=1+1@example.org"),
        ("INFO@Example.ORG", "info@example.org"),
        ("Zoë@example.org", "Zoë@example.org"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
    ],
)
def test_odd_addresses_that_can_be_mailed_come_in(database: Database, import_bytes, typed: str, kept: str) -> None:
    import_bytes(f"email\n{typed}\n")
    assert addresses(database) == [kept]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n \n", "is empty"),
        (b"\xff\xfe", "is empty"),
        (bytes(range(256)) * 8, "email"),
        (b"\x89PNG\r\n" + b"\0" * 400, "is not text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "old or an encrypted Excel"),
        (b"PK\x03\x04" + b"\0" * 60, "no workbook that can be read"),
        ("name,phone\nAda,1\n", "There is no column «email»"),
        ("ada@example.com,Ada\nbob@example.com,Bob\n", "the first row must name the columns"),
        ("email," + "x" * 200_000 + "\n", "longer than"),
    ],
)
def test_a_file_that_is_no_list_is_refused_whole(sqlite_database, import_sqlite, content, sentence: str) -> None:
    with pytest.raises(AudienceError, match=f"(?i){sentence}"):
        import_sqlite(content)
    assert addresses(sqlite_database) == []


def test_a_header_alone_imports_nobody(import_sqlite) -> None:
    assert import_sqlite(HEAD)[0].counts == ImportCounts()


def test_how_the_file_is_read_is_told(import_sqlite) -> None:
    done, _ = import_sqlite("email;first_name\nada@example.com;Zoë\n".encode("cp1252"))
    assert done.notes[0] == "The file is read as Windows-1252, separated by semicolons."
    assert "guess" in done.notes[1]


def test_unknown_columns_are_kept_and_told(sqlite_database: Database, import_sqlite) -> None:
    done, _ = import_sqlite("email,Shoe size,Frist name,日本,Größe\nada@example.com,39,Ada,x,L\n")
    with sqlite_database.read() as connection:
        kept = find_subscriber(connection, "ada@example.com").attributes
    assert kept == {"shoe_size": "39", "frist_name": "Ada", "column_4": "x", "grosse": "L"}
    assert done.notes == (
        "The column «Shoe size» is kept as attributes.shoe_size.",
        (
            "The column «Frist name» is kept as attributes.frist_name. "
            'If it is first_name, say so: --map "Frist name=first_name".'
        ),
        "The column «日本» is kept as attributes.column_4.",
        "The column «Größe» is kept as attributes.grosse.",
    )


def test_what_is_said_of_the_columns_counts(sqlite_database: Database, import_sqlite) -> None:
    done, _ = import_sqlite(
        "Mail to,Called,Notes,email\nada@example.com,Ada,secret,\n",
        columns={"mail TO": "email", "Called": "first_name", "Notes": "", "email": "attributes.old"},
    )
    with sqlite_database.read() as connection:
        ada = find_subscriber(connection, "ada@example.com")
    assert (ada.first_name, ada.attributes, done.notes) == ("Ada", {}, ())


def test_a_cell_in_a_column_without_a_name_is_refused(import_sqlite) -> None:
    done, outcomes = import_sqlite("email,,country\nada@example.com,,GB\nbob@example.com,Bob,KE\n")
    assert done.counts == ImportCounts(1, 0, 0, 1)
    assert outcomes[1].reason == "Cell 2 is filled, and its column has no name."


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31 12:30:00", "2026-01-31"),
        ("2026-01-31T12:30:00Z", "2026-01-31"),
        ("31/01/2026", None),
        ("46053", None),
        ("2026-02-29", None),
        ("2026-13-01", None),
    ],
)
def test_a_day_is_a_day_or_is_refused(sqlite_database, import_sqlite, typed: str, day: str | None) -> None:
    done, _ = import_sqlite(f"email,joined\nada@example.com,{typed}\n")
    assert done.counts.new == (day is not None)
    if day:
        with sqlite_database.read() as connection:
            assert find_subscriber(connection, "ada@example.com").joined.isoformat() == day


MAILCHIMP = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,'
    "LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,UNSUB_TIME,CLEAN_TIME,LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
    'ada@example.com,Ada,Lovelace,2,"2020-01-02 10:00:00",192.0.2.1,"2020-01-03 10:00:00",192.0.2.1,1,2,0,0,,GB,,,,'
    '"2020-01-03 10:00:00",1,a1,met in Nairobi,"""ngo"",""donor"""\n'
    'bob@example.com,Bob,,2,,,,,,,,,,,,"2021-01-03 10:00:00",,,2,b1,,\n'
    'eve@example.com,Eve,,2,,,,,,,,,,,,,"2021-01-03 10:00:00",,3,c1,,\n'
)
LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    '1-a,ada@example.com,Ada Lovelace,"{""city"": ""London"", ""n"": 3, ""none"": null}",enabled,'
    "2020-01-03T10:00:00Z,2020-01-03T10:00:00Z\n"
    "1-b,bob@example.com,Bob,{},blocklisted,2020-01-03T10:00:00Z,\n"
    "1-c,eve@example.com,Eve,{},disabled,2020-01-03T10:00:00Z,\n"
)
BUTTONDOWN = (
    "email,notes,metadata,tags,referrer_url,creation_date,secondary_id,subscriber_type,ip_address\n"
    'ada@example.com,met in Nairobi,"{""city"": ""London""}","[""ngo"", ""donor""]",,2020-01-03,1,premium,192.0.2.1\n'
    "bob@example.com,,{},,,2020-01-03,2,unsubscribed,\n"
    "eve@example.com,,{},,,2020-01-03,3,unactivated,\n"
)
SENDGRID = (
    "EMAIL,FIRST_NAME,LAST_NAME,ADDRESS_LINE_1,CITY,COUNTRY,ALTERNATE_EMAILS,CREATED_AT,UPDATED_AT,CONTACT_ID\n"
    "ada@example.com,Ada,Lovelace,,London,United Kingdom,,2020-01-03T10:00:00Z,2020-01-03T10:00:00Z,1-a\n"
)


@pytest.mark.parametrize(
    ("service", "content", "refused", "tags", "attributes"),
    [
        ("Mailchimp", MAILCHIMP, 2, ("donor", "ngo"), {"notes": "met in Nairobi"}),
        ("listmonk", LISTMONK, 2, (), {"name": "Ada Lovelace", "city": "London", "n": "3"}),
        ("Buttondown", BUTTONDOWN, 2, ("donor", "ngo"), {"notes": "met in Nairobi", "city": "London"}),
        ("SendGrid", SENDGRID, 0, (), {"city": "London", "country": "United Kingdom"}),
    ],
)
def test_other_services_are_known_and_who_left_there_stays_out(
    *, sqlite_database, import_sqlite, service: str, content: str, refused: int, tags, attributes
) -> None:
    done, outcomes = import_sqlite(content)
    assert done.counts == ImportCounts(1, 0, 0, refused)
    assert service in done.notes[0]
    assert all(service in one.reason for one in outcomes if one.reason)
    with sqlite_database.read() as connection:
        ada = find_subscriber(connection, "ada@example.com")
    assert (ada.joined.isoformat(), ada.tags, dict(ada.attributes)) == ("2020-01-03", tags, attributes)


def test_mailchimps_file_of_those_who_left_is_refused(sqlite_database, import_sqlite) -> None:
    with pytest.raises(AudienceError, match="people who left"):
        import_sqlite(MAILCHIMP, name="unsubscribed_members_export_1.csv")
    assert addresses(sqlite_database) == []


def test_a_status_in_any_file_is_respected(import_sqlite) -> None:
    done, outcomes = import_sqlite("email,Status\nada@example.com,Active\nbob@example.com,Unsubscribed\n")
    assert done.counts == ImportCounts(1, 0, 0, 1)
    assert outcomes[1].reason == "This person is unsubscribed according to the file, and stays out."


TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" '
    'Target="{target}"/>{more}</Relationships>'
)
STYLES = (
    '<?xml version="1.0"?><styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def workbook(rows: str, sheets: int = 1) -> bytes:
    """An Excel workbook whose first sheet has these rows, as XML."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    more = f'<Relationship Id="r2" Type="{relations}/styles" Target="styles.xml"/>'
    names = "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="r{1 if n == 1 else 3}"/>' for n in range(1, sheets + 1))
    if sheets > 1:
        more += f'<Relationship Id="r3" Type="{relations}/worksheet" Target="worksheets/sheet2.xml"/>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS.format(kind="officeDocument", target="xl/workbook.xml", more=""))
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{names}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            RELATIONS.format(kind="worksheet", target="worksheets/sheet1.xml", more=more),
        )
        archive.writestr("xl/styles.xml", STYLES)
        for number in range(1, min(sheets, 2) + 1):
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{rows if number == 1 else ""}</sheetData></worksheet>',
            )
    return file.getvalue()


def cells(number: int, *values: str | tuple[str, int]) -> str:
    """A row; a text stands in the cell, a pair is a number and its style."""
    made = []
    for letter, value in zip("ABCDEFG", values, strict=False):
        if isinstance(value, tuple):
            made.append(f'<c r="{letter}{number}" s="{value[1]}"><v>{value[0]}</v></c>')
        elif value:
            made.append(f'<c r="{letter}{number}" t="inlineStr"><is><t>{value}</t></is></c>')
    return f'<row r="{number}">{"".join(made)}</row>'


def test_a_workbook_is_read_as_a_person_sees_it(sqlite_database: Database, import_sqlite) -> None:
    rows = cells(3, "email", "first_name", "joined", "attributes.room") + cells(
        5, "ada@example.com", "Ada", ("46053", 1), ("7", 0)
    )
    done, outcomes = import_sqlite(workbook(rows, sheets=2), name="people.xlsx")
    with sqlite_database.read() as connection:
        ada = find_subscriber(connection, "ada@example.com")
    assert (ada.first_name, ada.joined.isoformat(), ada.attributes) == ("Ada", "2026-01-31", {"room": "7"})
    assert outcomes[0].line == 5
    assert done.notes == ("Only the sheet «S1» is read, not: S2.",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (workbook(""), "no visible sheet with anything in it"),
        (workbook(cells(1, "email") + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'), "more than 3,000,000"),
        (workbook("<row>" + "<c/>" * 3_000_001 + "</row>"), "more than 3,000,000 cells"),
        (workbook(" " * 160_000_000), "unpacks to more than 150 MB"),
        (workbook(cells(1, "email"))[:-40], "damaged"),
    ],
)
def test_a_workbook_that_would_fill_the_memory_or_is_damaged_is_refused(import_sqlite, content, sentence) -> None:
    with pytest.raises(AudienceError, match=sentence):
        import_sqlite(content, name="people.xlsx")


def test_another_zip_is_no_workbook(import_sqlite) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("people.csv", HEAD + ADA)
    with pytest.raises(AudienceError, match="is a zip and no workbook"):
        import_sqlite(file.getvalue(), name="people.xlsx")
