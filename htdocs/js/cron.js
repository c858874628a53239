/* SPDX-License-Identifier: MIT */
/*
 * A cron expression in words. The server reads it (sql/api/cron.sql) and says when it comes; this says
 * only what is plain, and null for the rest, which is then shown as it is written.
 *
 *	cron_words("30 4 * * mon-fri")       // "Monday to Friday at 04:30"
 */
const MACRO = { "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *" };
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
		"November", "December"];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const TIMES_MAX = 4;

const two = (number) => String(number).padStart(2, "0");

function and(words) {
	return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words[0];
}

/* Plain numbers or names with commas between them; null: something else. */
function list_parse(field, low, high, names = []) {
	const numbers = field.split(",").map((part) => {
		const name = names.findIndex((word) => word.slice(0, 3).toLowerCase() === part.toLowerCase());
		return name >= 0 ? name + low : /^[0-9]{1,2}$/.test(part) ? Number(part) : NaN;
	});
	return numbers.every((number) => number >= low && number <= high) ? [...new Set(numbers)].sort((a, b) => a - b) : null;
}

/* The step of a field that goes evenly into what it steps through; 1 for all of it, null: neither. */
function step_parse(field, whole) {
	const step = field === "*" ? 1 : Number(/^\*\/([0-9]{1,2})$/.exec(field)?.[1]);
	return step > 0 && whole % step === 0 ? step : null;
}

function time_words(minute, hour) {
	const minutes = list_parse(minute, 0, 59);
	const hours = list_parse(hour, 0, 23);
	const every = step_parse(hour, 24);

	if (minutes === null) {
		const step = step_parse(minute, 60);
		return step && every === 1 ? { words: step === 1 ? "every minute" : `every ${step} minutes`, is_often: true } : null;
	}
	if (hours !== null) {
		const times = hours.flatMap((h) => minutes.map((m) => `${two(h)}:${two(m)}`));
		return times.length <= TIMES_MAX ? { words: `at ${and(times)}`, is_often: false } : null;
	}
	if (every === null || minutes.length > TIMES_MAX)
		return null;
	return { words: `every ${every === 1 ? "hour" : `${every} hours`}, ${minutes.length === 1 && minutes[0] === 0
		? "on the hour" : `at ${and(minutes.map((m) => `:${two(m)}`))}`}`, is_often: true };
}

function ordinal(number) {
	const last = number % 10;
	const is_teen = number > 10 && number < 14;
	return `${number}${is_teen ? "th" : last === 1 ? "st" : last === 2 ? "nd" : last === 3 ? "rd" : "th"}`;
}

/* "" for every day; null: not plain. Either field of a day will do when both are given: that is not plain. */
function day_words(day, month, weekday) {
	const months = month === "*" ? [] : list_parse(month, 1, 12, MONTHS);
	const of = months?.length ? and(months.map((m) => MONTHS[m - 1])) : "";

	if (months === null || (day !== "*" && weekday !== "*"))
		return null;
	if (day !== "*") {
		const days = list_parse(day, 1, 31);
		return days && `on the ${and(days.map(ordinal))} of ${of || "the month"}`;
	}
	if (weekday === "*")
		return of && `in ${of}`;
	const range = weekday.split("-").map((part) => list_parse(part, 0, 7, DAYS.slice(0, 7)));
	if (range.length === 2 && range.every((part) => part?.length === 1) && range[0][0] < range[1][0])
		return `${DAYS[range[0][0]]} to ${DAYS[range[1][0]]}${of && ` in ${of}`}`;
	const days = list_parse(weekday, 0, 7, DAYS.slice(0, 7));
	return days && `${and([...new Set(days.map((d) => `${DAYS[d]}s`))])}${of && ` in ${of}`}`;
}

export function cron_words(cron) {
	const fields = (MACRO[String(cron).trim().toLowerCase()] ?? String(cron)).trim().split(/\s+/);

	if (fields.length !== 5)
		return null;
	const time = time_words(fields[0], fields[1]);
	const days = day_words(fields[2], fields[3], fields[4]);
	if (time === null || days === null)
		return null;
	if (days === "")
		return time.is_often ? time.words : `every day ${time.words}`;
	return time.is_often ? `${time.words}, ${days}` : `${days} ${time.words}`;
}
