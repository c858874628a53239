-- SPDX-License-Identifier: MIT
-- Times as crontab(5) writes them: minute, hour, day of the month, month, day of the week.
--
--   cron_field(p_text, p_low, p_high, p_names) → the numbers that a field stands for; null: it is none.
--   cron_parse(p_cron) → minutes, hours, days, months, weekdays (0 is Sunday), is_either. MU400 (field cron).
--       A field is a list of *, a number, a range a-b, and the first or the last of these with a step: */n,
--       a-b/n. Months and days of the week also have their names' first three letters; 7 is Sunday too.
--       @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually stand for all five.
--       is_either: as crontab(5) has it, where neither field of a day contains *, either one will do; else
--       both must be so.
--   cron_next(p_cron, p_zone, p_after) → the first such time after that one; null: never, like the 30th of
--       February.
--   timezone_check(p_zone): MU400 (field timezone) when it is no place's, like Europe/Berlin, and not UTC.
--
-- Where clocks are put forward, a time that does not exist is the moment right after the gap; where they
-- are put back, one that exists twice is the first of the two. So says cron(8) of what has its hours, and
-- of what comes in every hour that it goes on by the clock: it leaves out what does not exist, and comes
-- twice at what exists twice.

create function muster.cron_field(p_text text, p_low integer, p_high integer, p_names text[] default null)
returns integer[]
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_found integer[] := '{}';
	v_part text;
	v_match text[];
	v_from integer;
	v_to integer;
begin
	foreach v_part in array string_to_array(lower(p_text), ',') loop
		v_match := regexp_match(v_part, '^(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?$');
		if v_match is null then
			return null;
		elsif v_match[1] is not null then
			v_from := p_low;
			-- 7 is 0 once more.
			v_to := p_high - (p_names[1] = 'sun' and p_high = 7)::integer;
		else
			v_from := case when v_match[2] ~ '[0-9]' then v_match[2]::integer
				       else array_position(p_names, v_match[2]) - 1 + p_low end;
			v_to := case when v_match[3] is null then v_from
				     when v_match[3] ~ '[0-9]' then v_match[3]::integer
				     when v_match[3] = 'sun' then 7 * (v_from > 0)::integer
				     else array_position(p_names, v_match[3]) - 1 + p_low end;
		end if;
		-- A step needs something to go through.
		if v_from is null or v_to is null or v_from < p_low or v_to > p_high or v_from > v_to
		   or v_match[4]::integer not between 1 and p_high
		   or (v_match[4] is not null and v_match[1] is null and v_match[3] is null) then
			return null;
		end if;
		v_found := v_found || array(select generate_series(v_from, v_to, coalesce(v_match[4]::integer, 1)));
	end loop;
	return array(select distinct n from unnest(v_found) n order by n);
end
$$;

create function muster.cron_parse(p_cron text, out minutes integer[], out hours integer[], out days integer[],
				  out months integer[], out weekdays integer[], out is_either boolean)
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_names constant text[] := array['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually'];
	v_means constant text[] := array['0 * * * *', '0 0 * * *', '0 0 * * *', '0 0 * * 0', '0 0 1 * *', '0 0 1 1 *', '0 0 1 1 *'];
	v_text text := btrim(p_cron, E' \t');
	v_fields text[];
begin
	v_text := coalesce(v_means[array_position(v_names, lower(v_text))], v_text);
	v_fields := regexp_split_to_array(v_text, '[ \t]+');
	if cardinality(v_fields) <> 5 then
		perform muster.field_error('cron', 'must have five fields (minute, hour, day of the month, month, day of the'
			|| ' week), like 30 4 * * mon-fri, or be one of ' || array_to_string(v_names, ', '));
	end if;
	minutes := muster.cron_field(v_fields[1], 0, 59);
	hours := muster.cron_field(v_fields[2], 0, 23);
	days := muster.cron_field(v_fields[3], 1, 31);
	months := muster.cron_field(v_fields[4], 1, 12, array['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug',
							      'sep', 'oct', 'nov', 'dec']);
	weekdays := muster.cron_field(v_fields[5], 0, 7, array['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']);
	if minutes is null then
		perform muster.field_error('cron', 'has a first field that is no minutes, 0 to 59');
	elsif hours is null then
		perform muster.field_error('cron', 'has a second field that is no hours, 0 to 23');
	elsif days is null then
		perform muster.field_error('cron', 'has a third field that is no days of the month, 1 to 31');
	elsif months is null then
		perform muster.field_error('cron', 'has a fourth field that is no months, 1 to 12 or jan to dec');
	elsif weekdays is null then
		perform muster.field_error('cron', 'has a fifth field that is no days of the week, 0 to 7 or sun to sat');
	end if;
	weekdays := array(select distinct n % 7 from unnest(weekdays) n order by 1);
	is_either := strpos(v_fields[3] || v_fields[5], '*') = 0;
end
$$;

create function muster.cron_next(p_cron text, p_zone text, p_after timestamptz) returns timestamptz
language plpgsql stable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_cron record := muster.cron_parse(p_cron);
	v_is_hourly boolean := cardinality(v_cron.hours) = 24;
	v_utc constant text := 'UTC';
	v_day date := (p_after at time zone p_zone)::date - 1;
	v_end date := v_day + 366 * 50; -- the 29th of February may be eight years off, and be no Monday for long
	v_last date;
	v_fits integer;
	v_minute_after integer;
	v_local timestamp;
	v_shift interval;
	v_low timestamptz;
	v_high timestamptz;
	v_middle timestamptz;
	v_times timestamptz[];
	v_time timestamptz;
	v_found timestamptz;
begin
	while v_day < v_end and v_day <= coalesce(v_last, v_day) loop
		if not extract(month from v_day)::integer = any (v_cron.months) then
			v_day := date_trunc('month', v_day + interval '1 month')::date;
			continue;
		end if;
		v_fits := (extract(day from v_day)::integer = any (v_cron.days))::integer
			  + (extract(dow from v_day)::integer = any (v_cron.weekdays))::integer;
		if v_fits = 2 or (v_fits = 1 and v_cron.is_either) then
			v_low := (v_day - 1)::timestamp at time zone p_zone;
			v_high := (v_day + 2)::timestamp at time zone p_zone;
			if v_low at time zone p_zone - v_low at time zone v_utc
			   = v_high at time zone p_zone - v_high at time zone v_utc then
				-- No clock is touched around this day.
				v_minute_after := floor(extract(epoch from p_after at time zone p_zone - v_day::timestamp) / 60);
				select (v_day + min(h * 60 + m) * interval '1 minute') at time zone p_zone into v_time
				  from unnest(v_cron.hours) h cross join unnest(v_cron.minutes) m
				 where h * 60 + m > v_minute_after;
				v_found := least(v_found, v_time);
			else
				-- By so much a clock may show less than it did before.
				v_shift := interval '2 hours' + greatest(
					v_low at time zone p_zone - v_low at time zone v_utc - (v_high at time zone p_zone - v_high at time zone v_utc),
					v_high at time zone p_zone - v_high at time zone v_utc - (v_low at time zone p_zone - v_low at time zone v_utc));
				for v_local in
					select l.l from (
						select v_day + (h * 60 + m) * interval '1 minute' as l
						  from unnest(v_cron.hours) h cross join unnest(v_cron.minutes) m) l
					 where l.l >= p_after at time zone p_zone - v_shift
					 order by l.l
				loop
					exit when v_local > v_found at time zone p_zone + v_shift;
					-- With the difference from UTC of a day before and of a day after: the
					-- moments that the clock shows this at are among them.
					v_times := array(
						select distinct t.t
						  from unnest(array[v_local - interval '1 day', v_local + interval '1 day']) l (l)
						 cross join lateral (
							select (v_local - (x.at at time zone p_zone - x.at at time zone v_utc))
							       at time zone v_utc
							  from (select l.l at time zone p_zone) x (at)) t (t)
						 where t.t at time zone p_zone = v_local
						 order by t.t);
					if cardinality(v_times) = 0 and not v_is_hourly then
						-- The first moment at which the clock is beyond it.
						v_low := v_local at time zone v_utc - interval '2 days';
						v_high := v_local at time zone v_utc + interval '2 days';
						while v_high - v_low > interval '1 second' loop
							v_middle := date_trunc('second', v_low + (v_high - v_low) / 2);
							if v_middle at time zone p_zone > v_local then
								v_high := v_middle;
							else
								v_low := v_middle;
							end if;
						end loop;
						v_times := array[v_high];
					elsif not v_is_hourly then
						v_times := v_times[1:1];
					end if;
					select least(v_found, min(t)) into v_found from unnest(v_times) t where t > p_after;
				end loop;
			end if;
			-- What a clock is put back over midnight for may come on the day before.
			if v_found is not null and v_last is null then
				v_last := v_day + 1;
			end if;
		end if;
		v_day := v_day + 1;
	end loop;
	return v_found;
end
$$;

create function muster.timezone_check(p_zone text) returns void
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	-- PostgreSQL takes more for one: abbreviations, and formulas like Europe/Berlin2, which is no place.
	if p_zone <> 'UTC' and (p_zone !~ '^[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+){1,2}$'
				or not exists (select from pg_timezone_names where name = p_zone)) then
		perform muster.field_error('timezone', 'is no time zone, like UTC or Europe/Berlin');
	end if;
end
$$;
