"""From the models to the custom resource definitions: structural schemas, printer columns, CEL rules."""
