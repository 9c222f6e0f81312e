// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Neither init nor exit: only data. */
#include <linux/module.h>

static int answer = 42;
module_param(answer, int, 0444);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("no functions");
