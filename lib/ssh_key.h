/* SPDX-License-Identifier: MIT */
#ifndef LIB_SSH_KEY_H
#define LIB_SSH_KEY_H

#include <glib.h>

/*
 * Private keys that people hand over so that a program may show them: as ssh-keygen writes them,
 * without a passphrase, which nobody would be there to type. Whether the numbers in one are a key
 * is ssh's to say.
 */
#define SSH_KEY_MAX_BYTES 8000

/*
 * The key with its lines as ssh wants them. Who frees it wipes it before. Errors:
 * MUSTER_ERROR_INPUT with what is wrong with it, for behind the name of a field.
 */
char *ssh_key_take(const char *text, GError **error);

#endif
