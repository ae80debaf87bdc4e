import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table user_account (
      id uuid primary key,
      name text not null unique,
      display_name text not null,
      email text,
      password_hash text,
      password_temporary boolean not null default false,
      roles text[] not null,
      disabled boolean not null default false,
      created_at timestamptz not null default now(),
      last_seen_at timestamptz
    )`.execute(db)
  await sql`
    create table group_account (
      id uuid primary key,
      name text not null unique,
      description text not null default '',
      created_at timestamptz not null default now()
    )`.execute(db)
  await sql`
    create table group_member (
      group_id uuid not null references group_account on delete cascade,
      user_id uuid not null references user_account on delete cascade,
      primary key (group_id, user_id)
    )`.execute(db)
  await sql`create index group_member_user on group_member (user_id)`.execute(db)
  await sql`
    create table token (
      id uuid primary key,
      user_id uuid not null references user_account on delete cascade,
      kind text not null check (kind in ('session', 'api')),
      name text not null,
      hash bytea not null unique,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null,
      last_used_at timestamptz
    )`.execute(db)
  await sql`create index token_user on token (user_id)`.execute(db)
  await sql`create index token_expiry on token (expires_at)`.execute(db)
  await sql`
    create table login_attempt (
      key text primary key,
      failures int not null,
      last_failed_at timestamptz not null,
      blocked_until timestamptz not null
    )`.execute(db)
  await sql`
    create table audit (
      id uuid primary key,
      at timestamptz not null,
      user_id uuid,
      user_name text,
      address text not null,
      action text not null,
      subject_type text,
      subject_id text,
      outcome text not null,
      detail jsonb not null default '{}',
      request_id text not null
    )`.execute(db)
  await sql`create index audit_user on audit (user_id, id desc)`.execute(db)
  await sql`create index audit_subject on audit (subject_id, id desc)`.execute(db)
  await sql`create index audit_action on audit (action, id desc)`.execute(db)
  await sql`
    create table idempotency (
      user_id uuid not null references user_account on delete cascade,
      key text not null,
      request_hash bytea not null,
      started_at timestamptz not null,
      status int,
      headers jsonb,
      body jsonb,
      secret boolean not null default false,
      primary key (user_id, key)
    )`.execute(db)
  await sql`create index idempotency_age on idempotency (started_at)`.execute(db)
}
