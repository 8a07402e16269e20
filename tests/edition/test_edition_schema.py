"""The JSON Schema by which editors complete and check edition.yaml says what the reader does."""

import json

import pytest

from newsletter.edition.blocks import KINDS, AnyBlock
from newsletter.edition.files import FIELD_NAMES, json_schema
from newsletter.edition.model import Edition

SCHEMA = json_schema()


def parts(part=SCHEMA):
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from parts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from parts(inner)


def test_it_says_what_it_is():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_part_is_closed_and_every_field_described():
    objects = [part for part in parts() if part.get("type") == "object"]
    assert len(objects) == len(KINDS) + 5
    for part in objects:
        assert part["additionalProperties"] is False
        assert part["description"]
        for name, field in part["properties"].items():
            assert field.get("description"), name


def test_each_kind_is_told_apart_by_a_constant():
    blocks = SCHEMA["properties"]["blocks"]["items"]["oneOf"]
    names = [block["$ref"].removeprefix("#/$defs/") for block in blocks]
    assert {SCHEMA["$defs"][name]["properties"]["kind"]["const"] for name in names} == set(KINDS)
    assert all("kind" in SCHEMA["$defs"][name]["required"] for name in names)


def test_columns_hold_no_columns():
    columns = SCHEMA["$defs"]["ColumnsBlock"]["properties"]["columns"]
    assert (columns["minItems"], columns["maxItems"]) == (2, 3)
    assert {"$ref": "#/$defs/ColumnsBlock"} not in columns["items"]["items"]["oneOf"]


def test_every_field_of_a_file_is_in_it():
    names = {name for part in parts() if part.get("type") == "object" for name in part["properties"]}
    assert names == FIELD_NAMES
    assert set(SCHEMA["required"]) == {"title", "subject", "blocks"}


@pytest.mark.parametrize("kind", KINDS)
def test_editors_offer_the_kind_first_and_what_all_blocks_have_last(kind):
    name = KINDS[kind].__name__
    fields = list(SCHEMA["$defs"][name]["properties"])
    assert fields[0] == "kind"
    assert set(fields[-len(AnyBlock.model_fields) :]) == set(AnyBlock.model_fields)


def test_plain_texts_may_be_written_as_numbers():
    """`value: 12` is right in a file, so an editor must not mark it."""
    assert SCHEMA["$defs"]["Stat"]["properties"]["value"]["type"] == ["string", "number", "boolean"]


def test_nothing_of_the_model_library_shows():
    assert not [part for part in parts() if "discriminator" in part]
    assert not [part for part in parts() if part is not SCHEMA and isinstance(part.get("title"), str)]
    assert Edition.__doc__ in SCHEMA["description"]
