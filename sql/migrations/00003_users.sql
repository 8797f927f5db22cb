-- Accounts and their refresh tokens. A token itself is never stored.

-- +goose Up
create table users (
    id            bigint      generated always as identity primary key,
    name          text        not null check (length(name) between 1 and 150),
    role          text        not null check (role in ('viewer', 'operator', 'admin')),
    is_active     boolean     not null default true,
    password_hash text        not null,
    created_at    timestamptz not null default now()
);

create unique index users_name on users (lower(name));

create table refresh_tokens (
    hash       bytea       primary key, -- SHA-256 of the token's id
    family     text        not null,    -- all tokens that came from one log-in
    user_id    bigint      not null references users (id) on delete cascade,
    issued_at  timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    revoked_at timestamptz
);

-- Serves the end of a family.
create index refresh_tokens_family on refresh_tokens (family);
-- Serves the removal of expired tokens.
create index refresh_tokens_expires on refresh_tokens (expires_at);

-- +goose Down
drop table refresh_tokens;
drop table users;
