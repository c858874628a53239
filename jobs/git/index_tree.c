/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/index_tree.h"

#include "lib/error.h"

#include <string.h>

#define DEPTH_MAX 2048

/* A decimal number that ends in `stop`; -1 is allowed. */
static gboolean number(const uint8_t **at, const uint8_t *end, char stop, int32_t *value)
{
	gint64 result = 0;
	const uint8_t *p = *at;
	bool is_negative = p < end && *p == '-';

	p += is_negative;
	const uint8_t *first = p;
	while (p < end && *p >= '0' && *p <= '9' && result < G_MAXINT32)
		result = result * 10 + (*p++ - '0');
	if (p == first || p == end || *p != (uint8_t)stop || result > G_MAXINT32)
		return FALSE;
	*value = (int32_t)(is_negative ? -result : result);
	*at = p + 1;
	return TRUE;
}

gboolean index_tree_parse(struct index *ix, const uint8_t *data, gsize len, GError **error)
{
	const uint8_t *at = data, *end = data + len;
	g_autoptr(GArray) nodes = g_array_new(FALSE, TRUE, sizeof(struct index_tree));
	struct {
		uint32_t node;
		uint32_t left; /* children still to come */
	} stack[DEPTH_MAX];
	int depth = 0;

	while (at < end && (nodes->len == 0 || depth > 0)) {
		struct index_tree node = {.name = (const char *)at};
		int32_t subtrees;
		const uint8_t *stop = memchr(at, '\0', (gsize)(end - at));
		if (stop == NULL)
			goto broken;
		node.name_len = (uint32_t)(stop - at);
		at = stop + 1;
		if (!number(&at, end, ' ', &node.entry_count) ||
			!number(&at, end, '\n', &subtrees) || subtrees < 0)
			goto broken;
		node.subtrees = (uint32_t)subtrees;
		if (node.entry_count >= 0) {
			if (end - at < OID_BYTES)
				goto broken;
			node.oid = at;
			at += OID_BYTES;
		}
		uint32_t number_of_node = nodes->len;
		g_array_append_val(nodes, node);
		if (depth > 0)
			stack[depth - 1].left--;
		if (subtrees > 0) {
			if (depth == DEPTH_MAX)
				goto broken;
			stack[depth].node = number_of_node;
			stack[depth++].left = node.subtrees;
			continue;
		}
		g_array_index(nodes, struct index_tree, number_of_node).next = nodes->len;
		while (depth > 0 && stack[depth - 1].left == 0)
			g_array_index(nodes, struct index_tree, stack[--depth].node).next =
				nodes->len;
	}
	if (depth > 0)
		goto broken;
	ix->tree_count = nodes->len;
	ix->tree = nodes->len > 0 ? (struct index_tree *)(void *)g_array_free(
					    g_steal_pointer(&nodes), FALSE)
				  : NULL;
	return TRUE;

broken:
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"the index is broken: its cache tree does not fit");
	return FALSE;
}

const struct index_tree *index_tree_find(
	const struct index *ix, const struct index_tree *parent, const char *name, gsize len)
{
	if (parent == NULL)
		return NULL;
	gsize at = (gsize)(parent - ix->tree) + 1;
	for (uint32_t i = 0; i < parent->subtrees; i++) {
		const struct index_tree *node = &ix->tree[at];
		if (node->name_len == len && memcmp(node->name, name, len) == 0)
			return node;
		at = node->next;
	}
	return NULL;
}
