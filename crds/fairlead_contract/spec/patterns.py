"""A description of each pattern of the spec, and how to write a value that it matches. Pure."""

from fairlead_contract.spec import model as scalars
from fairlead_contract.spec.network import CIDR_PATTERN

PATTERNS = {
    scalars.DURATION_PATTERN: ("a duration", "write it like 250ms, 30s, 5m or 1h30m"),
    scalars.NAME_PATTERN: ("a name", "use at most 63 lower-case letters, digits and dashes, starting with a letter"),
    scalars.NAMESPACE_PATTERN: ("a namespace", "use at most 63 lower-case letters, digits and dashes"),
    scalars.RESOURCE_NAME_PATTERN: (
        "a resource name",
        "use at most 40 lower-case letters, digits and dashes, starting with a letter",
    ),
    scalars.PROPERTY_NAME_PATTERN: (
        "a property name",
        "use at most 63 letters, digits and underscores, not starting with a digit",
    ),
    scalars.EVENT_TYPE_PATTERN: ("an event type", "write RESOURCE.verbInThePast, such as orders.created"),
    scalars.HOST_PATTERN: ("a host name", "write it like db.shop.svc"),
    scalars.HOST_PORT_PATTERN: ("host:port", "write it like redis.shop.svc:6379"),
    scalars.ORIGIN_PATTERN: (
        "an origin",
        "write it as browsers do, such as https://app.example.com, http://localhost:3000, https://*.example.com or *",
    ),
    scalars.FIELD_NAME_PATTERN: ("the name of a header field", "write it like X-Tenant; `*` is none"),
    scalars.HOSTNAME_PATTERN: (
        "a public host name",
        "write it in lower-case letters, like orders.example.com or *.example.com",
    ),
    scalars.OBJECT_NAME_PATTERN: ("the name of an object", "use lower-case letters, digits, dashes and dots"),
    scalars.LABEL_PATTERN: ("a namespace", "use at most 63 lower-case letters, digits and dashes"),
    scalars.LABEL_KEY_PATTERN: ("the key of a label", "write it like team or example.com/team"),
    scalars.LABEL_VALUE_PATTERN: (
        "the value of a label",
        "use at most 63 letters, digits, dashes, underscores and dots, with a letter or digit at both ends",
    ),
    scalars.IMAGE_PATTERN: ("an image", "write it like registry.example.com/team/workload:1, without spaces"),
    CIDR_PATTERN: ("a range of addresses", "write it like 10.0.0.0/8 or 2001:db8::/64"),
    scalars.QUANTITY_PATTERN: ("a quantity", "write it like 250m or 256Mi"),
}
