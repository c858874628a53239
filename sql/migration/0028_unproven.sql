-- SPDX-License-Identifier: MIT
-- When email_proven came, all addresses that there were counted as proven. Whoever had registered alone
-- had shown nothing: only a password made by a letter's link did (which has no organisation on the trail,
-- while one that was changed by who was signed in has). Who signs in by an issuer alone has no password,
-- and nothing that somebody else could know.
-- Nobody who watches accounts has to hear of it, and the functions that tell them are not there yet.
alter table muster.account disable trigger user;
update muster.account a set email_proven = false
 where a.email_proven and a.password_hash is not null
   and exists (select from muster.trail t
		where t.account_id = a.id and t.action = 'account.register')
   and not exists (select from muster.trail t
		    where t.account_id = a.id and t.action = 'account.password'
		      and t.organization_id is null);
alter table muster.account enable trigger user;
