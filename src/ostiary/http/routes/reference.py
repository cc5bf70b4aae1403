"""The OpenAPI document arranged for people: groups of calls, what each takes and gives. Pure."""

import re
from typing import Any

TITLES = {
    "account": ("Accounts", "Signing up, one's own profile, the password."),
    "session": ("Login state", "Logging in and out, the list of devices, ending sessions."),
    "oauth": ("OAuth", "What standard clients know: form-encoded, errors as RFC 6749 has them."),
    "services": ("Other services", "The means by which others check, exchange and hand on."),
    "administration": (
        "Administration",
        "For accounts with the role admin; a change needs a password proven within five minutes.",
    ),
    "operation": ("Operation", "For whoever runs the server."),
}
"""Of each tag, in the order of the page."""


def groups_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What the template shows, in the order of the document's tags."""
    calls: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            calls[operation["tags"][0]].append(_call(method, path, operation, document))
    return [
        {"name": name, "title": TITLES[name][0], "about": TITLES[name][1], "calls": found}
        for name, found in calls.items()
        if found
    ]


def refusals_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Every status of a refusal and what it says, once."""
    found = {
        status: response["description"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status >= "400"
    }
    return sorted(found.items())


def _call(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    responses = operation["responses"]
    return {
        "id": re.sub(r"\W+", "-", f"{method}{path}").strip("-"),
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "needs_login": "security" in operation,
        "parameters": [
            {"name": parameter["name"], "about": _plain(parameter.get("description", ""))}
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        ],
        "body_type": next(iter(body), ""),
        "body": [field for content in body.values() for field in _fields(content["schema"], document)],
        "answers": [
            {
                "status": status,
                "about": response["description"],
                "members": [
                    field["name"]
                    for content in response.get("content", {}).values()
                    for field in _fields(content["schema"], document)
                ],
            }
            for status, response in responses.items()
            if status < "400" or (status == "503" and path == "/readyz")
        ],
        "refusals": [status for status in responses if status >= "400"],
    }


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    schema = _resolved(schema, document)
    required = set(schema.get("required", ()))
    return [
        {
            "name": name,
            "type": _type_of(member, document),
            "required": name in required,
            "default": member.get("default"),
            "about": _plain(member.get("description", "")),
        }
        for name, member in schema.get("properties", {}).items()
    ]


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _type_of(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """A few words: `string, at most 1024`, `session | stateful`, `list of string`."""
    schema = _resolved(schema, document)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type_of(part, document) for part in schema["anyOf"]))
    if schema.get("type") == "array":
        return "list of " + _type_of(schema.get("items", {}), document)
    kind = schema.get("type", "anything")
    kind = " | ".join(kind) if isinstance(kind, list) else kind
    return f"{kind}, at most {schema['maxLength']} characters" if "maxLength" in schema else str(kind)


def _plain(text: str) -> str:
    """Without the marks that Markdown has for code."""
    return text.replace("`", "").rstrip(".")
