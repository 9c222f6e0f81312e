// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#pragma once

struct lt_pair {
	int a, b;
};

extern int lt_counter;
extern const char lt_text[];
int lt_add(int a, int b);
long lt_sum(const struct lt_pair *pairs, int n);
int lt_user_twice(int n);
