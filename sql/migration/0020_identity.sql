-- SPDX-License-Identifier: MIT
-- Who is who elsewhere: an account's names with issuers (OpenID Connect, GitHub). The subject is what the
-- issuer promises never to give to somebody else; the address may change there.
create table muster.identity (
	id uuid primary key default gen_random_uuid(),
	account_id uuid not null constraint identity_account_id_fkey
		references muster.account on delete cascade,
	issuer text not null constraint identity_issuer_check check (length(issuer) between 1 and 500),
	subject text not null constraint identity_subject_check check (length(subject) between 1 and 255),
	email text constraint identity_email_check check (length(email) <= 254),
	created_at timestamptz not null default now(),
	used_at timestamptz,
	constraint identity_issuer_subject_key unique (issuer, subject)
);
create index identity_account_id_idx on muster.identity (account_id);
alter table muster.identity enable row level security;
-- identity has no policy on purpose: the owner's functions only.

-- Whether somebody has shown that the address is theirs, or an administrator said so. Who registers
-- alone has not: an issuer that vouches for the address takes such an account over, password and all,
-- for it may have been made by somebody who waits for the owner to come in.
alter table muster.account add column email_proven boolean not null default true;
