-- SPDX-License-Identifier: MIT
-- A host is opened over ssh, too: by a key of its own, and for nobody but who shows one of the keys that are
-- kept beside it.
alter table muster.credential
	add column kind text not null default 'password'
		constraint credential_kind_check check (kind in ('password', 'ssh-key')),
	add column host_keys text
		constraint credential_host_keys_check check (host_keys ~ '^([a-z0-9-]+ [A-Za-z0-9+/]+=*\n)+$' and length(host_keys) <= 8000),
	add constraint credential_host_keys_kind_check check ((kind = 'ssh-key') = (host_keys is not null)),
	drop constraint credential_organization_id_host_key,
	add constraint credential_organization_id_host_kind_key unique (organization_id, host, kind),
	drop constraint credential_sealed_check,
	add constraint credential_sealed_check check (length(sealed) between 1 and 12000);
