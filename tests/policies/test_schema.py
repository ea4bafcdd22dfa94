"""policies/schema.json: what an editor checks while one types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestration.lib.home import POLICIES_DIR
from orchestration.lib.policies.model import QUANTITY_UNITS
from orchestration.lib.policies.schema import render_schema
from tests.policies.support import PRIMARY, Edit, first, tier

FILES = sorted(POLICIES_DIR.glob("*.yml"))
FIRST_LINE = "# yaml-language-server: $schema=schema.json"


def read(path: Path) -> Any:
    """A policy file as a validator of JSON sees it: dates are texts."""
    return json.loads(json.dumps(yaml.safe_load(path.read_text("utf-8")), default=str))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((POLICIES_DIR / "schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def test_the_file_is_the_schema_of_the_models():
    assert (POLICIES_DIR / "schema.json").read_text("utf-8") == render_schema(), "run `tierhouse docs`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_policy_agrees_with_the_schema_and_names_it(
    validator: jsonschema.Draft202012Validator, path: Path
):
    assert [error.message for error in validator.iter_errors(read(path))] == []
    assert path.read_text("utf-8").splitlines()[0] == FIRST_LINE


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(colour="red"),
        lambda c: tier(c, 0).update(action="block"),
        lambda c: tier(c, 0).pop("rule_id"),
        lambda c: c.update(kind="heap"),
        lambda c: first(c)["measure"].update(quantity="luck"),
        lambda c: first(c).update(measure="luck"),
        lambda c: first(c).update(near_threshold_rate="a tenth"),
        lambda c: first(c).update(effective_from="soon"),
        lambda c: tier(c, 0)["owner"].update(age_max="60 months"),
        lambda c: tier(c, 0)["lower"].pop("inclusive"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(validator: jsonschema.Draft202012Validator, change: Edit):
    content = read(POLICIES_DIR / f"{PRIMARY}.yml")
    change(content)
    assert not validator.is_valid(content)


@pytest.mark.parametrize("name", ["asset_classes", "books", "measures", "roles"])
def test_an_unknown_key_in_a_shared_file_is_refused(validator: jsonschema.Draft202012Validator, name: str):
    content = read(POLICIES_DIR / f"{name}.yml")
    assert validator.is_valid(content)
    assert not validator.is_valid({**content, "colour": "red"})


def test_editors_are_offered_every_measure():
    schema = json.loads(render_schema())
    assert set(QUANTITY_UNITS) | {"assets"} <= set(schema["$defs"]["Measure"]["properties"]["quantity"]["enum"])
