/* SPDX-License-Identifier: MIT */
#ifndef CGI_INPUT_H
#define CGI_INPUT_H

#include <glib.h>

#include "lib/json.h"

/*
 * What a route may be given: where it stands in the request, its type and its bounds. A row of the
 * table of routes lists them; the same row checks what comes and describes it in the OpenAPI
 * document, so that the two cannot differ.
 *
 *	{ "limit", INPUT_QUERY, INPUT_INT, .min = 1, .max = 200 }
 *
 * An input that passed is one text, as PostgreSQL reads the argument: numbers in digits, true and
 * false, times as they came, lists and objects as JSON (the function takes jsonb).
 */

enum input_place {
	INPUT_PLACE_UNSET,
	INPUT_PATH,   /* {name} in the path */
	INPUT_QUERY,  /* ?name= */
	INPUT_BODY,   /* a member of the JSON object that is the body */
	INPUT_HEADER, /* a header of that name */
};

enum input_type {
	INPUT_TYPE_UNSET,
	INPUT_TEXT,   /* min to max characters, no control characters */
	INPUT_LINES,  /* the same with line feeds and tabs */
	INPUT_SECRET, /* min to max bytes of any UTF-8; never logged */
	INPUT_INT,    /* min to max */
	INPUT_BOOL,
	INPUT_TIME, /* RFC 3339, with an offset */
	INPUT_UUID,
	INPUT_WORD,    /* one of words */
	INPUT_WORDS,   /* some of words, separated by commas */
	INPUT_EVENTS,  /* types of events that clients may see, separated by commas */
	INPUT_TEXTS,   /* a list of min to max texts, each of at most each_max characters */
	INPUT_UUIDS,   /* a list of min to max UUIDs */
	INPUT_INTS,    /* a list of min to max whole numbers, each from 0 */
	INPUT_OBJECTS, /* a list of min to max objects */
	INPUT_OBJECT,  /* an object of any members, at most max bytes as JSON */
	INPUT_ANY,     /* any JSON value, at most max bytes */
};

struct input {
	const char *name;
	enum input_place place;
	enum input_type type;
	gint64 min, max;
	const char *words; /* separated by | */
	gboolean is_needed;
	const char *argument; /* of the function, without p_; NULL: name */
	gint64 each_max;      /* of a list of texts */
	gboolean
		is_clearable; /* text in a body: null and "" both mean "nothing", and are given as "" */
	const char *help;     /* for the document, where the name does not say enough */
};

#define INPUTS(...)                                                                                \
	(const struct input[])                                                                     \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL                                                                       \
		}                                                                                  \
	}

const char *input_place_name(enum input_place place);
const char *input_argument(const struct input *input);

/* What is wrong with the row itself; NULL: nothing. */
const char *input_table_fault(const struct input *input);

/* What is wrong with a text from path, query or header, freed by the caller; NULL: nothing. */
char *input_text_fault(const struct input *input, const char *text);

/*
 * A member of the body as the text to be given on; NULL with *fault, which the caller frees. member
 * NULL is JSON's null: NULL without a fault when that means "not given".
 */
char *input_take_member(const struct input *input, json_object *member, char **fault);

/* JSON Schema 2020-12 of a value that passes; the caller owns it. */
json_object *input_schema(const struct input *input);

#endif
