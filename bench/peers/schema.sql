-- The tables of the hand-written services: what is asked for has a column of its own, nested values are jsonb.
CREATE TABLE articles (
    id text PRIMARY KEY,
    category text NOT NULL,
    title text NOT NULL,
    price double precision NOT NULL,
    stock integer NOT NULL,
    active boolean NOT NULL,
    tags jsonb NOT NULL,
    attributes jsonb NOT NULL,
    description text NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX articles_by_category ON articles (category, title, id);

-- Events that follow from writes, in their transactions; a relay would publish them, and remove them.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    payload jsonb NOT NULL
);

-- For the worker that applies one event in a transaction: events that were applied, and what has become of them.
CREATE TABLE inbox (
    event text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE TABLE operations (
    id text PRIMARY KEY,
    status text NOT NULL,
    path text NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
