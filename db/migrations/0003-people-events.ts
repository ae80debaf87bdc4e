import { type Kysely, sql } from 'kysely'

/** People and groups are heard of like machines; "last seen" is no change anybody waits for. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create trigger user_made after insert or delete on user_account
      for each row execute function row_changed('user', 'id', 'id', '', '')`.execute(db)
  await sql`
    create trigger user_changed
      after update of name, display_name, email, roles, disabled, password_temporary on user_account
      for each row execute function row_changed('user', 'id', 'id', '', '')`.execute(db)
  await sql`
    create trigger group_changed after insert or update or delete on group_account
      for each row execute function row_changed('group', 'id', '', '', '')`.execute(db)
  await sql`
    create trigger group_member_changed after insert or delete on group_member
      for each row execute function row_changed('group', 'group_id', 'user_id', '', '')`.execute(db)
  await sql`
    create function user_disabled() returns trigger language plpgsql as $$
    begin
      -- Whoever is shut out is out at once: the screens that are open go dark too.
      if new.disabled and not old.disabled then
        update session set ended_at = now(), ended_reason = 'disabled' where user_id = new.id and ended_at is null;
      end if;
      return null;
    end $$;
    create trigger user_disabled after update on user_account for each row execute function user_disabled();
  `.execute(db)
}
