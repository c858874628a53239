-- SPDX-License-Identifier: MIT
-- A second factor beside the password: codes of an app (RFC 6238), and codes on paper for the day on
-- which the telephone is gone.
create table muster.totp (
	account_id uuid primary key constraint totp_account_id_fkey
		references muster.account on delete cascade,
	sealed text not null constraint totp_sealed_check check (length(sealed) between 1 and 300),
	step bigint not null default 0, -- of the last code that was taken: it is not taken again
	recovery bytea[] not null default '{}', -- sha256 of the codes on paper that are left
	created_at timestamptz not null default now(),
	confirmed_at timestamptz -- null: nobody has shown a code yet, and none is asked for
);
alter table muster.totp enable row level security;
-- totp has no policy on purpose: the owner's functions only.
