-- SPDX-License-Identifier: MIT
-- What a job of kind scan brings home.
--
--   scan_record(p_job, p_lease, p_report) → false: the lease is lost, nothing was written. p_report is what
--       `muster scan --format json` prints, of the one repository that the job is about. Its findings are
--       stored, the job and its run are completed, and scan_complete tells it. MU400: this is no such
--       report, or the repository was removed meanwhile.
--
-- The result of the job: {total_results, added, reopened, gone, whole, fetched, scanned, known, bytes}: how many
-- versions of files were read, and how many had been before. fetched: nothing that should have been
-- fetched before could not be; else the run's message says why. Counts of the run: {severity: of what was seen
-- and is neither ignored nor resolved}, which total_results is the sum of.

create function muster.scan_record(p_job bigint, p_lease uuid, p_report jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_repo muster.repo;
	v_target jsonb := p_report #> '{coverage,targets,0}';
	v_findings jsonb;
	v_done jsonb;
	v_counts jsonb;
	v_total bigint;
	v_whole boolean;
	v_stale text;
begin
	select * into v_job from muster.job
	 where id = p_job and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return false;
	end if;
	if jsonb_typeof(p_report -> 'findings') is distinct from 'array'
	   or jsonb_array_length(p_report #> '{coverage,targets}') is distinct from 1 then
		raise exception using errcode = 'MU400', message = 'This is no report of a scan.';
	end if;
	select * into v_repo from muster.repo
	 where id = (v_job.payload ->> 'repo_id')::uuid and organization_id = v_job.organization_id
	   and removed_at is null;
	if v_repo.id is null then
		raise exception using errcode = 'MU400', message = 'The repository was removed meanwhile.';
	end if;
	v_whole := coalesce(v_target ->> 'kind' = 'history' and v_target -> 'partly' = 'false'
			    and p_report #> '{coverage,partly}' = 'false', false);
	select coalesce(jsonb_agg(muster.finding_of_scan(f.value, f.ignored)), '[]') into v_findings
	  from (select value, false as ignored from jsonb_array_elements(p_report -> 'findings')
		union all
		select value, true from jsonb_array_elements(coalesce(p_report -> 'ignored', '[]'))) f
	 where f.value ->> 'status' is distinct from 'removed';
	v_done := muster.finding_store(v_repo.id, 'secret', v_job.run_id, v_findings, v_whole);
	select coalesce(jsonb_object_agg(s.severity, s.n), '{}'), coalesce(sum(s.n), 0) into v_counts, v_total
	  from (select f.severity, count(*) as n
		  from jsonb_array_elements(v_findings) x
		  join muster.finding f on f.repo_id = v_repo.id and f.kind = 'secret'
		   and f.fingerprint = x ->> 'fingerprint'
		 where f.state in ('open', 'in_progress')
		 group by 1) s;
	update muster.run set counts = v_counts where id = v_job.run_id;
	v_stale := muster.fetch_fault((v_job.payload ->> 'fetch')::bigint);
	perform muster.job_progress(p_job, p_lease, 100, concat_ws('; ',
		case when v_whole then 'Complete' else 'Complete, but not everything could be read' end,
		'of the state before, because ' || v_stale));
	perform muster.job_complete(p_job, p_lease,
		jsonb_build_object('total_results', v_total, 'whole', v_whole, 'fetched', v_stale is null,
			'added', v_done -> 'added', 'reopened', v_done -> 'reopened', 'gone', v_done -> 'gone',
			'scanned', v_target -> 'scanned', 'known', v_target -> 'known', 'bytes', v_target -> 'bytes'));
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select v_job.organization_id, p.slug, 'scans', 'scan_complete', coalesce(v_job.run_id, v_job.id)::text,
	       jsonb_build_object('scan_id', coalesce(v_job.run_id, v_job.id), 'repository_id', v_repo.id)
	  from muster.project p where p.id = v_repo.project_id;
	return true;
end
$$;
