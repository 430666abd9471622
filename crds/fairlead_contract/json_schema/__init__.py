"""The JSON Schemas that users write in `schema`: keywords, references inside one schema, compilation, `writeOnly`."""
