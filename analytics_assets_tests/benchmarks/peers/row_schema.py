"""The JSON Schema of a row, for the peers that need one."""

TYPES = {
    "id": "integer",
    "name": "string",
    "email": "string",
    "stage": "string",
    "amount": "number",
    "score": "number",
    "visits": "integer",
    "active": "boolean",
    "createdAt": "integer",
    "updatedAt": "integer",
    "owner": "object",
    "tags": "array",
    "note": "string",
    "city": "string",
    "source": "string",
}
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": [kind] if name == "id" else ["null", kind]} for name, kind in TYPES.items()},
}
