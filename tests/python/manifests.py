"""Holds files of deploy/ against their schemas, and prints what they say.

    manifests.py kubernetes FILE...
    manifests.py compose SCHEMA FILE

Every document is one line of JSON. What a schema does not know is an error, and ends it with exit
status 1.
"""

import json
import sys

import jsonschema
import kubernetes_validate
import yaml


def documents(path):
    with open(path, encoding="utf-8") as file:
        yield from yaml.safe_load_all(file)


def kubernetes(*paths):
    for path in paths:
        for document in documents(path):
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
            yield document


def compose(schema, path):
    with open(schema, encoding="utf-8") as file:
        validator = jsonschema.Draft7Validator(json.load(file))
    for document in documents(path):
        validator.validate(document)
        yield document


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    for checked in {"kubernetes": kubernetes, "compose": compose}[kind](*arguments):
        print(json.dumps(checked))
